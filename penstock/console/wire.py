"""The admin interface's JSON: the house's records as they are, money as decimal text, times as ISO 8601 in UTC."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from penstock.core.money import Money

HIDDEN = frozenset({"secret_sha256", "signature"})  # facts that no reader of the interface needs


def plain(value: Any) -> Any:
    """JSON values of any record of the house. Raises TypeError for what has no JSON form."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Money():
            return {"amount": f"{value.to_decimal():f}", "currency": value.currency}
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case Path():
            return str(value)
        case BaseModel():
            return plain(value.model_dump())
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name not in HIDDEN}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def answer(value: Any, status: int = 200) -> Response:
    """`value` as a JSON response that nobody may keep."""
    body = json.dumps(plain(value), ensure_ascii=False, allow_nan=False).encode()
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
