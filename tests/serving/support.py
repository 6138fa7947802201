"""What the serving tests share: a tiny real model, a durable test funding, a company on air, a gateway in a thread."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import numpy as np
import sqlalchemy as sa

from penstock.core.errors import CreditExhausted
from penstock.evaluation.gate import Verdict
from penstock.evaluation.pairing import paired
from penstock.identity import customers, keys
from penstock.metering import usage_log
from penstock.metering.usage_log import UsageEvent
from penstock.registry import candidates, decisions, releases
from penstock.registry.releases import Release
from penstock.serving.deps import GatewayDeps, Timing
from penstock.serving.funding import Grant
from penstock.serving.server import serve
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction
from penstock.storage.keyring import Keyring
from penstock.workspace.records import GatewaySettings, Price, Product

PRODUCT = "helpdesk"
PATH = f"/v1/products/{PRODUCT}/predict"
SECRET = b"a secret of thirty-two bytes length"
PRICE = Price.model_validate({"tiers": [{"up_to": 10, "unit_price": "0.0040"}, {"unit_price": "0.0020"}]})
PRODUCTS = {
    PRODUCT: Product.model_validate(
        {"task": "text-classification", "title": "Helpdesk router", "data": "x.csv", "gate": {}, "price": PRICE}
    )
}
QUICK = Timing(deadline_s=10, refresh_every_s=0.05, stale_after_s=1.0, tend_every_s=0.1, drain_s=10)

_tables = sa.MetaData()
credit = sa.Table(
    "test_credit",
    _tables,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("units", sa.BigInteger, sa.CheckConstraint("units >= 0"), nullable=False),
)
grant = sa.Table(
    "test_grant",
    _tables,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("gateway", sa.String, nullable=False),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, sa.CheckConstraint("used <= units"), nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
)


class TestFunding:
    """A prepaid number of units per customer, held in blocks, in two tables. No credit row: no limit."""

    __test__ = False

    def __init__(self, life: timedelta = timedelta(minutes=1)) -> None:
        self.life = life

    def open_grant(
        self, tx: Transaction, *, gateway: str, customer: str, product: str, units: int, key: str = ""
    ) -> Grant:
        funds = sa.select(credit.c.units).where(_own(tx, credit), credit.c.customer == customer).with_for_update()
        left = tx.scalar(funds)
        if left is not None:
            units = min(units, left)
            if units < 1:
                raise CreditExhausted("the credit is used up", where=f"customer {customer}", hint="add credit")
            tx.execute(_change(tx, credit, credit.c.customer == customer).values(units=credit.c.units - units))
        used = sa.select(sa.func.coalesce(sa.func.sum(sa.case((grant.c.open, grant.c.units), else_=grant.c.used)), 0))
        cumulative = tx.scalar(used.where(_own(tx, grant), grant.c.customer == customer))
        row = {"id": tx.new_id("grant"), "gateway": gateway, "customer": customer, "units": units, "used": 0}
        tx.execute(sa.insert(grant).values(organisation=tx.organisation, open=True, **row))
        return Grant(row["id"], units, int(cumulative), PRICE, 2, "USD", tx.now + self.life)

    def settle(self, tx: Transaction, uses: Sequence[tuple[str, int]]) -> None:
        for grant_id, units in uses:
            tx.execute(_change(tx, grant, grant.c.id == grant_id).values(used=grant.c.used + units))

    def close(self, tx: Transaction, grant_ids: Sequence[str]) -> None:
        for grant_id in grant_ids:
            row = tx.first(sa.select(grant).where(_own(tx, grant), grant.c.id == grant_id, grant.c.open))
            if row is not None:
                tx.execute(_change(tx, grant, grant.c.id == grant_id).values(open=False))
                back = credit.c.units + row["units"] - row["used"]
                tx.execute(_change(tx, credit, credit.c.customer == row["customer"]).values(units=back))

    def renew(self, tx: Transaction, gateway: str) -> Mapping[str, datetime]:
        mine = sa.select(grant.c.id).where(_own(tx, grant), grant.c.gateway == gateway, grant.c.open)
        return {row["id"]: tx.now + self.life for row in tx.all(mine)}


def give_credit(store: Store, customer: str, units: int) -> None:
    with store.transaction() as tx:
        tx.execute(sa.insert(credit).values(organisation=tx.organisation, customer=customer, units=units))


def credit_left(store: Store, customer: str) -> int:
    with store.read() as tx:
        return int(tx.scalar(sa.select(credit.c.units).where(_own(tx, credit), credit.c.customer == customer)))


def open_grants(store: Store) -> int:
    with store.read() as tx:
        return int(tx.scalar(sa.select(sa.func.count()).where(_own(tx, grant), grant.c.open)))


@dataclass(frozen=True)
class TinyModel:
    """Hashed character trigrams against fixed weights, row by row. Slow or wavering on demand."""

    labels: tuple[str, ...]
    seed: int
    seconds: float = 0.0
    wavering: bool = False
    kind: str = "tiny.v1"
    weights: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", np.random.default_rng(self.seed).normal(size=(512, len(self.labels))))

    def predict(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.seconds:
            threading.Event().wait(self.seconds * len(texts))
        rows = [self._row(text) for text in texts]
        if self.wavering and len(rows) > 1:
            rows[0] = rows[0][::-1]
        return np.stack(rows).astype(np.float32)

    def _row(self, text: str) -> np.ndarray[Any, Any]:
        places = [zlib.crc32(text[i : i + 3].encode()) % 512 for i in range(max(1, len(text) - 2))]
        scores = self.weights[places].sum(axis=0)
        powers = np.exp(scores - scores.max())
        return np.asarray(powers / powers.sum())


@dataclass(frozen=True)
class TinyLoader:
    blobs: BlobStore

    def load(self, artifact: str) -> TinyModel:
        settings = json.loads(self.blobs.get(artifact))
        return TinyModel(**{**settings, "labels": tuple(settings["labels"])})

    def read(self, digest: str) -> bytes:
        return self.blobs.get(digest)


def tiny_artifact(blobs: BlobStore, seed: int = 1, **settings: Any) -> str:
    return blobs.put(json.dumps({"labels": ["billing", "delivery", "other"], "seed": seed, **settings}).encode())


def go_live(store: Store, artifact: str, product: str = PRODUCT) -> Release:
    """Register, judge and release an artifact, as the registry wants it."""
    with store.transaction() as tx:
        candidate = candidates.add_candidate(
            tx,
            product=product,
            rung="tiny",
            artifact=artifact,
            backbone=None,
            dataset_version="dv_1",
            seed=0,
            report_blob=artifact,
            seconds=0.1,
        )
        present = releases.live(tx, product)
        compared = paired([True], [True]) if present else None
        verdict = Verdict(True, (), compared, 10, "rows")
        incumbent = present.candidate if present else None
        decisions.decide(tx, candidate=candidate, verdict=verdict, conditions=(), incumbent=incumbent, secret=SECRET)
        return releases.release(tx, candidate.id, SECRET)


@dataclass(frozen=True)
class Company:
    """A company with one product on air and one customer with a key."""

    store: Store
    blobs: BlobStore
    customer: str
    key: str
    key_id: str
    deps: GatewayDeps

    def events(self) -> list[UsageEvent]:
        with self.store.read() as tx:
            return usage_log.events(tx, limit=100_000)

    def new_key(self, **scope: Any) -> tuple[str, str]:
        with self.store.transaction() as tx:
            made, text = keys.create_key(tx, customer=self.customer, **scope)
        return made.id, text


def make_company(store: Store, blobs: BlobStore, **changes: Any) -> Company:
    """Put a company on air in the store's organisation; `changes` go to GatewayDeps."""
    _tables.create_all(store.engine)
    store = store if store.keys else replace(store, keys=Keyring(blobs.folder.parent / "keyring"))
    with store.transaction() as tx:
        customer = customers.add_customer(tx, name="Quay", email="dev@quay.example")
        key, text = keys.create_key(tx, customer=customer.id)
    if changes.pop("released", True):
        go_live(store, tiny_artifact(blobs))
    deps = GatewayDeps(store, PRODUCTS, TinyLoader(blobs), TestFunding(), timing=QUICK)
    return Company(store, blobs, customer.id, text, key.id, replace(deps, **changes))


