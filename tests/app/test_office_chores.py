"""The office's chores: answers are forgotten only after opinion monitoring has counted them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from monitoring.opinion_house import answer, noon, open_shop

from penstock.app.office import tidy_once
from penstock.core.clock import SettableClock
from penstock.core.errors import Unavailable
from penstock.metering.usage_log import find_answer
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.opinion import mentions
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.stream import record_directly, run_once, series_rows


def test_answers_that_were_never_counted_are_counted_before_they_are_forgotten(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock
) -> None:
    house, customer = open_shop(store, blobs, tmp_path / "shop")
    answer(house, customer, [Document("Tidebank was lovely", noon(2026, 11, 1), "d1")], "r1")
    clock.advance(timedelta(days=house.workspace.gateway.answer_days + 1))
    assert tidy_once(house) == 1
    [row] = series_rows(house, "brands", customer=None, entity=None)
    assert (row["entity"], row["mentions"]) == ("Tidebank", 1)


def test_texts_are_forgotten_each_hour_and_counts_stay(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock
) -> None:
    house, customer = open_shop(store, blobs, tmp_path / "shop")
    record_directly(house, "brands", customer, [Document("Tidebank was lovely", noon(2026, 11, 1), "d1")])
    run_once(house)
    clock.advance(timedelta(days=100))
    tidy_once(house)
    with house.store.read() as tx:
        [stream] = mentions.streams(tx, "brands")
        [quote] = mentions.quotes(tx, stream, "Tidebank", noon(2026, 10, 1), noon(2026, 12, 1), None)
    assert quote.text is None
    assert len(series_rows(house, "brands", customer=None, entity=None)) == 1


def test_answers_that_cannot_be_counted_now_are_kept(
    store: Store, blobs: BlobStore, tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(house: House) -> None:
        raise Unavailable("not now")

    house, customer = open_shop(store, blobs, tmp_path / "shop")
    answer(house, customer, [Document("Tidebank was lovely", noon(2026, 11, 1), "d1")], "r1")
    clock.advance(timedelta(days=house.workspace.gateway.answer_days + 1))
    monkeypatch.setattr("penstock.tasks.opinion.stream.tidy", failing)
    with pytest.raises(Unavailable):
        tidy_once(house)
    with house.store.read() as tx:
        assert find_answer(tx, customer, "r1") is not None
