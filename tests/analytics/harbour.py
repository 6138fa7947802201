"""Harbour AI in mid-November: two products, three customers, a partner, October closed and partly paid.

Everything is made through the packages' own functions; only the models are pretended.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from penstock.billing import catalogue, credits
from penstock.billing.invoices import close_period
from penstock.billing.payments import pay, refund
from penstock.billing.terms import set_terms
from penstock.channels import agreements
from penstock.channels.attribution import attribute
from penstock.channels.commissions import settle
from penstock.channels.partners import add_partner
from penstock.core.clock import Period, SettableClock, period_of
from penstock.core.hashing import canonical_json
from penstock.core.money import money
from penstock.datasets.cleaning import clean
from penstock.datasets.rows import Prepared, Row, Split, as_objects
from penstock.datasets.versions import add_version
from penstock.evaluation.classification import measure_classes
from penstock.evaluation.evaluate import Exam, Examinee, Terms, evaluate
from penstock.evaluation.gate import judge
from penstock.evaluation.report import Report, rows_digest
from penstock.identity.customers import add_customer
from penstock.identity.keys import create_key
from penstock.metering import usage_log
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.monitoring import feedback
from penstock.registry import candidates, decisions, releases
from penstock.registry.candidates import Candidate
from penstock.runtime.house import House
from penstock.runtime.progress import no_progress
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.storage.keyring import Keyring
from penstock.workspace.loader import load

TOML = """
[company]
name = "Harbour AI"
address = "12 Quay Street, Singapore"
currency = "USD"
timezone = "Asia/Shanghai"
tax_rate = "6%"

[products.helpdesk]
task = "text-classification"
title = "Helpdesk router"
data = "data/helpdesk.csv"
gate = { accuracy = ">= 0.80", gross_margin = ">= 0.70" }
price = { tiers = [{ up_to = 1_000, unit_price = "0.0040" }, { unit_price = "0.0020" }] }

[products.kefu]
task = "text-classification"
title = "客服意图识别"
data = "data/kefu.csv"
gate = { accuracy = ">= 0.80" }
price = { tiers = [{ unit_price = "0.0030" }] }

[plans.team]
title = "Team"
monthly = "49.00"
includes = { helpdesk = 500 }

[agreements.referral]
share = "20%"
"""
LABELS = ("billing", "delivery")
TEST = Split(tuple(f"message {n}" for n in range(120)), tuple(LABELS[n % 2] for n in range(120)))


@dataclass(frozen=True)
class Guess:
    """A model that is right on the first `right` test rows."""

    right: int
    kind: str = "guess.v1"
    labels: tuple[str, ...] = LABELS

    def predict(self, texts: Sequence[str]) -> Any:
        rows = []
        for text in texts:
            number = int(text.split()[1])
            says = number % 2 if number < self.right else 1 - number % 2
            rows.append([0.9, 0.1] if says == 0 else [0.1, 0.9])
        return np.array(rows, dtype=np.float32)


@dataclass
class Harbour:
    """The company, with a clock to turn."""

    house: House
    clock: SettableClock
    blue: str = ""
    hai: str = ""
    quiet: str = ""
    partner: str = ""
    good: str = ""
    poor: str = ""
    invoices: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    @property
    def store(self) -> Store:
        return self.house.store

    def month(self, name: str) -> Period:
        return period_of(name, self.house.workspace.company.timezone)

    def use(self, customer: str, product: str, units: int) -> str:
        """`units` used in one request now; answers its id."""
        request = f"req-{next(self._numbers):05d}"
        with self.store.transaction() as tx:
            event = UsageEvent(customer, request, customer, product, "rel", "key", tx.now, units, "0" * 64)
            answer = Answer(customer, request, customer, product, ["where is my parcel"], b"{}", tx.now)
            usage_log.append(tx, [event], [answer])
        return request

    def report(self, right: int) -> Report:
        """What evaluation says of a model that is right on `right` of 120 rows."""
        product = self.house.workspace.products["helpdesk"]
        return evaluate(
            Examinee(Guess(right), Guess(right)),
            Exam(
                TEST.inputs,
                lambda judged, answers, seed: measure_classes(judged.labels, TEST.labels, answers, TEST.texts, seed),
                rows_digest(
                    [{"text": text, "label": label} for text, label in zip(TEST.texts, TEST.labels, strict=True)]
                ),
            ),
            Terms(product.price, self.house.workspace.costs),
            progress=no_progress,
        )

    def candidate(self, product: str, rung: str, right: int, artifact: str = "", version: str = "") -> Candidate:
        """A trained, measured and judged candidate. artifact: a real model's; without one there is none to load.
        version: the id of the data version it was trained on."""
        report = self.report(right)
        conditions = self.house.workspace.products[product].gate
        with self.store.transaction() as tx:
            rows = [Row(f"text {n} of {product}", LABELS[n % 2], f"{product}.csv:{n}") for n in range(40)]
            cleaned = clean(rows, None, self.house.workspace.products[product].cleaning, 0)
            made_version = add_version(
                tx,
                self.house.blobs,
                product=product,
                prepared=Prepared(as_objects(cleaned.train), as_objects(cleaned.test), cleaned.report),
                source=f"data/{product}.csv",
            )
            made = candidates.add_candidate(
                tx,
                product=product,
                rung=rung,
                artifact=artifact or self.house.blobs.put(f"{product} {rung} {right}".encode()),
                backbone=None,
                dataset_version=version or made_version.id,
                seed=0,
                report_blob=self.house.blobs.put(canonical_json(report.to_json())),
                seconds=4.2,
            )
            live = releases.live(tx, product)
            before = candidates.get_candidate(tx, live.candidate) if live else None
            incumbent = Report.from_json(json.loads(self.house.blobs.get(before.report_blob))) if before else None
            decisions.decide(
                tx,
                candidate=made,
                verdict=judge(report, conditions, incumbent),
                conditions=conditions,
                incumbent=before.id if before else None,
                secret=self.house.secret("decisions"),
            )
        return made

    def release(self, candidate: str) -> None:
        with self.store.transaction() as tx:
            releases.release(tx, candidate, self.house.secret("decisions"))

    def close(self, month: str) -> None:
        """Close a month that has ended."""
        closed = close_period(self.store.transaction, self.month(month), self.house.workspace.company)
        self.invoices |= {one.customer: one.number for one in closed.invoices}
        with self.store.transaction() as tx:
            settle(tx)


def open_harbour(folder: Path, store: Store) -> Harbour:
    """An empty company: prices published, nothing sold. The store's clock must be one that can be set."""
    (folder / "penstock.toml").write_text(TOML, encoding="utf-8")
    workspace = load(folder)
    workspace.state.mkdir(exist_ok=True)
    store = replace(store, keys=Keyring(workspace.keyring))
    house = House(workspace, store, BlobStore(workspace.blobs, keys=store.keys), str(store.engine.url))
    assert isinstance(store.clock, SettableClock)
    store.clock.set(datetime(2026, 10, 5, 2, 0, tzinfo=UTC))
    with store.transaction() as tx:
        catalogue.publish(tx, workspace)
        agreements.publish(tx, workspace)
    return Harbour(house, store.clock)