class Running:
    """A gateway that runs in a thread, on a port the system chose."""

    def __init__(self, deps: GatewayDeps, key: str) -> None:
        self.deps = deps
        self.error: BaseException | None = None
        self.url = ""
        self._key = key
        self._stop = threading.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        try:
            serve(self.deps, "127.0.0.1", 0, on_ready=self._ready, stop=self._stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self.error = error
        finally:
            self._up.set()

    def _ready(self, url: str) -> None:
        self.url = url
        self._up.set()

    def start(self) -> None:
        self._thread.start()
        if not self._up.wait(20):
            raise TimeoutError("the gateway did not come up")
        if self.error is not None:
            raise self.error

    def stop(self, wait: bool = True) -> None:
        self._stop.set()
        if wait:
            self._thread.join(30)
            if self._thread.is_alive():
                raise TimeoutError("the gateway did not end")

    def http(self, key: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key or self._key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=15, trust_env=False)

    def predict(self, inputs: Any, *, product: str = PRODUCT, **headers: str) -> httpx2.Response:
        """One prediction on a connection of its own; header names with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.http() as http:
            return http.post(f"/v1/products/{product}/predict", json={"inputs": inputs}, headers=sent)


@contextmanager
def running(company: Company, **changes: Any) -> Iterator[Running]:
    gateway = Running(replace(company.deps, **changes), company.key)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@contextmanager
def load(
    gateway: Running, *, clients: int, inputs: int = 1, stop_at: int | None = None
) -> Iterator[list[httpx2.Response]]:
    """Clients that ask without a pause, each until the block ends or it gets the status `stop_at`."""
    answers: list[httpx2.Response] = []
    stop = threading.Event()

    def ask(name: int) -> None:
        with gateway.http() as http:
            while not stop.is_set():
                answer = http.post(PATH, json={"inputs": [f"where is parcel {name}"] * inputs})
                answers.append(answer)
                if answer.status_code == stop_at:
                    return

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem document, after checking what every one of them has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["instance"] == answer.headers["x-request-id"]
    assert told["type"].startswith("urn:penstock:problem:") and told["title"] and told["detail"]
    assert {"where", "hint"} <= told.keys()
    return told


def wait_for(happens: Callable[[], Any], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not happens():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {within_s} s")
        time.sleep(0.02)


def small(**settings: Any) -> GatewaySettings:
    return GatewaySettings(**settings)


def _own(tx: Transaction, table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.organisation == tx.organisation


def _change(tx: Transaction, table: sa.Table, which: sa.ColumnElement[bool]) -> sa.Update:
    return sa.update(table).where(_own(tx, table), which)
