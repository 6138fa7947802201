"""Mentions: folded from the usage log once whatever happens, and counted by entity and bucket."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from monitoring.opinion_house import (
    answer,
    day_of_documents,
    noon,
    open_shop,
    opinion_model,
    save_model,
    usual_days,
)
from serving.support import go_live

from penstock.core.clock import SettableClock
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.storage.sealed import opened
from penstock.tasks.opinion import mentions
from penstock.tasks.opinion import stream as jobs
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.stream import fold, forget_texts, record_directly, run_product_once, series_rows
from penstock.tasks.opinion.tables import opinion_document

Shop = tuple[House, str]


@pytest.fixture
def shop(store: Store, blobs: BlobStore, tmp_path: Path) -> Shop:
    return open_shop(store, blobs, tmp_path / "shop")


def counted(house: House, **changes: Any) -> list[tuple[str, int, int, int]]:
    rows = series_rows(house, "brands", customer=None, entity=None)
    return [(row["entity"], row["mentions"], row["negative"], row["positive"]) for row in rows]


def test_answers_become_mentions_once_however_often_they_are_folded(shop: Shop) -> None:
    house, customer = shop
    answer(house, customer, day_of_documents(noon(2026, 11, 1), {"Harbour Air": {"negative": 2, "neutral": 1}}), "r1")
    answer(house, customer, day_of_documents(noon(2026, 11, 1), {"Tidebank": {"positive": 1}}), "r2")
    assert fold(house, "brands") == 2
    assert fold(house, "brands") == 0
    assert counted(house) == [("Harbour Air", 3, 2, 0), ("Tidebank", 1, 0, 1)]
    assert counted(house) == [("Harbour Air", 3, 2, 0), ("Tidebank", 1, 0, 1)]


def test_a_document_sent_twice_counts_once_also_in_other_words(shop: Shop) -> None:
    house, customer = shop
    one = Document("Harbour Air was lovely", noon(2026, 11, 1), "d1")
    answer(house, customer, [one], "r1")
    answer(house, customer, [Document("Tidebank lost my money", noon(2026, 11, 2), "d1")], "r2")
    fold(house, "brands")
    assert counted(house) == [("Harbour Air", 1, 0, 1)]


def test_each_customer_has_a_stream_of_its_own(shop: Shop) -> None:
    house, customer = shop
    for who in (customer, "cus_other"):
        answer(house, who, [Document("Harbour Air was lovely", noon(2026, 11, 1), "d1")], f"r-{who}")
    fold(house, "brands")
    with house.store.read() as tx:
        assert sorted(one.customer for one in mentions.streams(tx, "brands")) == sorted([customer, "cus_other"])
    assert len(counted(house)) == 2


def test_other_products_are_passed_over_and_answers_that_are_gone_are_told(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    house, customer = shop
    with house.store.transaction() as tx:
        events = [
            UsageEvent(customer, f"m{number}", customer, "mood", None, "key", tx.now, 1, "0" * 64)
            for number in range(3)
        ]
        append(tx, [*events, UsageEvent(customer, "gone", customer, "brands", None, "key", tx.now, 1, "1" * 64)])
        plain = Answer(
            customer, "old", customer, "brands", ["a text"], b'{"release":"r","outputs":[{"label":"x"}]}', tx.now
        )
        append(tx, [UsageEvent(customer, "old", customer, "brands", None, "key", tx.now, 1, "2" * 64)], [plain])
    answer(house, customer, [Document("Harbour Air was lovely", noon(2026, 11, 1), "d1")], "r1")
    with caplog.at_level(logging.WARNING):
        assert fold(house, "brands") == 3
    assert "brands: 1 of 3 answers were no longer kept" in caplog.text
    assert counted(house) == [("Harbour Air", 1, 0, 1)]


def test_a_document_without_an_entity_is_counted_but_its_text_is_not_kept(shop: Shop) -> None:
    house, customer = shop
    answer(
        house, customer, [Document("rain", noon(2026, 11, 1), "d1"), Document("Tidebank", noon(2026, 11, 1), "d2")], "r"
    )
    fold(house, "brands")
    with house.store.read() as tx:
        mine = opinion_document.select().where(opinion_document.c.organisation == tx.organisation)
        rows = opened(tx, opinion_document, mine)
    assert sorted((row["document"], row["text"]) for row in rows) == [("d1", None), ("d2", "Tidebank")]


def test_an_offline_replay_keeps_what_the_gateway_would(shop: Shop) -> None:
    house, customer = shop
    documents = usual_days(datetime(2026, 10, 1, tzinfo=UTC), 3)
    assert record_directly(house, "brands", customer, documents) == 18
    assert record_directly(house, "brands", customer, documents) == 0
    answer(house, customer, documents, "r1")
    fold(house, "brands")
    assert sum(row[1] for row in counted(house)) == 18


def test_texts_are_forgotten_and_counts_stay(shop: Shop, clock: SettableClock) -> None:
    house, customer = shop
    record_directly(house, "brands", customer, usual_days(datetime(2026, 7, 1, tzinfo=UTC), 120))
    before = counted(house)
    newest_but_ninety_days = 30 * 6 - 1
    assert forget_texts(house, "brands") == newest_but_ninety_days
    assert forget_texts(house, "brands") == 0
    for days in (0, 30, 100):  # nothing comes any more, and it is looked at as ever
        clock.advance(timedelta(days=days))
        run_product_once(house, "brands")
    with house.store.read() as tx:
        [stream] = mentions.streams(tx, "brands")
        quotes = mentions.quotes(tx, stream, "Harbour Air", stream.first, stream.last, None)
    assert {quote.text for quote in quotes} == {None}
    assert counted(house) == before


def test_quotes_are_the_surest_of_a_tone_and_no_text_twice(shop: Shop) -> None:
    house, customer = shop
    record_directly(house, "brands", customer, day_of_documents(noon(2026, 11, 1), {"Harbour Air": {"negative": 9}}))
    with house.store.read() as tx:
        [stream] = mentions.streams(tx, "brands")
        found = mentions.quotes(tx, stream, "Harbour Air", noon(2026, 11, 1), noon(2026, 11, 2), -1)
        assert mentions.quotes(tx, stream, "Harbour Air", noon(2026, 11, 2), noon(2026, 11, 3), -1) == []
    assert len(found) == len({one.text for one in found}) == 5
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_document_of_1971_does_not_hide_the_numbers_of_today(
    shop: Shop, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, customer = shop
    go_live(house.store, save_model(blobs, opinion_model(bucket="hour")), "brands")
    documents = [
        Document("Tidebank was lovely", noon(1971, 1, 1), "d1"),
        Document("Tidebank", noon(2026, 11, 1), "d2"),
    ]
    record_directly(house, "brands", customer, documents)
    monkeypatch.setattr(jobs, "SERIES_BUCKETS", 100)
    [row] = counted(house)
    assert row[:2] == ("Tidebank", 1)


def test_a_span_longer_than_any_series_is_read_from_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    house, customer = shop
    record_directly(house, "brands", customer, usual_days(datetime(2026, 10, 1, tzinfo=UTC), 3))
    monkeypatch.setattr(mentions, "MAX_BUCKETS", 2)
    with house.store.read() as tx:
        [stream] = mentions.streams(tx, "brands")
        series = mentions.series(tx, stream, opinion_model().watch, noon(1971, 1, 1), stream.last)
    assert series.volume.sum(axis=1).tolist() == [8, 4]
