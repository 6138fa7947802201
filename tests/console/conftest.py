"""The office of a busy company on SQLite: seen by a signed-in browser, a program with the token, and a stranger."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from analytics.harbour import Harbour, busy_harbour
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.console.office import build_office
from penstock.console.signing_in import sign_in_link
from penstock.core.clock import SettableClock
from penstock.core.errors import NotFound, PenstockError
from penstock.core.ids import random_ids
from penstock.identity.operators import ADMIN, Person
from penstock.runtime.house import House
from penstock.runtime.workflows import Handle
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, open_engine
from penstock.storage.keyring import Keyring
from penstock.workspace.loader import load

ADDRESS = "http://127.0.0.1:8081"


@dataclass
class Runs:
    """Workflows that end when the test says so."""

    started: list[Handle] = field(default_factory=list)
    ended_as: dict[str, Any] = field(default_factory=dict)

    def start(self, name: str, arguments: dict[str, Any]) -> Handle:
        self.started.append(Handle(f"run-{len(self.started) + 1}", name, arguments, datetime(2026, 11, 15, tzinfo=UTC)))
        return self.started[-1]

    def pending(self, name: str) -> list[Handle]:
        return [run for run in self.started if run.name == name and run.id not in self.ended_as]

    def ended(self, names: Sequence[str], limit: int) -> list[Handle]:
        return [run for run in reversed(self.started) if run.name in names and run.id in self.ended_as][:limit]

    def unfinished(self, id: str) -> bool:
        return any(run.id == id and run.id not in self.ended_as for run in self.started)

    def result(self, handle: Any) -> Any:
        if handle.id not in self.ended_as:
            raise NotFound(f"no run {handle.id!r}")
        end = self.ended_as[handle.id]
        if isinstance(end, PenstockError):
            raise end
        return end


class Browser(TestClient):
    """A browser that fills in forms: it takes the form token from the page that has the form."""

    def fill_in(self, page: str, action: str, **fields: str) -> Any:
        html = self.get(page).text
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', html)
        assert token is not None and f'action="{action}"' in html, f"{page} has no form to {action}"
        return self.post(action, data={"csrf": token[1], **fields})


@pytest.fixture(scope="session")
def made_harbour(tmp_path_factory: pytest.TempPathFactory) -> Harbour:
    """The company, made once: each test has a copy of its folder."""
    folder = tmp_path_factory.mktemp("harbour")
    url = f"sqlite:///{folder / 'penstock.sqlite'}"
    migrate.upgrade(url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
    made = busy_harbour(folder, store)
    store.close()
    return made


@pytest.fixture
def harbour(made_harbour: Harbour, tmp_path: Path) -> Iterator[Harbour]:
    shutil.copytree(made_harbour.house.folder, tmp_path, dirs_exist_ok=True)
    url = f"sqlite:///{tmp_path / 'penstock.sqlite'}"
    clock = SettableClock(made_harbour.clock.now())
    workspace = load(tmp_path)
    store = Store(open_engine(url), "main", clock, random_ids, Keyring(workspace.keyring))
    house = House(workspace, store, BlobStore(workspace.blobs, keys=store.keys), url)
    yield replace(made_harbour, house=house, clock=clock, invoices=dict(made_harbour.invoices))
    store.close()


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def office(harbour: Harbour, runs: Runs) -> FastAPI:
    return build_office(harbour.house, runs, harbour.house.secret("admin"))


@pytest.fixture
def stranger(office: FastAPI) -> TestClient:
    return TestClient(office, base_url=ADDRESS, follow_redirects=False)


@pytest.fixture
def admin(office: FastAPI, harbour: Harbour) -> TestClient:
    token = harbour.house.secret("admin").decode()
    return TestClient(office, base_url=ADDRESS, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def browser(office: FastAPI, harbour: Harbour) -> Browser:
    client = Browser(office, base_url=ADDRESS)
    return signed_in(client, office, ADMIN)


def signed_in(client: Browser, office: FastAPI, who: Person) -> Browser:
    """The browser, with a session of this person's."""
    link = sign_in_link(office.state.links, who, ADDRESS)
    assert client.get(link.removeprefix(ADDRESS)).status_code == 200
    return client
