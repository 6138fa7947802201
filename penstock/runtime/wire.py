"""How records, values and errors cross a process or a database: strict JSON, never pickle.

The one place where a record becomes JSON and is read back. An error of the house's tree comes back as the same class
with the same fields; any other becomes Broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, TypeAlias, TypeVar, cast

import msgspec

from penstock.core import errors
from penstock.core.errors import Broken, PenstockError

_ERROR = "penstock-error"

JsonObject: TypeAlias = dict[str, Any]
"""A record on its way, as JSON has it."""

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What crosses a process or a database. A field that equals its default is left out of the JSON, unless the kind of
    record says `omit_defaults=False`."""


def dumps(value: Any) -> str:
    """One line of JSON, of records too. Raises TypeError or ValueError for what JSON cannot say (other objects, NaN,
    keys not text)."""
    if isinstance(value, BaseException):
        value = {_ERROR: error_to_json(value)}
    _check_keys(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_fields)


def loads(text: str) -> Any:
    """What `dumps` wrote: a value (tuples are lists now), or the error object itself."""
    value = json.loads(text)
    if isinstance(value, dict) and value.keys() == {_ERROR}:
        return error_from_json(value[_ERROR])
    return value


def plain(value: Any) -> Any:
    """`value` as it will be after a journey through JSON, so the first run sees what a resumed one sees."""
    return loads(dumps(value))


def read(kind: type[T], value: Any) -> T:
    """The record that a value in JSON stands for: `plain` of it is that value again. Fields that this version does not
    know are passed over. Raises Broken naming the field that is missing or wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        name = getattr(kind, "__name__", str(kind))
        hint = "another version of Penstock wrote it, or it was altered"
        raise Broken(f"this is not what was expected: {error}", where=name, hint=hint) from None


def error_to_json(error: BaseException) -> JsonObject:
    """Class name, message, place, hint and further fields of an error."""
    known = error if isinstance(error, PenstockError) else broken_by(error)
    further = {name: _json_or_text(value) for name, value in vars(known).items() if name not in _CORE}
    return {
        "kind": type(known).__name__,
        "message": known.message,
        "where": known.where,
        "hint": known.hint,
        "fields": further,
    }


def error_from_json(value: JsonObject) -> PenstockError:
    """The error that `error_to_json` described; Broken when its class is unknown here."""
    kind = next((k for k in _tree(PenstockError) if k.__name__ == value["kind"]), Broken)
    rebuild, arguments = errors._rebuild, (value["message"], value["where"], value["hint"], value["fields"])
    return rebuild(kind, *arguments)


def broken_by(error: BaseException) -> Broken:
    """An unforeseen error as one of the house's."""
    return Broken(f"{type(error).__name__}: {error}", hint="this is a fault of the program; please report it")


_CORE = frozenset({"message", "where", "hint"})


def _tree(kind: type[PenstockError]) -> Iterator[type[PenstockError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def _json_or_text(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return str(value)


def _fields(value: Any) -> JsonObject:
    """A record as JSON has it: what `json.dumps` asks for what it does not know."""
    if not isinstance(value, msgspec.Struct) and (isinstance(value, type) or not is_dataclass(value)):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    found = cast(JsonObject, msgspec.to_builtins(value))
    _check_keys(found)
    return found


def _check_keys(value: Any) -> None:
    # json.dumps would turn the key 1 into "1" silently, and a resumed run would then see another value
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"JSON keys are text, not {key!r}")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)
