"""The audit log: who changed what, when, from where, and how it was before. One entry a transaction, written in it.

Append-only (the database refuses anything else), numbered without gaps, each entry bound to the one before it by a
hash. It knows tables and rows; what they mean, their rooms know.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from penstock.core.acts import Act
from penstock.core.hashing import canonical_json, digest_of, sha256_of
from penstock.storage import counters
from penstock.storage.changes import Change, Changes, unaudited
from penstock.storage.engine import Store, Transaction
from penstock.storage.schema import Instant, metadata, sequence

SEQUENCE = "audit"
GENESIS = "0" * 64  # what stands where the first entry names the hash of the one before it
PAGE = 1_000
_ABOUT = ("customer", "partner", "product", "invoice", "operator", "run")  # columns by which an entry is looked for
_LONGEST_SUBJECT = 200
_OWN = unaudited("it is the audit log")

audit_entry = sa.Table(
    "audit_entry",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("origin", sa.String, nullable=False),
    sa.Column("act", sa.String, nullable=False),
    sa.Column("details", sa.Text, nullable=False),  # canonical JSON: the changes, and a salt
    sa.Column("details_sha256", sa.String(64), nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("ix_audit_entry_organisation_who_number", "organisation", "who", "number"),
    sa.Index("ix_audit_entry_organisation_at_number", "organisation", "at", "number"),
    info=_OWN,
)

audit_subject = sa.Table(
    "audit_subject",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    info=_OWN,
)


@dataclass(frozen=True)
class Entry:
    """One entry. more: changed rows beyond those kept, counted by table."""

    number: int
    at: datetime
    who: str
    role: str
    origin: str
    act: str
    changes: tuple[Change, ...]
    more: Mapping[str, int]
    previous: str
    hash: str


@dataclass(frozen=True)
class Wanted:
    """Which entries: of one actor, about one thing (its id), from `since` to before `until`, older than `before`."""

    who: str | None = None
    about: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


@dataclass(frozen=True)
class Verified:
    """What was read of the log. last, head: number and hash of its newest entry; problems: empty when all holds."""

    entries: int
    last: int
    head: str
    problems: tuple[str, ...]


def acting(store: Store, act: Act) -> Store:
    """The store in whose transactions `act` is being done: what each changes is recorded in it."""
    return replace(store, journal=partial(append, act=act))


def append(tx: Transaction, changes: Changes, act: Act) -> None:
    """Write the entry of one transaction, as its last statement: others who act wait for its commit from here on."""
    kept = changes.kept()
    if not kept and not changes.more:
        return
    # the salt: a hash alone must not let anyone guess an e-mail address whose details are no longer there
    told = {"changes": [asdict(one) for one in kept], "more": changes.more, "salt": secrets.token_hex(8)}
    details = canonical_json(told).decode()
    number = counters.take(tx, SEQUENCE)
    row: dict[str, Any] = {
        "number": number,
        "at": tx.now,
        "who": act.who,
        "role": act.role,
        "origin": act.origin,
        "act": act.name,
        "details_sha256": sha256_of(details.encode()),
        "previous": _hash_of(tx, number - 1),
    }
    row |= {"organisation": tx.organisation, "details": details, "hash": _hash(row)}
    tx.execute(sa.insert(audit_entry), row)
    if subjects := _subjects(kept):
        found = [{"organisation": tx.organisation, "subject": one, "number": number} for one in sorted(subjects)]
        tx.execute(sa.insert(audit_subject), found)


def entries(tx: Transaction, wanted: Wanted, limit: int = 100) -> list[Entry]:
    """The newest entries that are wanted, newest first."""
    one = audit_entry.c
    query = sa.select(audit_entry).where(one.organisation == tx.organisation)
    if wanted.about is not None:
        subject = audit_subject.c
        query = query.join(
            audit_subject, (subject.organisation == one.organisation) & (subject.number == one.number)
        ).where(subject.organisation == tx.organisation, subject.subject == wanted.about)
    if wanted.who is not None:
        query = query.where(one.who == wanted.who)
    if wanted.since is not None:
        query = query.where(one.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(one.at < wanted.until)
    number = audit_subject.c.number if wanted.about is not None else one.number
    if wanted.before is not None:
        query = query.where(number < wanted.before)
    return [_entry(row) for row in tx.all(query.order_by(number.desc()).limit(limit))]


def entries_about(tx: Transaction, subjects: sa.SelectBase, after: int, limit: int) -> list[Entry]:
    """The oldest entries about any of these (a query of ids) whose number is above `after`, oldest first."""
    one, subject = audit_entry.c, audit_subject.c
    named = (
        sa.select(subject.number)
        .where(
            subject.organisation == tx.organisation,
            subject.number > after,
            subject.subject.in_(subjects),
        )
        .distinct()
        .order_by(subject.number)
        .limit(limit)
    )
    numbers = [row["number"] for row in tx.all(named)]
    query = sa.select(audit_entry).where(one.organisation == tx.organisation, one.number.in_(numbers))
    return [_entry(row) for row in tx.all(query.order_by(one.number))]


def verify(tx: Transaction, *, newest: int | None = None) -> Verified:
    """Read the log from its beginning, or only its `newest` entries, and check that no entry was changed, taken out or
    put in. Whoever can write to the database could make the whole chain anew: keep `head` somewhere else, and compare.
    """
    last = int(tx.scalar(sa.select(sequence.c.value).where(*_counter(tx))) or 0)
    first = 1 if newest is None else max(1, last - newest + 1)
    problems: list[str] = []
    expected, previous, read = first, _hash_of(tx, first - 1), 0
    for row in _rows_from(tx, first):
        if row["number"] != expected:
            problems.append(f"entries {expected} to {row['number'] - 1} are missing")
        elif row["previous"] != previous:
            problems.append(f"entry {row['number']} does not follow the one before it")
        problems += _faults(row)
        expected, previous, read = row["number"] + 1, row["hash"], read + 1
    if expected <= last:
        problems.append(f"entries {expected} to {last} are missing")
    elif expected > last + 1:
        problems.append(f"entries {last + 1} to {expected - 1} were never counted")
    return Verified(read, expected - 1, previous, tuple(problems))


def hash_at(tx: Transaction, number: int) -> str | None:
    """The hash of one entry; None where there is none."""
    one = audit_entry.c
    found = tx.scalar(sa.select(one.hash).where(one.organisation == tx.organisation, one.number == number))
    return None if found is None else str(found)


def _hash_of(tx: Transaction, number: int) -> str:
    if number == 0:
        return GENESIS
    return hash_at(tx, number) or GENESIS  # it is gone: verify says so, and work goes on


def _hash(row: Mapping[str, Any] | sa.RowMapping) -> str:
    """sha256 over the canonical JSON of an entry, which names the hash of the one before."""
    named = ("number", "who", "role", "origin", "act", "details_sha256", "previous")
    return digest_of({"at": row["at"].isoformat(), **{name: row[name] for name in named}})


def _faults(row: sa.RowMapping) -> list[str]:
    found = []
    if sha256_of(row["details"].encode()) != row["details_sha256"]:
        found.append(f"entry {row['number']}: its changes are not those that were recorded")
    if _hash(row) != row["hash"]:
        found.append(f"entry {row['number']} was altered")
    return found


def _rows_from(tx: Transaction, first: int) -> Iterator[sa.RowMapping]:
    one = audit_entry.c
    while True:
        query = sa.select(audit_entry).where(one.organisation == tx.organisation, one.number >= first)
        page = tx.all(query.order_by(one.number).limit(PAGE))
        yield from page
        if len(page) < PAGE:
            return
        first = page[-1]["number"] + 1


def _counter(tx: Transaction) -> tuple[sa.ColumnElement[bool], ...]:
    named = sequence.c
    return named.organisation == tx.organisation, named.name == SEQUENCE


def _subjects(changes: list[Change]) -> set[str]:
    """By what an entry is looked for: the changed rows' keys, and whose they are."""
    found: set[Any] = set()
    for change in changes:
        found |= set(change.key.values())
        for row in (change.before or {}, change.after or {}):
            found |= {row[name] for name in _ABOUT if name in row}
    return {one for one in found if isinstance(one, str) and 0 < len(one) <= _LONGEST_SUBJECT}


def _entry(row: sa.RowMapping) -> Entry:
    told = json.loads(row["details"])
    facts = {name: row[name] for name in ("number", "at", "who", "role", "origin", "act", "previous", "hash")}
    return Entry(**facts, changes=tuple(Change(**one) for one in told["changes"]), more=told["more"])
