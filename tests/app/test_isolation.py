"""Route × key: every route of the gateway, tried with every kind of key. The matrix is made from the routes: a new one
is in it, and what it may tell to whom is decided by what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from analytics.harbour import Harbour, busy_harbour
from starlette.testclient import TestClient

from penstock.app.customer_api import customer_endpoints
from penstock.app.gateway import gateway_deps
from penstock.core.clock import SettableClock
from penstock.core.ids import random_ids
from penstock.identity.customers import get_customer
from penstock.identity.keys import ACCESSES, Need, create_key, get_key, list_keys, revoke_key
from penstock.identity.operators import add_operator
from penstock.monitoring.feedback import list_feedback
from penstock.serving.gateway import OWN_ROUTES, build_gateway
from penstock.storage import migrate
from penstock.storage.audit import Wanted, entries
from penstock.storage.engine import Store, open_engine

OPEN = ("/healthz", "/readyz", "/openapi.json")
OWN_NEEDS: dict[str, Need] = {"/v1/products/{product}/predict": "call", "/v1/models": "read"}
BODIES: dict[str, Any] = {"/v1/products/{product}/predict": {"inputs": ["where is my parcel"]}}


@dataclass(frozen=True)
class Town:
    """The harbour's gateway on air, keys of each kind by name, and blue's things by the parameter they stand for."""

    here: Harbour
    http: TestClient
    keys: dict[str, str]
    blues: dict[str, str]
    request: str
    marks: tuple[str, ...]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    url = f"sqlite:///{folder / 'penstock.sqlite'}"
    migrate.upgrade(url)
    here = busy_harbour(
        folder, Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
    )
    keys, target = make_keys(here), ""
    with here.store.transaction() as tx:
        blue = get_customer(tx, here.blue)
        target = create_key(tx, customer=here.blue, name="the target")[0].id
        said = list_feedback(tx)[0]
    blues = {"product": "helpdesk", "number": here.invoices[here.blue], "line": "1", "key": target}
    with TestClient(build_gateway(gateway_deps(here.house)), raise_server_exceptions=False) as http:
        marks = (blue.id, blue.email, blues["number"], target)
        yield Town(here, http, keys, blues, said.request_id, marks)
    here.store.close()


def make_keys(here: Harbour) -> dict[str, str]:
    """The text of a key of each kind; "none" is no key at all."""
    ends = here.clock.now() + timedelta(seconds=1)
    with here.store.transaction() as tx:
        found = {access: create_key(tx, customer=here.blue, access=access)[1] for access in ACCESSES}
        found["kefu only"] = create_key(tx, customer=here.blue, products=["kefu"])[1]
        found["manager"] = create_key(tx, customer=here.blue, manages_keys=True)[1]
        found["other's"] = create_key(tx, customer=here.hai)[1]
        found["other's manager"] = create_key(tx, customer=here.hai, manages_keys=True)[1]
        revoked, found["revoked"] = create_key(tx, customer=here.blue, manages_keys=True)
        revoke_key(tx, revoked.id)
        _, found["expired"] = create_key(tx, customer=here.blue, expires_at=ends)
        _, found["operator"] = add_operator(tx, "Ada", "owner")
    found["admin token"] = here.house.secret("admin").decode()
    found["altered"] = found["full"][:-1] + ("0" if found["full"][-1] != "0" else "1")
    here.clock.set(ends)
    return {**found, "none": ""}


def routes(here: Harbour) -> list[tuple[str, str, Need | None]]:
    """(method, path, what a key must be for); None: it asks for no key."""
    endpoints = [(one.method, one.path, one.needed) for one in customer_endpoints(here.house)]
    return [(method, path, OWN_NEEDS.get(path)) for method, path in OWN_ROUTES] + endpoints


def ask(town: Town, method: str, path: str, kind: str) -> Any:
    body = {"id": town.request, "index": 0, "rating": 1} if path == "/v1/feedback" else BODIES.get(path, {})
    headers = {"Authorization": f"Bearer {town.keys[kind]}"} if town.keys[kind] else {}
    return town.http.request(
        method, path.format(**town.blues), headers=headers, **({} if method == "GET" else {"json": body})
    )


def allowed(kind: str, need: Need, path: str) -> bool:
    """What the documentation says of a key of blue's."""
    if need == "keys":
        return kind == "manager"
    if kind == "kefu only" and path in ("/v1/products/{product}/predict", "/v1/feedback"):
        return False  # asked of another product, and of an answer that it gave
    return need in {"read-only": ("read", "billing"), "billing-only": ("billing",)}.get(
        kind, ("call", "read", "billing")
    )


