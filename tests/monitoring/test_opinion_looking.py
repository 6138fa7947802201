"""Looking for changes: what it reads, that it blocks nobody, and that nothing and nobody is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from monitoring.opinion_house import USUAL, day_of_documents, noon, open_shop, opinion_model, save_model, usual_days
from serving.support import go_live

from penstock.core.clock import SettableClock
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction
from penstock.tasks.opinion import alerts, mentions
from penstock.tasks.opinion import stream as jobs
from penstock.tasks.opinion.alerts import Found, Live
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.mentions import Stream
from penstock.tasks.opinion.model.series import Series
from penstock.tasks.opinion.stream import detect, live_of, options_of, record_directly, report, run_once

TODAY = datetime(2026, 11, 15, tzinfo=UTC)  # the clock stands at eight o'clock
STORM = {"Harbour Air": {"negative": 12, "neutral": 6, "positive": 1}}
BOTH = {("Harbour Air", "volume"), ("Harbour Air", "negative")}

Shop = tuple[House, str]


@pytest.fixture
def shop(store: Store, blobs: BlobStore, tmp_path: Path) -> Shop:
    """Five usual weeks of one customer, looked at."""
    house, customer = open_shop(store, blobs, tmp_path / "shop")
    quiet_weeks(house, customer)
    assert detect(house, "brands") == []
    return house, customer


def quiet_weeks(house: House, customer: str) -> None:
    record_directly(house, "brands", customer, usual_days(TODAY - timedelta(days=37), 35))


def storm(house: House, customer: str) -> None:
    for back in (1, 2):
        record_directly(house, "brands", customer, day_of_documents(TODAY - timedelta(days=back), STORM, "s"))


def kinds(found: list[alerts.Alert]) -> set[tuple[str, str]]:
    return {(one.entity, one.kind) for one in found}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Series]]:
    """The customers whose documents are looked at, each with the series that is read."""
    looks: list[tuple[str, Series]] = []
    read = mentions.series

    def spied(tx: Transaction, stream: Stream, *rest: Any) -> Series:
        found = read(tx, stream, *rest)
        looks.append((stream.customer, found))
        return found

    monkeypatch.setattr(mentions, "series", spied)
    return looks


@pytest.mark.parametrize("bucket", ["day", "hour"])
def test_a_document_of_1971_is_counted_and_does_not_stretch_the_look(
    shop: Shop, blobs: BlobStore, seen: list[tuple[str, Series]], bucket: str
) -> None:
    house, customer = shop
    if bucket == "hour":
        go_live(house.store, save_model(blobs, opinion_model(bucket=bucket)), "brands")
    record_directly(house, "brands", customer, [Document("Harbour Air", noon(1971, 2, 3), "old")])
    detect(house, "brands")
    [(_, series)] = seen
    assert series.length < (1_300 if bucket == "day" else 24 * 140)
    assert report(house, "brands", "1971-02", None).documents == 1


def test_a_storm_that_comes_with_an_old_document_is_found(shop: Shop) -> None:
    house, customer = shop
    record_directly(house, "brands", customer, [Document("Harbour Air", noon(1971, 2, 3), "old")])
    storm(house, customer)
    assert kinds(detect(house, "brands")) == BOTH


def test_others_write_while_it_looks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    house, customer = shop
    storm(house, customer)
    follow, wrote = alerts.follow, []

    def slow(*given: Any) -> Any:
        with ThreadPoolExecutor(1) as other:
            wrote.append(other.submit(record_directly, house, "brands", "cus_other", usual_days(TODAY, 1)).result())
        return follow(*given)

    monkeypatch.setattr(alerts, "follow", slow)
    assert kinds(detect(house, "brands")) == BOTH and wrote == [6]


def test_only_streams_that_changed_are_read_and_none_when_none_did(
    shop: Shop, clock: SettableClock, seen: list[tuple[str, Series]]
) -> None:
    house, customer = shop
    quiet_weeks(house, "cus_other")
    detect(house, "brands")
    assert [who for who, _ in seen] == ["cus_other"]
    clock.advance(timedelta(days=3))
    detect(house, "brands")
    assert len(seen) == 1
    record_directly(house, "brands", customer, day_of_documents(TODAY, USUAL))
    detect(house, "brands")
    assert [who for who, _ in seen] == ["cus_other", customer]


def test_a_standing_alert_is_over_though_no_document_comes(shop: Shop, clock: SettableClock) -> None:
    house, customer = shop
    storm(house, customer)
    detect(house, "brands")
    clock.advance(timedelta(days=40))
    detect(house, "brands")
    with house.store.read() as tx:
        assert {one.state for one in alerts.list_alerts(tx, "brands")} == {"resolved"}


def test_a_document_ahead_of_the_clock_is_looked_at_once_its_time_has_come(
    shop: Shop, clock: SettableClock, seen: list[tuple[str, Series]]
) -> None:
    house, customer = shop
    ahead = clock.now() + timedelta(minutes=5)
    record_directly(house, "brands", customer, [Document("Harbour Air", ahead, "ahead")])
    for _ in range(3):
        detect(house, "brands")
        clock.advance(timedelta(minutes=4))
    detect(house, "brands")
    assert len(seen) == 3


def test_a_stream_that_cannot_be_looked_at_holds_up_no_other_and_is_looked_at_later(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house, customer = shop
    quiet_weeks(house, "cus_other")
    for who in (customer, "cus_other"):
        storm(house, who)
    look = alerts.look

    def failing(tx: Transaction, stream: Stream, live: Live) -> Found:
        if stream.customer == customer:
            raise ValueError("a defect of ours")
        return look(tx, stream, live)

    monkeypatch.setattr(alerts, "look", failing)
    assert {one.customer for one in detect(house, "brands")} == {"cus_other"}
    assert customer in caplog.text and "a defect of ours" in caplog.text
    monkeypatch.setattr(alerts, "look", look)
    assert {one.customer for one in detect(house, "brands")} == {customer}


def test_a_product_that_fails_holds_up_no_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house, _ = shop
    products = house.workspace.products
    more = house.workspace.model_copy(update={"products": {"first": products["brands"], **products}})
    fold = jobs.fold

    def failing(house: House, product: str) -> int:
        if product == "first":
            raise ValueError("a defect of ours")
        return fold(house, product)

    monkeypatch.setattr(jobs, "fold", failing)
    assert [one.product for one in run_once(replace(house, workspace=more))] == ["brands"]
    assert "opinion monitoring of first" in caplog.text


def test_documents_that_come_while_it_looks_are_looked_at_next(shop: Shop) -> None:
    house, customer = shop
    record_directly(house, "brands", customer, day_of_documents(TODAY - timedelta(days=2), USUAL))
    with house.store.read() as tx:
        live = live_of(tx, house, "brands")
        assert live is not None
        [stream] = alerts.to_look_at(tx, "brands", live.watch)
        found = alerts.look(tx, stream, live)
    arriving = [
        mentions.answered_as(
            one,
            live.release,
            {
                "sentiment": {"label": "negative", "score": 0.9, "tone": "negative"},
                "entities": [{"name": "Harbour Air"}],
            },
        )
        for one in day_of_documents(TODAY - timedelta(days=1), STORM, "s")
    ]

    def write_down() -> list[alerts.Alert]:
        with house.store.transaction() as tx:
            return alerts.record(tx, found, live, options_of(house, "brands"))

    with ThreadPoolExecutor(1) as office:
        with house.store.transaction() as tx:  # another office folds, and has not committed yet
            mentions.keep(tx, "brands", customer, arriving, "UTC")
            written = office.submit(write_down)
        assert written.result() == []
    assert kinds(detect(house, "brands")) == BOTH
