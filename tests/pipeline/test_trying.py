"""A candidate or a release answers a few inputs by hand: as a gateway would, and nothing is counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour, open_harbour

from penstock import installed
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, NotFound
from penstock.core.ids import random_ids
from penstock.datasets.rows import Split
from penstock.metering.tables import usage_event
from penstock.pipeline import trying
from penstock.registry.candidates import Candidate
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine
from penstock.training.records import TrainRequest, save

TEXTS = ("my invoice is wrong", "the parcel is late")


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    url = f"sqlite:///{tmp_path / 'penstock.sqlite'}"
    migrate.upgrade(url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 11, 15, tzinfo=UTC)), random_ids)
    yield open_harbour(tmp_path, store)
    store.close()


def trained(harbour: Harbour) -> Candidate:
    """A candidate of helpdesk with a real model of two labels."""
    model = installed.rungs()["ngram-linear.v1"].train(TrainRequest(Split(TEXTS * 8, ("billing", "delivery") * 8)))
    return harbour.candidate("helpdesk", "ngram-linear.v1", 117, artifact=save(model, harbour.house.blobs))


def test_a_candidate_answers_before_anything_is_released(harbour: Harbour) -> None:
    made = trained(harbour)
    for reference in ("helpdesk", f"helpdesk/{made.number}", made.id):
        tried = trying.try_inputs(harbour.house, reference, TEXTS)
        assert [one["label"] for one in tried.outputs] == ["billing", "delivery"]
        assert tried.chosen.candidate.id == made.id and tried.chosen.release is None
        assert tried.latency_ms > 0 and tried.load_ms > 0


def test_a_product_answers_with_its_live_release_and_a_candidate_with_its_own(harbour: Harbour) -> None:
    first = trained(harbour)
    harbour.release(first.id)
    newer = harbour.candidate("helpdesk", "full-finetune.v1", 118)
    assert trying.choose(harbour.house, "helpdesk").candidate.id == first.id
    chosen = trying.choose(harbour.house, f"helpdesk/{newer.number}")
    assert chosen.candidate.id == newer.id and not chosen.live
    live = trying.choose(harbour.house, "helpdesk").release
    assert live is not None and trying.choose(harbour.house, live.id).live


def test_an_answer_can_be_explained_where_the_task_can(harbour: Harbour) -> None:
    trained(harbour)
    tried = trying.try_inputs(harbour.house, "helpdesk", [TEXTS[0]], explain=True)
    assert "invoice" in {part["text"] for part in tried.outputs[0]["explanation"]}


def test_nothing_is_recorded_and_nothing_billed(harbour: Harbour) -> None:
    trained(harbour)
    trying.try_inputs(harbour.house, "helpdesk", TEXTS)
    with harbour.store.read() as tx:
        assert tx.all(sa.select(usage_event)) == []


def test_what_cannot_be_tried_says_what_is_wrong(harbour: Harbour) -> None:
    trained(harbour)
    with pytest.raises(BadInput, match="must be a text") as refused:
        trying.try_inputs(harbour.house, "helpdesk", ["good", 7])
    assert refused.value.where == "inputs[1]"
    for inputs in ([], ["x"] * (trying.MOST_TRIED + 1)):
        with pytest.raises(BadInput):
            trying.try_inputs(harbour.house, "helpdesk", inputs)
    for nobody in ("helpdesk/99", "tarot", "rel_none"):
        with pytest.raises(NotFound):
            trying.choose(harbour.house, nobody)
    with pytest.raises(BadInput, match="no candidate yet"):
        trying.choose(harbour.house, "kefu")


def test_a_bench_loads_a_model_once_and_keeps_few(harbour: Harbour) -> None:
    trained(harbour)
    house, bench = harbour.house, trying.Bench(harbour.house)
    chosen = trying.choose(house, "helpdesk")
    first = bench.load(chosen)
    assert bench.load(chosen) is first
    assert trying.answer(chosen, TEXTS, bench.load).load_ms < 50
