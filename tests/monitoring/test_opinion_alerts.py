"""Alerts: one for a change however often one looks, with the documents behind it; acknowledged, muted, resolved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from monitoring.opinion_house import USUAL, day_of_documents, open_shop, opinion_model, save_model, usual_days
from serving.support import go_live

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.opinion.alerts import Alert, acknowledge, list_alerts, mute, resolve
from penstock.tasks.opinion.model.matcher import Matcher
from penstock.tasks.opinion.model.watching import OpinionModel
from penstock.tasks.opinion.outbox import deliveries
from penstock.tasks.opinion.stream import detect, record_directly, run_product_once

TODAY = datetime(2026, 11, 15, tzinfo=UTC)  # the clock stands at eight o'clock
HOOK = 'webhooks = ["https://hooks.example/a"]'
STORM = {"Harbour Air": {"negative": 12, "neutral": 6, "positive": 1}, "Tidebank": {"neutral": 1, "positive": 1}}


@pytest.fixture
def shop(store: Store, blobs: BlobStore, tmp_path: Path) -> tuple[House, str]:
    return open_shop(store, blobs, tmp_path / "shop", HOOK)


def alerts(house: House, kind: str | None = None) -> list[Alert]:
    with house.store.read() as tx:
        return [one for one in list_alerts(tx, "brands") if kind in (None, one.kind)]


def send(house: House, customer: str, days: int, counts: dict[str, dict[str, int]], prefix: str = "s") -> None:
    """`days` days of documents, the last of them yesterday."""
    yesterday = house.store.clock.now().replace(hour=0, minute=0) - timedelta(days=1)
    for back in range(days):
        record_directly(house, "brands", customer, day_of_documents(yesterday - timedelta(days=back), counts, prefix))


def quiet_weeks(house: House, customer: str, days: int = 35) -> None:
    record_directly(house, "brands", customer, usual_days(TODAY - timedelta(days=days + 2), days))


def test_a_storm_raises_one_alert_a_kind_with_its_documents(shop: tuple[House, str]) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    assert detect(house, "brands") == []
    send(house, customer, 2, STORM)
    new = detect(house, "brands")
    assert {(one.entity, one.kind, one.state) for one in new} == {
        ("Harbour Air", "volume", "open"),
        ("Harbour Air", "negative", "open"),
    }
    bad = next(one for one in new if one.kind == "negative")
    assert bad.observed > 2 * bad.expected and bad.customer == customer
    assert 0 < len(bad.documents) <= 10
    assert all(quote["label"] == "negative" and "Harbour Air" in quote["text"] for quote in bad.documents)


def test_looking_again_tells_nothing_new(shop: tuple[House, str], clock: SettableClock) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    send(house, customer, 2, STORM)
    first = detect(house, "brands")
    assert len(first) == 2
    clock.advance(timedelta(minutes=1))
    assert detect(house, "brands") == []
    clock.advance(timedelta(hours=20))
    send(house, customer, 1, STORM, "t")
    assert detect(house, "brands") == []
    assert len(alerts(house)) == 2
    with house.store.read() as tx:
        assert len(deliveries(tx, product="brands")) == 2
    [volume] = alerts(house, "volume")
    assert volume.observed > next(one for one in first if one.kind == "volume").observed


def test_an_alert_is_over_when_the_series_are_back_and_the_next_storm_is_a_new_one(
    shop: tuple[House, str], clock: SettableClock
) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    send(house, customer, 2, STORM)
    detect(house, "brands")
    for day in range(9):
        clock.advance(timedelta(days=1))
        send(house, customer, 1, USUAL, f"u{day}-")
        detect(house, "brands")
    assert {one.state for one in alerts(house)} == {"resolved"}
    clock.advance(timedelta(days=1))
    send(house, customer, 1, STORM, "again")
    assert "volume" in {one.kind for one in detect(house, "brands")}
    assert len(alerts(house, "volume")) == 2


def test_an_acknowledged_alert_stays_quiet_and_resolves_by_itself(
    shop: tuple[House, str], clock: SettableClock
) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    send(house, customer, 2, STORM)
    detect(house, "brands")
    [volume] = alerts(house, "volume")
    with house.store.transaction() as tx:
        seen = acknowledge(tx, volume.id, "mai")
        assert (seen.state, seen.acknowledged_by) == ("acknowledged", "mai")
        assert acknowledge(tx, volume.id, "someone else").acknowledged_by == "mai"
        with pytest.raises(NotFound):
            acknowledge(tx, "alert_unknown", "mai")
    clock.advance(timedelta(days=1))
    send(house, customer, 1, STORM, "t")
    assert detect(house, "brands") == []
    clock.advance(timedelta(days=9))
    send(house, customer, 9, USUAL, "u")
    detect(house, "brands")
    [volume] = alerts(house, "volume")
    assert volume.state == "resolved"
    with house.store.transaction() as tx, pytest.raises(Conflict):
        acknowledge(tx, volume.id, "mai")


def test_an_alert_closed_by_hand_does_not_open_again_for_the_same_storm(
    shop: tuple[House, str], clock: SettableClock
) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    send(house, customer, 2, STORM)
    detect(house, "brands")
    [volume] = alerts(house, "volume")
    with house.store.transaction() as tx:
        assert resolve(tx, volume.id).state == "resolved"
    clock.advance(timedelta(days=1))
    send(house, customer, 1, STORM, "t")
    assert [one.kind for one in detect(house, "brands")] == []
    assert len(alerts(house, "volume")) == 1


def test_of_a_muted_entity_alerts_are_recorded_and_nobody_is_told(
    shop: tuple[House, str], clock: SettableClock
) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    with house.store.transaction() as tx:
        mute(tx, product="brands", entity="Harbour Air", until=TODAY + timedelta(days=3), reason="campaign")
        with pytest.raises(BadInput):
            mute(tx, product="brands", entity="Harbour Air", until=datetime(2027, 1, 1))
    send(house, customer, 2, STORM)
    assert all(one.muted for one in detect(house, "brands")) and len(alerts(house)) == 2
    with house.store.read() as tx:
        assert deliveries(tx, product="brands") == []
    clock.advance(timedelta(days=9))
    send(house, customer, 9, USUAL, "u")
    detect(house, "brands")
    clock.advance(timedelta(days=1))
    send(house, customer, 1, STORM, "again")
    assert not any(one.muted for one in detect(house, "brands"))


def test_a_replayed_archive_is_recorded_as_over_and_rings_no_bell(shop: tuple[House, str]) -> None:
    house, customer = shop
    start = datetime(2024, 3, 1, tzinfo=UTC)
    record_directly(house, "brands", customer, usual_days(start, 60))
    for day in range(40, 44):
        record_directly(house, "brands", customer, day_of_documents(start + timedelta(days=day), STORM, "s"))
    done = run_product_once(house, "brands")
    assert done.alerts >= 2
    assert {one.state for one in alerts(house)} == {"resolved"}
    assert all(one.onset >= start + timedelta(days=38) for one in alerts(house))
    with house.store.read() as tx:
        assert deliveries(tx, product="brands") == []
    assert run_product_once(house, "brands").alerts == 0


def test_documents_that_come_late_do_not_make_a_second_alert_of_the_same_days(shop: tuple[House, str]) -> None:
    house, customer = shop
    quiet_weeks(house, customer)
    send(house, customer, 2, STORM)
    detect(house, "brands")
    record_directly(
        house, "brands", customer, day_of_documents(TODAY - timedelta(days=3), {"Harbour Air": {"negative": 9}}, "late")
    )
    detect(house, "brands")
    assert len(alerts(house, "volume")) == 1


def test_customers_are_alerted_of_their_own_documents(shop: tuple[House, str]) -> None:
    house, customer = shop
    for who in (customer, "cus_other"):
        quiet_weeks(house, who)
    send(house, "cus_other", 2, STORM)
    assert {one.customer for one in detect(house, "brands")} == {"cus_other"}


def test_an_entity_that_a_new_release_adds_is_learned_before_it_can_ring(
    shop: tuple[House, str], blobs: BlobStore
) -> None:
    house, customer = shop
    one = opinion_model()
    quiet_weeks(house, customer)
    detect(house, "brands")
    known = {"Harbour Air": ("HarbourAir",), "Rainy Day": ()}
    watch = replace(one.watch, entities=known, detector=replace(one.watch.detector, entities=tuple(known)))
    go_live(house.store, save_model(blobs, OpinionModel(watch, Matcher(known), one.sentiment)), "brands")
    send(house, customer, 1, {"Rainy Day": {"neutral": 9}})
    assert detect(house, "brands") == []
