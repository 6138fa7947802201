"""What people set of a compression, as typed (NAME=VALUE) and as it is kept with a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from penstock.core.errors import BadInput
from penstock.training.compress.records import Compression
from penstock.training.loop.records import Recipe


def read_settings(compression: Compression, given: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE words as values by name. Raises BadInput for names it does not have and values of another type."""
    usual = _usual(compression)
    found: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f"{word!r} sets nothing", where="--set", hint="write NAME=VALUE")
        if name not in usual:
            known = ", ".join(usual) or "none"
            raise BadInput(f"{compression.name} has no {name!r} to set", where="--set", hint=f"what it has: {known}")
        found[name] = _value(name, value.strip(), usual[name])
    return found


def parted(compression: Compression, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was set, as the compression's own options and the numbers of its recipe."""
    own = {name: value for name, value in given.items() if name in compression.options}
    return own, {name: value for name, value in given.items() if name not in own}


def _usual(compression: Compression) -> dict[str, Any]:
    recipe = asdict(Recipe()) if compression.recipe else {}
    return {**recipe, **compression.options}


def _value(name: str, text: str, usual: Any) -> Any:
    """The text as a value of the usual one's type; without a usual one, a number where it is one."""
    try:
        if isinstance(usual, bool):
            return {"true": True, "false": False}[text]
        if isinstance(usual, int):
            return int(text)
        if isinstance(usual, float):
            return float(text)
        if isinstance(usual, tuple | list):
            return [float(part) for part in text.split(",")]
    except (ValueError, KeyError):
        kinds = {bool: "true or false", int: "a whole number", float: "a number"}
        wanted = kinds.get(type(usual), "numbers with commas between them")
        raise BadInput(f"{name} must be {wanted}, not {text!r}", where="--set") from None
    return text if isinstance(usual, str) else _number(text)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