def test_every_route_of_the_gateway_is_told_to_whom_it_is(town: Town) -> None:
    tried = routes(town.here)
    assert len(tried) > 12
    wrong = []
    for method, path, need in tried:
        for kind in town.keys:
            answer = ask(town, method, path, kind)
            status, name = answer.status_code, f"{kind}: {method} {path} answered {answer.status_code}"
            if need is None:
                bad = status == 401 if path in OPEN else status != 401
            elif kind in ("revoked", "expired", "operator", "admin token", "altered", "none"):
                bad = status != 401
            elif kind.startswith("other's"):
                refused = need == "keys" and kind == "other's"
                bad = status != 403 if refused else status == 401 or ("{" in path and status < 400)
            else:
                bad = (status == 403) == allowed(kind, need, path) or status == 401
            wrong += [name] if bad else []
            if kind not in ("full", "read-only", "billing-only", "kefu only", "manager"):
                hidden = [mark for mark in town.marks if mark not in str(answer.request.url)]
                wrong += [f"{name} and tells {mark}" for mark in hidden if mark in answer.text]
    assert wrong == []


def test_what_another_customer_tried_changed_nothing(town: Town) -> None:
    """Runs after the matrix, in which a stranger tried to end blue's key and blue's manager replaced it."""
    for path in ("/v1/keys/{key}/revoke", "/v1/keys/{key}/rotate"):
        assert ask(town, "POST", path, "other's manager").status_code == 404
    with town.here.store.read() as tx:
        assert get_key(tx, town.blues["key"]).customer == town.here.blue
        theirs = {one.id for one in list_keys(tx, town.here.hai)}
        for entry in entries(tx, Wanted(about=town.here.blue), 1_000):
            assert entry.who.removeprefix("key ") not in theirs


def test_what_a_customer_does_to_its_keys_is_in_the_audit_log(town: Town) -> None:
    manager = {"Authorization": f"Bearer {town.keys['manager']}"}
    made = town.http.post("/v1/keys", json={"name": "shop", "access": "read-only", "days": 9}, headers=manager).json()
    assert made["key"].startswith("sk_live_") and made["access"] == "read-only"
    assert town.http.post(f"/v1/keys/{made['id']}/revoke", headers=manager).json()["revoked_at"]
    with town.here.store.read() as tx:
        ended, created = entries(tx, Wanted(about=made["id"]))
    assert created.who == ended.who == f"key {town.keys['manager'].split('_')[2]}"
    assert (created.act, ended.act) == ("POST /v1/keys", "POST /v1/keys/{key}/revoke")
    assert created.origin == "testclient" and created.role == "customer"
    listed = town.http.get("/v1/keys", headers=manager).json()["keys"]
    assert made["id"] in {one["id"] for one in listed} and "sha256" not in str(listed)
    for body in ({"access": "root"}, {"products": ["nosuch"]}, {"days": 0}, {"name": 7}, {"more": 1}):
        assert town.http.post("/v1/keys", json=body, headers=manager).status_code in (404, 422)


def test_every_changing_route_of_customers_is_in_the_audit_log_or_is_use(town: Town) -> None:
    use = {"POST /v1/feedback": "the row says whose it is and when"}
    with town.here.store.transaction() as tx:
        target = create_key(tx, customer=town.here.blue, name="another target")[0].id
    mine = {**town.blues, "key": target}
    manager = {"Authorization": f"Bearer {town.keys['manager']}"}
    silent = []
    changing = [one for one in customer_endpoints(town.here.house) if one.method != "GET"]
    for one in changing:
        route = f"{one.method} {one.path}"
        if route not in use:
            answer = town.http.request(one.method, one.path.format(**mine), json={}, headers=manager)
            assert answer.status_code == 200, f"{route}: {answer.text}"
            with town.here.store.read() as tx:
                silent += [route] if entries(tx, Wanted(), 1)[0].act != route else []
    assert len(changing) > 3 and silent == []


def test_when_a_key_was_last_used_is_known_to_the_hour(town: Town) -> None:
    town.http.get("/v1/models", headers={"Authorization": f"Bearer {town.keys['full']}"})
    key_id, gateway = town.keys["full"].split("_")[2], town.http.app.state.gateway  # type: ignore[attr-defined]
    due = gateway.key_uses.due()
    with town.here.store.read() as tx:
        written = get_key(tx, key_id).last_used_at
    hour = town.here.clock.now().replace(minute=0, second=0, microsecond=0)
    assert hour in (due.get(key_id), written)
