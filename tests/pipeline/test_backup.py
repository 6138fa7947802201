"""A backup taken while others write holds all that was acknowledged before its moment, comes back whole or not at all,
and a drill notices whatever is not as it was."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour, open_harbour

from penstock import installed
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Broken, Conflict, NotFound, Unavailable
from penstock.core.ids import random_ids
from penstock.datasets.rows import Split
from penstock.identity.customers import add_customer
from penstock.metering import usage_log
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.pipeline import backing_up
from penstock.pipeline.backing_up import Made, back_up
from penstock.pipeline.drill import Check, drill
from penstock.pipeline.restoring import restore
from penstock.pipeline.sealing import retire, rotate
from penstock.pipeline.trying import try_inputs
from penstock.registry.releases import live
from penstock.runtime.house import House, open_house, set_rehearsal
from penstock.storage import backup as storage_backup
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, open_engine
from penstock.storage.keyring import Keyring
from penstock.training.records import TrainRequest, save
from penstock.workspace.loader import load

TEXTS = ("my invoice is wrong", "the parcel is late")
PASSPHRASE = "correct horse battery"
_names = itertools.count()
on_sqlite = pytest.mark.parametrize("original", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("original", ["postgres"], indirect=True)


@dataclass
class Company:
    """A company with a real model on air, which answered, and a new Postgres database for whoever needs one."""

    harbour: Harbour
    new_database: Callable[[], str] | None
    last_database: str = ""

    @property
    def folder(self) -> Path:
        return self.harbour.house.folder

    def back_up(self, name: str = "all.backup", **options: Any) -> Made:
        return back_up(self.harbour.house, self.folder.parent / name, **{"passphrase": PASSPHRASE, **options})

    def restored(self, made: Made, name: str = "restored", **options: Any) -> Path:
        if self.new_database is not None:
            self.last_database = self.new_database()
            options = {"database": self.last_database, **options}
        folder = self.folder.parent / name
        restore(made.file, folder, **{"passphrase": PASSPHRASE, **options})
        return folder

    def drill(self, file: Path, name: str = "drilled", **options: Any) -> list[Check]:
        if self.new_database is not None:
            options = {"database": self.new_database(), **options}
        return drill(file, self.folder.parent / name, **{"passphrase": PASSPHRASE, **options})


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company with sales, data, secrets and answers of a released model."""
    folder = tmp_path_factory.mktemp("original") / "company"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "helpdesk.csv").write_text("text,label\nhello,billing\n")
    (folder / ".penstock").mkdir(mode=0o700)
    new = None
    url = f"sqlite:///{folder / '.penstock' / 'penstock.sqlite'}"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_url")

        def new() -> str:
            return _new_database(server)

        url = new()
    migrate.upgrade(url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
    here = open_harbour(folder, store)
    here.house = replace(here.house, database_url=url)
    with store.transaction() as tx:
        here.blue = add_customer(tx, name="Blue Shop", email="it@blue.example.com").id
    for _ in range(3):
        here.use(here.blue, "helpdesk", 400)
    here.clock.set(datetime(2026, 11, 2, 2, 0, tzinfo=UTC))
    here.close("2026-10")
    model = installed.rungs()["ngram-linear.v1"].train(TrainRequest(Split(TEXTS * 8, ("billing", "delivery") * 8)))
    here.release(here.candidate("helpdesk", "ngram-linear.v1", 117, artifact=save(model, here.house.blobs)).id)
    _answer(here)
    yield Company(here, new)
    store.close()


@pytest.fixture
def company(original: Company, tmp_path: Path) -> Iterator[Company]:
    """The company, to do with as a test likes: its folder copied, its database too where it lies there."""
    folder, house = tmp_path / "company", original.harbour.house
    shutil.copytree(house.folder, folder, ignore=shutil.ignore_patterns("*.sqlite*"))
    url = house.database_url
    if original.new_database is None:
        storage_backup.copy_sqlite(url, folder / ".penstock" / "penstock.sqlite")
        url = f"sqlite:///{folder / '.penstock' / 'penstock.sqlite'}"
    workspace = load(folder)
    store = replace(house.store, engine=open_engine(url), keys=Keyring(workspace.keyring))
    blobs = BlobStore(workspace.blobs, keys=store.keys)
    harbour = replace(original.harbour, house=House(workspace, store, blobs, url))
    yield Company(harbour, original.new_database)
    store.close()


def _new_database(server: str) -> str:
    name = f"backup_{next(_names)}"
    engine = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def _answer(here: Harbour) -> None:
    """Two requests to the live release, recorded as a gateway does."""
    with here.store.read() as tx:
        release = live(tx, "helpdesk")
    assert release is not None
    for text in TEXTS:
        outputs = list(try_inputs(here.house, release.id, [text]).outputs)
        body = json.dumps({"id": text, "outputs": outputs}).encode()
        with here.store.transaction() as tx:
            event = UsageEvent(here.blue, text, here.blue, "helpdesk", release.id, "key", tx.now, 1, "0" * 64)
            usage_log.append(tx, [event], [Answer(here.blue, text, here.blue, "helpdesk", [text], body, tx.now)])


def wrong(checks: list[Check]) -> list[str]:
    return [f"{one.what}: {one.found}" for one in checks if not one.sound]


def test_a_drill_finds_the_company_in_its_backup(company: Company) -> None:
    made = company.back_up()
    checks = company.drill(made.file)
    assert wrong(checks) == []
    found = {one.what: one.found for one in checks}
    assert list(found) == [
        "sums",
        "rows",
        "usage and balances",
        "database and ledger",
        "audit log",
        "keys",
        "release helpdesk/1",
        "release helpdesk/1 answers",
    ]
    assert "the last 2 requests answered the same" in found["release helpdesk/1 answers"]
    assert "decision proven" in found["release helpdesk/1"]


def test_everything_acknowledged_before_the_named_moment_is_in_it_though_others_write(company: Company) -> None:
    store, stop = company.harbour.store, threading.Event()
    acknowledged: list[str] = []

    def write() -> None:
        while not stop.is_set():
            acknowledged.append(company.harbour.use(company.harbour.blue, "kefu", 1))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(acknowledged) < 20:
            pass
        before = list(acknowledged)
        made = company.back_up()
    finally:
        stop.set()
        thread.join()
    house = open_house(company.restored(made), database=company.last_database)
    with house.store.read() as tx:
        events = usage_log.events(tx, limit=100_000)
    house.close()
    assert set(before) <= {event.id for event in events}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    with store.read() as tx:
        later = usage_log.events(tx, limit=100_000)
    assert later[: len(events)] == events  # what is in it is a beginning of the log, without a gap


@on_sqlite
def test_it_is_private_and_holds_no_secret_in_the_clear(company: Company) -> None:
    umask = os.umask(0o022)
    try:
        made = company.back_up()
        restored = company.restored(made)
    finally:
        os.umask(umask)
    assert made.file.stat().st_mode & 0o777 == 0o600
    secret = company.harbour.house.secret("decisions")
    with zipfile.ZipFile(made.file) as packed:
        assert all(secret not in packed.read(name) for name in packed.namelist())
    assert (restored / ".penstock" / "secrets" / "decisions").read_bytes() == secret
    loose = [path for path in (restored, *restored.rglob("*")) if path.stat().st_mode & 0o077]
    assert [path.name for path in loose if path.name != ".gitignore"] == []
    assert (restored / "data" / "helpdesk.csv").read_text().startswith("text,label")
    assert sorted(path.name for path in company.folder.parent.iterdir()) == ["all.backup", "company", "restored"]


@on_sqlite
@pytest.mark.parametrize("passphrase", ["another passphrase", ""])
def test_without_the_passphrase_nothing_is_restored(
    company: Company, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = company.back_up()
    with pytest.raises(BadInput, match=r"cannot be opened|sealed"):
        company.restored(made, passphrase=passphrase)
    assert not (company.folder.parent / "restored").exists()
    [keys, *rest] = wrong(company.drill(made.file, passphrase=None, with_secrets=False))
    assert "the keyring is not there" in keys and rest, "what customers sent cannot be read, nor a model that has rows"
    monkeypatch.setenv("PENSTOCK_KEYRING", str(company.folder / ".penstock" / "secrets" / "keyring"))
    assert wrong(company.drill(made.file, "again", passphrase=None, with_secrets=False)) == []
    with pytest.raises(BadInput, match="at least 12"):
        company.back_up("other.backup", passphrase="short")


@on_sqlite
@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_a_damaged_backup_is_refused_and_leaves_nothing(company: Company, place: float) -> None:
    made = company.back_up()
    content = bytearray(made.file.read_bytes())
    content[int(place * len(content))] ^= 0x40
    made.file.write_bytes(content)
    before = set(company.folder.parent.iterdir())
    with pytest.raises((Broken, BadInput)):
        company.restored(made)
    assert set(company.folder.parent.iterdir()) == before
    made.file.write_bytes(content[: len(content) // 2])
    with pytest.raises(Broken):
        company.restored(made)


@on_sqlite
def test_one_bit_that_asks_for_a_password_or_an_unknown_packing_is_damage(company: Company) -> None:
    """Python's zipfile raises RuntimeError for the first, NotImplementedError for the second: not a gap of ours."""
    made = company.back_up()
    whole = made.file.read_bytes()
    entry = whole.index(b"PK\x01\x02")  # the first in the archive's table: flags at 8, the way it is packed at 10
    for place, value in ((8, 0x01), (10, 0x63)):
        content = bytearray(whole)
        content[entry + place] |= value
        made.file.write_bytes(content)
        with pytest.raises(Broken):
            company.restored(made)


@on_sqlite
@pytest.mark.parametrize(
    ("part", "content", "said"),
    [
        ("penstock.toml", b"[company]\nname = 'Another'\n", "penstock.toml is not as it was written"),
        ("manifest.json", b"{}", "manifest is not as it was written"),
        ("../outside", b"x", "does not hold the parts that its manifest names"),
    ],
)
def test_a_part_that_somebody_put_in_is_refused(company: Company, part: str, content: bytes, said: str) -> None:
    """ZIP's own sums are right again after any tool has changed it; the manifest's are not."""
    made = company.back_up()
    changed = made.file.with_name("changed.backup")
    with zipfile.ZipFile(made.file) as before, zipfile.ZipFile(changed, "w") as after:
        names = [*before.namelist(), *({part} - set(before.namelist()))]
        for name in names:
            after.writestr(name, content if name == part else before.read(name))
        after.comment = before.comment
    with pytest.raises(Broken, match=said):
        company.restored(replace(made, file=changed))
    assert not (company.folder.parent / "restored").exists()


@on_sqlite
def test_nothing_is_overwritten(company: Company) -> None:
    made = company.back_up()
    with pytest.raises(Conflict, match="already"):
        company.back_up()
    (company.folder.parent / "full").mkdir()
    (company.folder.parent / "full" / "file").touch()
    with pytest.raises(Conflict, match="not empty"):
        company.restored(made, "full")
    with pytest.raises(NotFound):
        company.back_up("no/such/folder.backup")
    (company.folder.parent / "many").mkdir()
    named = company.back_up("many").file
    assert named.parent.name == "many" and named.name.startswith("company-2026")


@on_postgres
def test_a_database_that_is_not_empty_is_not_restored_into(company: Company) -> None:
    made = company.back_up()
    with pytest.raises(Conflict, match="not empty"):
        company.restored(made, database=company.harbour.house.database_url)
    assert not (company.folder.parent / "restored").exists()
    with pytest.raises(BadInput, match="Postgres"):
        restore(made.file, company.folder.parent / "restored", passphrase=PASSPHRASE)


@on_sqlite
def test_a_drill_names_what_is_not_as_it_was(company: Company) -> None:
    made = company.back_up()
    found = _drilled_after(company, made, "delete from answer where id = 'my invoice is wrong'")
    assert "answer: " in found["rows"]
    found = _drilled_after(company, made, "update usage_event set units = units + 1 where seq = 1")
    assert "usage: " in found["usage and balances"]
    body = json.dumps({"outputs": [{"label": "delivery"}]})
    answer = f"update answer set body = cast('{body}' as blob) where id = '{TEXTS[0]}'"  # noqa: S608
    found = _drilled_after(company, made, answer)
    assert found["release helpdesk/1 answers"].startswith("1 of 2 differ")
    found = _drilled_after(company, made, "update decision set passed = 1 - passed")
    assert "signature" in found["release helpdesk/1"]


_TRIGGERS = "select name from sqlite_master where type = 'trigger'"  # they keep the books from being changed


def _drilled_after(company: Company, made: Made, statement: str) -> dict[str, str]:
    """What a drill says where the restored database was changed by `statement` before it was looked at."""
    from penstock.pipeline import drill as module

    def restore_and_change(*args: Any, **options: Any) -> Any:
        restored = restore(*args, **options)
        engine = open_engine(restored.database)
        with engine.begin() as connection:
            for trigger in connection.exec_driver_sql(_TRIGGERS).scalars().all():
                connection.exec_driver_sql(f"drop trigger {trigger}")
            connection.exec_driver_sql(statement)
        engine.dispose()
        return restored

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "restore", restore_and_change)
        checks = company.drill(made.file, f"drilled-{next(_names)}")
    return {one.what: one.found for one in checks if not one.sound}


@on_sqlite
def test_a_damaged_blob_is_left_out_and_named(company: Company) -> None:
    house = company.harbour.house
    digest = house.blobs.put(b"a report")
    (house.blobs.folder / digest[:2] / digest).write_bytes(b"another")
    made = company.back_up()
    assert made.damaged == (digest,)
    assert any(digest in line for line in wrong(company.drill(made.file)))


def test_a_backup_that_a_rotation_goes_through_has_both_keys(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    house = company.harbour.house
    [old] = house.keys.ids()
    copy = backing_up._add_blobs

    def rotated(*arguments: Any) -> list[str]:
        rotate(house)
        retire(house, old)
        return copy(*arguments)

    monkeypatch.setattr(backing_up, "_add_blobs", rotated)
    made = company.back_up()
    assert house.keys.ids() != (old,) and old not in house.keys.ids()
    assert wrong(company.drill(made.file)) == [], "the copy of the database is older than the rotation"


@on_sqlite
def test_a_rehearsal_is_no_company(company: Company) -> None:
    set_rehearsal(company.harbour.house.workspace.state, timedelta(days=1))
    with pytest.raises(BadInput, match="rehearsal"):
        company.back_up()


@on_sqlite
def test_what_the_file_names_elsewhere_is_told(company: Company) -> None:
    toml = company.folder / "penstock.toml"
    elsewhere = company.folder.parent / "kefu.csv"
    elsewhere.write_text("text,label\n")
    toml.write_text(toml.read_text().replace('"data/kefu.csv"', f'"{elsewhere}"'))
    made = company.back_up()
    assert made.outside == (str(elsewhere),)
    with zipfile.ZipFile(made.file) as packed:
        assert "data/helpdesk.csv" in packed.namelist()
    with zipfile.ZipFile(company.back_up("small.backup", data=False).file) as packed:
        assert "data/helpdesk.csv" not in packed.namelist()


_FAILING = """#!/bin/sh
[ "$1" = --version ] && echo 'pg_dump (PostgreSQL) 99.0' && exit
echo half; echo 'the disk is on fire' >&2; exit 1
"""


@on_postgres
def test_postgres_tools_that_are_missing_or_too_old_are_named(
    company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(storage_backup, "tool_folders", lambda: iter([tmp_path]))
    with pytest.raises(BadInput, match="pg_dump of Postgres"):
        company.back_up()
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6'\n")
    (tmp_path / "pg_dump").chmod(0o700)
    with pytest.raises(BadInput, match="only older ones"):
        company.back_up()
    (tmp_path / "pg_dump").write_text(_FAILING)
    with pytest.raises(Unavailable, match="pg_dump failed: the disk is on fire"):
        company.back_up()
    assert not [path for path in company.folder.parent.iterdir() if "backup" in path.name]