def busy_harbour(folder: Path, store: Store) -> Harbour:
    """October: two customers used helpdesk, one of them prepaid. Mid-November: October is closed and partly paid."""
    here = open_harbour(folder, store)
    store = here.store
    _sign_up(here)
    here.poor = here.candidate("helpdesk", "ngram-linear.v1", 78).id
    here.good = here.candidate("helpdesk", "frozen-linear.v1", 112).id
    here.release(here.good)
    for day in range(0, 25, 5):
        here.clock.set(datetime(2026, 10, 6, 2, 0, tzinfo=UTC) + timedelta(days=day))
        here.use(here.blue, "helpdesk", 400)
        here.use(here.hai, "helpdesk", 300)
    here.clock.set(datetime(2026, 11, 2, 2, 0, tzinfo=UTC))
    here.close("2026-10")
    with store.transaction() as tx:
        pay(tx, invoice=here.invoices[here.blue], amount=money("30.00", "USD"), operation="bank 1", method="bank")
        refund(tx, invoice=here.invoices[here.blue], amount=money("5.00", "USD"), operation="back 1", reason="goodwill")
        settle(tx)
    for day in range(10):
        here.clock.set(datetime(2026, 11, 3, 2, 0, tzinfo=UTC) + timedelta(days=day))
        request = here.use(here.blue, "helpdesk", 60 + 12 * day)
        here.use(here.blue, "kefu", 20)
    with store.transaction() as tx:
        feedback.record(tx, customer=here.blue, request_id=request, index=0, rating=-1, correction="billing")
    here.clock.set(datetime(2026, 11, 15, 8, 0, tzinfo=UTC))
    return here


def _sign_up(here: Harbour) -> None:
    with here.store.transaction() as tx:
        partner = add_partner(tx, name="Reed & Co", email="hello@reed.example.com", agreement="referral", code="REED")
        here.partner = partner.id
        here.blue = add_customer(tx, name="Blue Shop", email="pay@blue.example.com", training_consent=True).id
        attribute(tx, here.blue, partner.code)
        catalogue.subscribe(tx, here.blue, "team")
        create_key(tx, customer=here.blue)
        here.hai = add_customer(tx, name="海港商店", email="pay@hai.example.com", locale="zh-CN").id
        set_terms(tx, here.hai, "prepaid")
        credits.add_credit(tx, here.hai, money("20.00", "USD"), "wire 1")
        here.quiet = add_customer(tx, name="Quiet Co", email="pay@quiet.example.com").id
