"""JSON schemas of a request for items and of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.tasks.recommendation.data.options import MOST_TOP

MOST_ITEMS = 1_000
MOST_NAMED = 10_000

_IDS: Mapping[str, Any] = {"type": "array", "items": {"type": ["string", "integer"]}}
_ITEM: Mapping[str, Any] = {
    "type": "object",
    "required": ["item", "title"],
    "properties": {"item": {"type": "string"}, "title": {"type": "string"}},
}
INPUT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "user": {"type": ["string", "integer"]},
        "items": {**_IDS, "minItems": 1, "maxItems": MOST_ITEMS},
        "popular": {"const": True},
        "top": {"type": "integer", "minimum": 1, "maximum": MOST_TOP},
        "exclude": {**_IDS, "maxItems": MOST_NAMED},
        "available": {**_IDS, "maxItems": MOST_NAMED},
    },
}
OUTPUT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["item", "title", "score", "new", "because"],
                "properties": {
                    "item": {"type": "string"},
                    "title": {"type": "string"},
                    "score": {"type": "number"},
                    "new": {"type": "boolean"},
                    "because": {"anyOf": [_ITEM, {"type": "null"}]},
                },
            },
        }
    },
}
