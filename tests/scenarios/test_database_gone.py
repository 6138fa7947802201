"""What people are told when the workspace's database is missing, damaged or read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.storage.engine import open_engine
from tests.scenarios.conftest import Penstock

COMMANDS = ("customer list", "invoice list", "ledger verify", "candidates router", "serve --port 0", "train router")


@pytest.mark.parametrize("words", COMMANDS)
def test_no_command_makes_an_empty_database_in_place_of_a_missing_one(
    folder: Path, penstock: Penstock, words: str
) -> None:
    database = folder / ".penstock" / "penstock.sqlite"
    database.rename(folder / "moved.sqlite")
    answer = penstock(*words.split())
    assert answer.code == 2
    assert "penstock.sqlite" in answer.err and "there is no database" in answer.err and "penstock apply" in answer.err
    assert not database.exists()


def test_init_and_apply_make_the_database(folder: Path, penstock: Penstock, tmp_path: Path) -> None:
    assert penstock("init", str(tmp_path / "shop"), "--name", "desk").code == 0
    assert penstock("customer", "list", "--workspace", str(tmp_path / "shop")).code == 0
    (folder / ".penstock" / "penstock.sqlite").unlink()
    assert penstock("apply").code == 0
    assert penstock("customer", "list").code == 0


def test_doctor_tells_a_database_that_is_gone_from_one_that_was_never_made(folder: Path, penstock: Penstock) -> None:
    database = folder / ".penstock" / "penstock.sqlite"
    moved = database.rename(folder / "moved.sqlite")
    assert finding(penstock) == ("doubt", "not made yet")
    moved.rename(database)
    penstock("data", "add", "router", str(folder / "data" / "router.csv"))
    (folder / ".penstock" / "blobs").mkdir(exist_ok=True)
    database.rename(folder / "moved.sqlite")
    assert finding(penstock) == ("bad", "gone")
    assert not database.exists()


def test_damage_is_found_by_doctor_and_by_verifying_the_books(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    assert finding(penstock)[0] == "ok"
    file = folder / ".penstock" / "penstock.sqlite"
    engine = open_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        root = connection.exec_driver_sql("select rootpage from sqlite_master where name = 'posting'").scalar_one()
        size = connection.exec_driver_sql("pragma page_size").scalar_one()
    engine.dispose()
    with file.open("r+b") as stream:
        stream.seek((root - 1) * size)
        stream.write(b"\xff" * size)
    verdict, found = finding(penstock)
    assert verdict == "bad" and "malformed" in found
    books = penstock("ledger", "verify", "--json")
    assert books.code == 1
    assert "the database is damaged" in books.json()["problems"][0]["message"]


def test_doctor_fails_a_database_that_cannot_be_written(
    folder: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own refusal of a read-only database, without a file that a superuser could write all the same."""

    @sa.event.listens_for(sa.engine.Engine, "connect")
    def read_only(connection: Any, _record: Any) -> None:
        connection.execute("pragma query_only = on")

    try:
        verdict, found = finding(penstock)
    finally:
        sa.event.remove(sa.engine.Engine, "connect", read_only)
    assert verdict == "bad" and "readonly" in found
    assert penstock("doctor").code == 0


def finding(penstock: Penstock) -> tuple[str, str]:
    """The worst that doctor says of the database."""
    found = [row for row in penstock("doctor", "--json").json() if row["what"] == "database"]
    worst = next((row for row in found if row["verdict"] == "bad"), found[0])
    return worst["verdict"], worst["found"].split(": ", 1)[-1]
