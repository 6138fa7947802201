"""JSON schemas of a document and of what is answered to it."""

from __future__ import annotations

INPUT_SCHEMA = {
    "type": "object",
    "required": ["text", "time"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 20_000},
        "time": {"type": "string", "format": "date-time", "description": "with a zone; not in the future"},
        "id": {"type": "string", "maxLength": 200, "description": "yours; the same id counts once"},
        "source": {"type": "string", "maxLength": 200},
        "url": {"type": "string", "format": "uri", "maxLength": 2_000},
    },
}

OUTPUT_SCHEMA = {
    "type": "object",
    "required": ["document", "entities", "sentiment"],
    "properties": {
        "document": {"type": "string", "description": "the document's id: yours, or a hash of it"},
        "entities": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "aliases", "sentiment"],
                "properties": {
                    "name": {"type": "string"},
                    "aliases": {"type": "array", "items": {"type": "string"}},
                    "sentiment": {"type": "string", "description": "of the whole document"},
                },
            },
        },
        "sentiment": {
            "type": "object",
            "required": ["label", "score", "tone"],
            "properties": {
                "label": {"type": "string"},
                "score": {"type": "number"},
                "tone": {"enum": ["negative", "neutral", "positive"]},
            },
        },
    },
}
