"""Asks the audit log as people ask: about a customer by its name, since a day of the company's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from penstock.channels.partners import get_partner
from penstock.core.clock import zone_of
from penstock.core.errors import BadInput, NotFound
from penstock.identity.customers import get_customer
from penstock.runtime.house import House
from penstock.storage import audit
from penstock.storage.audit import Entry, Verified, Wanted
from penstock.storage.changes import Change
from penstock.storage.engine import Transaction

MAX_ENTRIES = 1_000  # at once
_SECRET = "(secret)"


def find_entries(
    tx: Transaction,
    house: House,
    *,
    who: str | None = None,
    about: str | None = None,
    since: str | None = None,
    until: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """The newest entries, newest first. about: an id; a customer's or partner's name or e-mail too. since, until: days
    (both included) or times. before: only entries older than this number. Raises BadInput."""
    zone = house.workspace.company.timezone
    wanted = Wanted(
        who=who,
        about=None if about is None else _subject(tx, about),
        since=None if since is None else _moment(since, zone, "since"),
        until=None if until is None else _moment(until, zone, "until", days=1),
        before=before,
    )
    return audit.entries(tx, wanted, min(limit, MAX_ENTRIES))


def verify_log(tx: Transaction, expect: str | None = None) -> Verified:
    """Check the whole log. expect: "NUMBER:HASH" as an earlier check told it: that entry must still be there."""
    found = audit.verify(tx)
    if expect is None:
        return found
    number, _, wanted = expect.partition(":")
    if not number.isascii() or not number.isdigit() or len(number) > 18 or len(wanted) != len(audit.GENESIS):
        raise BadInput("this is no head of an audit log", where="expect", hint="write NUMBER:HASH, as verify told it")
    if audit.hash_at(tx, int(number)) == wanted:
        return found
    problem = f"entry {int(number)} is not the one that was kept: the log was made anew"
    return replace(found, problems=(*found.problems, problem))


def change_words(changes: Iterable[Change]) -> list[str]:
    """Each change as a line: `customer cus_…: name "Ada" → "Ada B"`."""
    return [f"{_subject_words(change)}: {_difference_words(change)}" for change in changes]


def _subject_words(change: Change) -> str:
    return " ".join([change.table, *(str(value) for value in change.key.values())])


def _difference_words(change: Change) -> str:
    before, after = change.before, change.after
    if before is None:
        facts = {name: value for name, value in (after or {}).items() if name not in change.key}
        said = [f"{name} {_said(value)}" for name, value in facts.items() if value not in (None, "", _SECRET)]
        return "new: " + ", ".join(said) if said else "new"
    if after is None:
        return "removed"
    return ", ".join(f"{name} {_said(before.get(name))} → {_said(after.get(name))}" for name in {**before, **after})


def _said(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"sha256", "bytes"}:
        return f"({value['bytes']:,} bytes)"
    return "nothing" if value is None else str(value)


def _subject(tx: Transaction, about: str) -> str:
    for find in (get_customer, get_partner):
        try:
            return str(find(tx, about).id)
        except NotFound:
            continue
    return about


def _moment(text: str, timezone: str, where: str, *, days: int = 0) -> datetime:
    """The moment of a time, or of a day's beginning; `days` after it."""
    try:
        if len(text) == len("2026-12-01"):
            day = date.fromisoformat(text) + timedelta(days=days)
            return datetime(day.year, day.month, day.day, tzinfo=zone_of(timezone)).astimezone(UTC)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone_of(timezone))).astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "write it as 2026-12-01 or 2026-12-01T09:30"
        raise BadInput(f"{text[:40]!r} is not a time", where=where, hint=hint) from None
