"""The differences between what was applied last and what penstock.toml says now.

It compares and prints; it changes nothing. `penstock apply` shows the plan, then the packages that own prices,
plans and agreements make their new versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from penstock.workspace.records import Workspace, dump

_SINGLE = ("company", "costs", "mail", "storage", "gateway", "office")
_NAMED = ("backbones", "products", "plans", "agreements")
_SIGNS = {"add": "+", "change": "~", "remove": "-"}
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]*@")
_SHARES = ("share", "tax_rate", "rate")
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Change:
    """One difference. before and after are JSON values; None where there is nothing."""

    kind: Literal["add", "change", "remove"]
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        field = self.key.rpartition(".")[2]
        head = f"{_SIGNS[self.kind]} {self.key}"
        if self.kind == "change":
            return f"{head}: {_said(field, self.before)} -> {_said(field, self.after)}"
        value = self.before if self.kind == "remove" else self.after
        return f"{head}: {_said(field, value)}"


def plan(old: Mapping[str, Any] | None, new: Workspace) -> tuple[Change, ...]:
    """What changes from `old` (records.dump of the workspace applied last, None at first) to `new`.

    Whole products, backbones, plans and agreements are added or removed; within one that stays, each field
    (price, gate, data, ...) is a change of its own.
    """
    before, after = without_secrets(old or {}), without_secrets(dump(new))
    changes: list[Change] = []
    for section in _SINGLE:
        changes += _between(section, before.get(section), after[section])
    for section in _NAMED:
        had, has = before.get(section) or {}, after[section]
        for name in [*has, *(name for name in had if name not in has)]:
            changes += _between(f"{section}.{name}", had.get(name), has.get(name))
    return tuple(changes)


def lines(changes: Sequence[Change]) -> list[str]:
    """The plan as `penstock apply` prints it, with a count at the end."""
    if not changes:
        return ["nothing to change: all of penstock.toml is applied"]
    counts = {kind: sum(change.kind == kind for change in changes) for kind in _SIGNS}
    return [
        *map(str, changes),
        f"{counts['add']} to add, {counts['change']} to change, {counts['remove']} to remove",
    ]


def _between(key: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[Change]:
    if before is None and after is not None:
        if all(value in _EMPTY for value in after.values()):
            return  # a section of which nothing is said
        yield Change("add", key, None, after)
    elif before is not None and after is None:
        yield Change("remove", key, before, None)
    elif before is not None and after is not None:
        for field in [*after, *(field for field in before if field not in after)]:
            was, now = before.get(field), after.get(field)
            if was != now and not (was in _EMPTY and now in _EMPTY):
                yield Change("change", f"{key}.{field}", was, now)


def without_secrets(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its database's address without the password: plans are printed, what was applied is kept."""
    storage = dict(content.get("storage") or {})
    if isinstance(storage.get("database"), str):
        storage["database"] = _PASSWORD.sub(r"\1:***@", storage["database"])
    return {**content, "storage": storage} if storage else dict(content)


def _said(field: str, value: Any) -> str:
    """A value as a person would say it; `field` is the key it is found under."""
    if value in _EMPTY:
        return "(none)"
    if field == "gate":
        return ", ".join(f"{c['metric']} {c['op']} {c['threshold']:g}" for c in value)
    if field == "price":
        return f"{_tiers(value['tiers'])} per {value['unit']}"
    if field in _SHARES and isinstance(value, str):
        return f"{float(value) * 100:g}%"
    if isinstance(value, Mapping):
        said = ((name, _said(name, part)) for name, part in value.items() if part not in _EMPTY)
        parts = [f"{name} {words}" for name, words in said if words]  # a section of which nothing is said
        return "; ".join(parts) if any(isinstance(part, dict | list) for part in value.values()) else ", ".join(parts)
    if isinstance(value, list):
        return ", ".join(_said("", part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _tiers(tiers: Sequence[Mapping[str, Any]]) -> str:
    if len(tiers) == 1:
        return str(tiers[0]["unit_price"])
    *bounded, rest = tiers
    return ", ".join([*(f"{t['unit_price']} up to {t['up_to']}" for t in bounded), f"then {rest['unit_price']}"])
