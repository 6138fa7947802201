"""How values and errors cross a process or a database: strict JSON, never pickle.

An error of the house's tree comes back as the same class with the same fields; any other becomes Broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from penstock.core import errors
from penstock.core.errors import Broken, PenstockError

_ERROR = "penstock-error"


def dumps(value: Any) -> str:
    """One line of JSON. Raises TypeError or ValueError for what JSON cannot say (objects, NaN, keys not text)."""
    if isinstance(value, BaseException):
        value = {_ERROR: error_to_json(value)}
    _check_keys(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(text: str) -> Any:
    """What `dumps` wrote: a value (tuples are lists now), or the error object itself."""
    value = json.loads(text)
    if isinstance(value, dict) and value.keys() == {_ERROR}:
        return error_from_json(value[_ERROR])
    return value


def plain(value: Any) -> Any:
    """`value` as it will be after a journey through JSON, so the first run sees what a resumed one sees."""
    return loads(dumps(value))


def error_to_json(error: BaseException) -> dict[str, Any]:
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


def error_from_json(value: dict[str, Any]) -> PenstockError:
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
