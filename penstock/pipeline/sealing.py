"""The keys that seal customers' data, in database and blobs: shown, rotated, retired, given up for lost.

A rotation that was interrupted goes on with `reseal`: what is sealed under the newest key already is passed over.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock import installed
from penstock.core.errors import Conflict, PenstockError, Unavailable
from penstock.datasets.tables import dataset_version
from penstock.metering.tables import answer
from penstock.models.artifact import kept_as_files
from penstock.monitoring.event_tables import feedback_event
from penstock.monitoring.tables import feedback
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.keyring import Keyring
from penstock.storage.resealing import count_values, end, lose_page, reseal_page, sealing_keys, switch
from penstock.storage.sealed import check_keys

_TABLES = (dataset_version, answer, feedback, feedback_event)
READERS_S = 600.0  # so long a rotation waits for a backup, which reads the keys to its end (Postgres)
PAUSE_S = 2.0
PLAIN = ""
BLOBS = "blobs"


@dataclass(frozen=True)
class KeyUse:
    """A key and what it seals. id "": no key, what is still plain. there: whether the keyring has it. sealed: values by
    table, and blobs."""

    id: str
    state: str
    made_at: datetime | None
    ended_at: datetime | None
    there: bool
    sealed: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.sealed.values())


@dataclass(frozen=True)
class Resealed:
    """key: under which everything is sealed now. rows, blobs: how many were sealed anew."""

    key: str
    rows: int
    blobs: int


def sealed_tables() -> tuple[sa.Table, ...]:
    """Every table with sealed columns."""
    return (*_TABLES, *(table for task in installed.tasks().values() for table in task.customers.sealed))


def key_uses(house: House) -> list[KeyUse]:
    """Every key there ever was, oldest first, and what is plain. It reads all that is sealed, but opens nothing."""
    counted = {table.name: _counted(house, table) for table in sealed_tables()} | {BLOBS: _blobs_by_key(house)}
    with house.store.read() as tx:
        known = sealing_keys(tx)
    try:
        here = house.keys.ids()
    except Unavailable:
        here = ()

    def uses(id: str) -> dict[str, int]:
        return {what: many[id] for what, many in counted.items() if many[id]}

    found = [KeyUse(one.id, one.state, one.made_at, one.ended_at, one.id in here, uses(one.id)) for one in known]
    named = {PLAIN, *(one.id for one in known)}
    strange = sorted({id for many in counted.values() for id in many} - named)  # of another database's keys
    found += [KeyUse(id, "unknown", None, None, id in here, uses(id)) for id in strange]
    return found + ([KeyUse(PLAIN, "plain", None, None, True, uses(PLAIN))] if uses(PLAIN) else [])


def rotate(house: House, progress: Progress = no_progress) -> Resealed:
    """Make a new key, seal new values with it from now on, then all old ones. On Postgres it waits
    for a backup that is under way. Raises Unavailable where keys are missing, or after READERS_S of waiting; BadInput
    where the keyring cannot be written."""
    check_keys(house.store)
    _activate_new(house, progress)
    return reseal(house, progress)


def reseal(house: House, progress: Progress = no_progress) -> Resealed:
    """Seal what is plain or under an older key with the present one, in pages between which others write."""
    check_keys(house.store)
    rows, steps = 0, len(sealed_tables()) + 1
    for number, table in enumerate(sealed_tables()):
        progress("sealing", number, steps, table.name.replace("_", " "))
        rows += _reseal_table(house, table)
    progress("sealing", len(sealed_tables()), steps, BLOBS)
    blobs = _reseal_blobs(house)
    progress("sealing", steps, steps)
    return Resealed(house.keys.newest(), rows, blobs)


def retire(house: House, id: str) -> None:
    """Take a key that seals nothing any more out of the keyring. Raises Conflict where it still seals something."""
    with house.store.transaction() as tx:
        states = {one.id: one.state for one in sealing_keys(tx)}
        if not (states.get(id) == "retired" and house.keys.has(id)):  # retired, but killed before it left the file
            end(tx, id, "retired")
        left = sum(count_values(tx, table)[id] for table in sealed_tables()) + _blobs_by_key(house)[id]
        if left:
            raise Conflict(f"it still seals {left:,} values", where=id, hint="seal them anew: penstock sealing reseal")
    house.keys.remove(id)


def lose(house: House, id: str) -> int:
    """Give a key up that is lost: delete or empty what only it could open, so that the rest is served again. Returns
    how many rows and blobs went. Raises Conflict where the keyring has the key. Asked for again, it goes on."""
    if house.keys.has(id):
        raise Conflict("the keyring has this key: nothing is lost", where=id, hint="penstock sealing rotate")
    with house.store.read() as tx:
        states = {one.id: one.state for one in sealing_keys(tx)}
    if states.get(id) == "active":
        _activate_new(house)
    if states.get(id) != "lost":
        with house.store.transaction() as tx:
            end(tx, id, "lost")
    gone = 0
    for table in sealed_tables():
        while page := _lose_page(house, table, id):
            gone += page
    for digest in house.blobs.digests():
        if house.blobs.key(digest) == id:
            house.blobs.remove(digest)
            gone += 1
    return gone


def missing_keys(house: House) -> str:
    """What is wrong with the keys; empty when all are there."""
    try:
        check_keys(house.store)
    except PenstockError as error:
        return f"{error.where}: {error.message}"
    return ""


def _activate_new(house: House, progress: Progress = no_progress) -> None:
    keys: Keyring = house.keys
    with house.store.read() as tx:
        known = {one.id for one in sealing_keys(tx)}
    newest = keys.newest()
    id = newest if newest not in known else keys.add()  # one that was made before a kill is taken up
    began = time.monotonic()
    while not _switched(house, id):
        waited = time.monotonic() - began
        if waited > READERS_S:
            hint = "a backup may be under way: run this again when it has ended; new values still get the old key"
            raise Unavailable(f"somebody has been reading the keys for {waited / 60:.0f} minutes", hint=hint)
        progress("waiting", waited, READERS_S, "for whoever reads the keys: a backup, perhaps")
        time.sleep(PAUSE_S)


def _switched(house: House, id: str) -> bool:
    with house.store.transaction() as tx:
        return switch(tx, id)


def _counted(house: House, table: sa.Table) -> Counter[str]:
    with house.store.read() as tx:
        return count_values(tx, table)


def _blobs_by_key(house: House) -> Counter[str]:
    """How many blobs each key seals; plain ones, but for those that are kept as files. What cannot be opened is no
    manifest that we could ask."""
    keys = {digest: house.blobs.key(digest) or PLAIN for digest in house.blobs.digests()}
    found = Counter(keys.values())
    if found[PLAIN]:
        found[PLAIN] -= sum(keys.get(digest) == PLAIN for digest in kept_as_files(house.blobs))
    return found


def _reseal_table(house: House, table: sa.Table) -> int:
    sealed, after = 0, None
    while True:
        began = time.monotonic()
        with house.store.transaction() as tx:
            after, rows = reseal_page(tx, table, after)
        sealed += rows
        if after is None:
            return sealed
        time.sleep(time.monotonic() - began)  # half of the time is for whoever else writes


def _reseal_blobs(house: House) -> int:
    files, newest, sealed = kept_as_files(house.blobs), house.keys.newest(), 0
    for digest in house.blobs.digests():
        if house.blobs.key(digest) == newest or digest in files:
            continue
        house.blobs.write(digest, house.blobs.get(digest))
        sealed += 1
    return sealed


def _lose_page(house: House, table: sa.Table, id: str) -> int:
    with house.store.transaction() as tx:
        return lose_page(tx, table, id)
