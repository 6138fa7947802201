"""The audit log: who changed what, when, from where, and how it was before. One entry a transaction, written in it.

Append-only, numbered without gaps, each entry bound to the one before it by a hash of all but its details, of which
it holds a hash. The database refuses to change anything but details, and a change of those counts only if a later
entry says it: what an erasure empties. It knows tables and rows; what they mean, their packages know.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from penstock.core.acts import Act
from penstock.core.hashing import canonical_json, digest_of, sha256_of
from penstock.storage import counters
from penstock.storage.changes import Change, Changes, Row, unaudited
from penstock.storage.engine import Store, Transaction
from penstock.storage.schema import Instant, metadata, sequence

SEQUENCE = "audit"
GENESIS = "0" * 64  # what stands where the first entry names the hash of the one before it
PAGE = 1_000
_ABOUT = ("customer", "partner", "product", "invoice", "operator", "run")  # columns by which an entry is looked for
_LONGEST_SUBJECT = 200
_OWN = unaudited("it is the audit log")
_EMPTIED = "audit_entry"  # the kind of a change that says which details another entry has since
GONE = "(erased)"

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
    """What was read of the log. last, head: number and hash of its newest entry; problems: empty when all holds.
    emptied: entries of which an erasure took personal values, as a later entry says."""

    entries: int
    last: int
    head: str
    problems: tuple[str, ...]
    emptied: int = 0


def acting(store: Store, act: Act) -> Store:
    """The store in whose transactions `act` is being done: what each changes is recorded in it."""
    return replace(store, journal=partial(append, act=act))


def append(tx: Transaction, changes: Changes, act: Act) -> None:
    """Write the entry of one transaction, as its last statement: others who act wait for its commit from here on."""
    kept = changes.kept()
    if not kept and not changes.more:
        return
    details = _details(kept, changes.more)
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


def is_personal(entry: Entry, mine: Collection[str]) -> bool:
    """Whether `empty_details` would take something out of the entry."""
    return any(one.names(mine) and _impersonal(one) != one for one in entry.changes)


def empty_details(tx: Transaction, numbers: Sequence[int], mine: Collection[str]) -> int:
    """Take the personal values (changes.PERSONAL) of the changes that name one of `mine` out of these entries' details;
    returns of how many. An entry says so, in this transaction; whose changes, when and by whom stay as they were."""
    told = tx.changes or Changes()
    one = audit_entry.c
    entry = (one.organisation == tx.organisation, one.number.in_(numbers))
    emptied = 0
    for row in tx.all(sa.select(one.number, one.details).where(*entry).order_by(one.number)):
        known = json.loads(row["details"])
        before = [Change(**change) for change in known["changes"]]
        after = [_impersonal(change) if change.names(mine) else change for change in before]
        if after == before:
            continue
        details = _details(after, known["more"])  # salted anew: what is gone cannot be tried against the old hash
        at = (one.organisation == tx.organisation, one.number == row["number"])
        tx.execute(sa.update(audit_entry).where(*at).values(details=details))
        told.note(_EMPTIED, {"number": row["number"]}, {"details_sha256": sha256_of(details.encode())})
        emptied += 1
    if tx.changes is None:  # nobody acts, yet the log must say it
        append(tx, told, Act("penstock", "", "", "erasure"))
    return emptied


def verify(tx: Transaction, *, newest: int | None = None) -> Verified:
    """Read the log from its beginning, or only its `newest` entries, and check that no entry was changed, taken out or
    put in. Whoever can write to the database could make the whole chain anew: keep `head` somewhere else, and compare.
    """
    last = int(tx.scalar(sa.select(sequence.c.value).where(*_counter(tx))) or 0)
    first = 1 if newest is None else max(1, last - newest + 1)
    problems: list[str] = []
    changed: dict[int, str] = {}  # entries whose details are not those they were written with -> the hash of these
    allowed: dict[int, str] = {}  # entries -> the hash that the newest entry about their details says
    expected, previous, read = first, _hash_of(tx, first - 1), 0
    for row in _rows_from(tx, first):
        if row["number"] != expected:
            problems.append(f"entries {expected} to {row['number'] - 1} are missing")
        elif row["previous"] != previous:
            problems.append(f"entry {row['number']} does not follow the one before it")
        if _hash(row) != row["hash"]:
            problems.append(f"entry {row['number']} was altered")
        if (found := sha256_of(row["details"].encode())) != row["details_sha256"]:
            changed[row["number"]] = found
        elif f'"{_EMPTIED}"' in row["details"]:
            allowed |= _emptied(row["details"])
        expected, previous, read = row["number"] + 1, row["hash"], read + 1
    if expected <= last:
        problems.append(f"entries {expected} to {last} are missing")
    elif expected > last + 1:
        problems.append(f"entries {last + 1} to {expected - 1} were never counted")
    problems += [
        f"entry {number}: its changes are not those that were recorded"
        for number, found in changed.items()
        if allowed.get(number) != found
    ]
    return Verified(read, expected - 1, previous, tuple(problems), len(changed.keys() & allowed.keys()))


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


def _details(changes: Sequence[Change], more: Mapping[str, int]) -> str:
    """With a salt: a hash alone must not let anyone guess an e-mail address whose details are no longer there."""
    told = {"changes": [asdict(one) for one in changes], "more": more, "salt": secrets.token_hex(8)}
    return canonical_json(told).decode()


def _impersonal(change: Change) -> Change:
    table = metadata.tables.get(change.table)
    personal = {one.name for one in table.columns if one.info.get("personal")} if table is not None else set()

    def without(row: Row | None) -> Row | None:
        return row and {name: GONE if name in personal and value else value for name, value in row.items()}

    return replace(change, before=without(change.before), after=without(change.after))


def _emptied(details: str) -> dict[int, str]:
    """Which details other entries have since, as this entry says."""
    changes = [Change(**one) for one in json.loads(details)["changes"]]
    return {one.key["number"]: one.after["details_sha256"] for one in changes if one.table == _EMPTIED and one.after}


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
