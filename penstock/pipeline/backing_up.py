"""`penstock backup`: database, blobs, workspace file, the data that it names, and the sealed secrets, of one moment, in
one file. Others serve meanwhile."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import penstock
from penstock.billing.ledger import balances
from penstock.core.errors import BadInput, Broken, Unavailable
from penstock.metering.usage_log import extent
from penstock.runtime.house import House, drafts_of, keyring_of
from penstock.runtime.progress import Progress, no_progress
from penstock.storage import audit
from penstock.storage.archive import Archive, written
from penstock.storage.backup import copy_sqlite, dump_postgres, open_copy, row_counts, snapshot
from penstock.storage.drafts import draft_of
from penstock.storage.engine import Store, Transaction, is_sqlite
from penstock.storage.keyring import merged
from penstock.storage.migrate import chain
from penstock.storage.sealing import seal
from penstock.workspace.loader import FILE

STATE = ".penstock"
DATABASE = f"{STATE}/penstock.sqlite"
WORKFLOWS = f"{STATE}/workflows.sqlite"
DUMP = f"{STATE}/database.dump"
SECRETS = f"{STATE}/secrets.sealed"
KEYRING = "keyring"


@dataclass(frozen=True)
class Made:
    """A backup. stands_for: everything acknowledged before this moment is in it. damaged: blobs that do not match
    their hash, which are left out; outside: what the file names but what lies elsewhere, left out too."""

    file: Path
    stands_for: datetime
    bytes: int
    usage_events: int
    ledger_rows: int
    blobs: int
    damaged: tuple[str, ...]
    outside: tuple[str, ...]


def back_up(
    house: House,
    target: Path,
    *,
    passphrase: str | None,
    data: bool = True,
    progress: Progress = no_progress,
) -> Made:
    """Write a backup of the house into the new file `target`; into a folder, under a name with company and time.

    passphrase: seals the secrets; None leaves them out. data: with the files that penstock.toml names. Raises Conflict
    for a file that is there, BadInput for a rehearsal, a short passphrase, or where Postgres' tools are missing.
    """
    if house.rehearsal:
        raise BadInput("this is a rehearsal's copy: restored, it would be a company", where=str(house.folder))
    secrets = _secrets(house) if passphrase else {}
    if passphrase:
        seal(secrets, passphrase)  # first: a short passphrase is refused before any work
    if target.is_dir():
        target = target / f"{house.folder.resolve().name}-{house.store.clock.now():%Y%m%dT%H%M%SZ}.backup"
    inside, outside = _named_files(house) if data else ((), ())
    register = drafts_of(house.workspace)
    beside = target.with_name(f"{target.name}.work")  # on the backup's own disk: the workspace's may be nearly full
    with written(target, register) as archive, draft_of(beside, folder=True, register=register) as work:
        archive.add(FILE, io.BytesIO((house.folder / FILE).read_bytes()), pack=True)
        _add_workflows(house, archive, work)
        stands_for = house.store.clock.now()  # before the snapshot: what was acknowledged until now is in it
        progress("copying the database", 0, 1)
        facts = _add_database(house, archive, work)
        damaged = _add_blobs(house, archive, progress)
        for file in inside:
            with file.open("rb") as content:
                archive.add(file.relative_to(house.folder).as_posix(), content, pack=True)
        if passphrase:
            secrets = _with_newer_keys(secrets, _secrets(house))
            archive.add(SECRETS, io.BytesIO(seal(secrets, passphrase)))
        archive.facts = {
            "penstock": penstock.__version__,
            "company": house.workspace.company.name,
            "stands_for": stands_for.isoformat(),
            "secrets": sorted(secrets),
            "damaged_blobs": damaged,
            "not_in_it": list(outside),
            **facts,
        }
    return Made(
        target,
        stands_for,
        target.stat().st_size,
        facts["usage"]["events"],
        facts["rows"]["posting"],
        sum(part["name"].startswith(f"{STATE}/blobs/") for part in archive.parts),
        tuple(damaged),
        outside,
    )


def heads(tx: Transaction) -> dict[str, Any]:
    """What a restored database must show again: how far usage and audit log go, and what the books come to."""
    seq, events, units = extent(tx)
    acts = audit.verify(tx, newest=1)
    return {
        "audit": f"{acts.last}:{acts.head}",
        "usage": {"seq": seq, "events": events, "units": units},
        "balances": {f"{one.account} {one.currency}": one.amount_minor for one in balances(tx)},
    }


def _add_workflows(house: House, archive: Archive, work: Path) -> None:
    """Before the database: a step that is recorded as done has its effect in the later copy. The other way round, an
    effect could be missing that no step makes again."""
    source = house.workspace.state / "workflows.sqlite"
    if is_sqlite(house.store.engine) and source.exists():
        copy_sqlite(f"sqlite:///{source}", work / "workflows")
        _add_file(archive, WORKFLOWS, work / "workflows")


def _add_database(house: House, archive: Archive, work: Path) -> dict[str, Any]:
    """Add the database as of one moment; returns what the manifest says of it, read from the same moment."""
    if not is_sqlite(house.store.engine):
        with snapshot(house.store.engine) as connection:
            facts = _facts(house.store, connection)
            with dump_postgres(connection, house.database_url) as dump:
                archive.add(DUMP, dump, pack=True)
        return {"database": "postgres", **facts}
    copy = work / "database"
    copy_sqlite(house.database_url, copy)
    engine = open_copy(copy)
    with snapshot(engine) as connection:
        facts = _facts(house.store, connection)
    engine.dispose()
    _add_file(archive, DATABASE, copy)
    return {"database": "sqlite", **facts}


def _facts(store: Store, connection: sa.Connection) -> dict[str, Any]:
    tx = Transaction(connection, store.organisation, store.clock, store.ids, store.keys)
    return {"schema": chain()[0], "rows": row_counts(connection), **heads(tx)}


def _add_file(archive: Archive, name: str, file: Path) -> None:
    with file.open("rb") as content:
        archive.add(name, content, pack=True)
    file.unlink()


def _add_blobs(house: House, archive: Archive, progress: Progress) -> list[str]:
    """After the database: a blob is kept before the row that names it. Returns the damaged ones."""
    folder = house.workspace.blobs
    files = [file for file in sorted(folder.glob("??/*")) if not file.name.startswith(".")]
    damaged = []
    for number, file in enumerate(files):
        progress("copying blobs", number, len(files))
        if not _whole(house, file.name):
            damaged.append(file.name)
            continue
        with file.open("rb") as content:
            archive.add(f"{STATE}/blobs/{file.parent.name}/{file.name}", content)
    progress("copying blobs", len(files), len(files))
    return damaged


def _secrets(house: House) -> dict[str, bytes]:
    """By name. The keyring is among them wherever it lies."""
    folder, keyring = house.workspace.state / "secrets", keyring_of(house.workspace)
    files = [file for file in sorted(folder.glob("[!.]*")) if file.is_file()]
    found = {file.name: file.read_bytes() for file in files}
    return found | ({KEYRING: keyring.read_bytes()} if keyring.is_file() else {})


def _with_newer_keys(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> dict[str, bytes]:
    """The secrets as they are after the copy, with every key that there was: a rotation may have come between."""
    keys = [one[KEYRING] for one in (before, after) if KEYRING in one]
    return {**after, **({KEYRING: merged(keys[0], keys[-1])} if keys else {})}


def _whole(house: House, digest: str) -> bool:
    try:
        house.blobs.verify(digest)
    except Unavailable:  # its key is lost: nobody can tell
        return True
    except Broken:
        return False
    return True


def _named_files(house: House) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files that penstock.toml names by their paths, folders with all that is in them: (those inside the
    workspace, those elsewhere)."""
    folder = house.folder.resolve()
    inside: set[Path] = set()
    outside: set[str] = set()
    for text in _texts(tomllib.loads((house.folder / FILE).read_text(encoding="utf-8"))):
        name = text.removeprefix("path:")
        if not name or len(name) > 1_000 or "\x00" in name:
            continue
        place = (folder / name).resolve()
        if not _there(place) or place == folder or folder.is_relative_to(place):
            continue
        if not place.is_relative_to(folder):
            outside.add(name)
        elif place.relative_to(folder).parts[0] != STATE:
            inside.update([place] if place.is_file() else (one for one in place.rglob("*") if one.is_file()))
    return tuple(house.folder / one.relative_to(folder) for one in sorted(inside - {folder / FILE})), tuple(
        sorted(outside)
    )


def _there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # a text that no file can be named
        return False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
