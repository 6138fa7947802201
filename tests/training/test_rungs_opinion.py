"""Opinion monitoring's rungs: calibrated to the wanted rate of false alarms, reloadable, refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monitoring.opinion_house import ENTITIES, mood, sentiment, usual_days

from penstock.core.errors import BadInput
from penstock.loader import Loader
from penstock.storage.blobs import BlobStore
from penstock.tasks.opinion.measure import Plan
from penstock.tasks.opinion.model.detector import CUSUM, FIXED, KINDS, episodes, follow
from penstock.tasks.opinion.model.series import Series, slots_of
from penstock.tasks.opinion.task import History
from penstock.tasks.opinion.train import RUNGS
from penstock.tasks.opinion.train.calibrate import fit
from penstock.training.records import TrainRequest, save

OPTIONS: dict[str, Any] = {"entities": ENTITIES, "sentiment": "mood", "sentiment_artifact": "digest"}
FIRST = 739_000 - (739_000 + 6) % 7
WEEK = np.array([1.5, 1.2, 1.2, 1.1, 1.2, 0.5, 0.3])


def stream(seed: int, days: int, entities: int = 6) -> Series:
    """Counts of known rhythm, overdispersed, without any shift."""
    random = np.random.default_rng(seed)
    slots = slots_of(FIRST, days, "day", "UTC")
    mean = np.linspace(1, 8, entities)[:, None] * WEEK[slots]
    volume = random.poisson(mean * random.gamma(5, 1 / 5, size=mean.shape))
    negative = random.binomial(volume, 0.3)
    positive = random.binomial(volume - negative, 0.4)
    names = tuple(f"e{place}" for place in range(entities))
    return Series(names, "day", "UTC", FIRST, slots, volume, negative, positive)


@pytest.mark.parametrize("kind", [FIXED, CUSUM])
def test_on_fresh_days_false_alarms_come_to_about_what_was_asked(kind: str) -> None:
    known = fit(kind, stream(1, 300), false_alarms_per_month=0.5, seed=0)
    fresh = stream(2, 800)
    rung = sum(len(episodes(track)) for track in follow(known, fresh))
    assert 0.25 < rung / (fresh.months(800) * 6) < 0.9


def test_the_week_the_scatter_and_the_shares_are_learned() -> None:
    known = fit(CUSUM, stream(1, 400), false_alarms_per_month=0.5, seed=0)
    assert known.season.mean(axis=0) == pytest.approx(WEEK / WEEK.mean(), abs=0.12)
    assert 0.05 < np.median(known.dispersion) < 0.5
    assert known.shares["negative"] == pytest.approx(np.full(6, 0.3), abs=0.05)
    assert set(known.limits) == set(KINDS)


def test_a_stricter_wish_gives_higher_limits() -> None:
    strict, loose = (fit(CUSUM, stream(1, 300), rate, seed=0).limits for rate in (0.05, 2.0))
    assert all(strict[kind] > loose[kind] for kind in KINDS)


def history(days: int = 80, texts: str | None = None) -> History:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    documents = tuple(usual_days(start, days))
    entities = {name: tuple(aliases) for name, aliases in ENTITIES.items()} if texts is None else {texts: ()}
    return History(documents, entities, "day", "UTC", start + timedelta(days=50), Plan())


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_a_trained_rung_is_saved_and_answers_the_same(rung: Any, tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    options = {**OPTIONS, "sentiment_artifact": save(mood(), blobs)}
    one = history()
    trained = rung.train(TrainRequest(one, options=options, load=Loader(blobs).load))
    again = Loader(blobs).load(save(trained, blobs))
    assert np.array_equal(again.predict(one.documents), trained.model.predict(one.documents))
    assert trained.settings["mentions"] == 80 * 6 and trained.notes
    assert all(name.endswith(".json") for name in trained.files)


@pytest.mark.parametrize(
    ("options", "entity", "what"),
    [
        ({"sentiment_artifact": ""}, None, "no live release"),
        ({"positive": ["happy"]}, None, "no label 'happy'"),
        ({}, "Nobody", "names an entity"),
        ({}, "positive", "name of a sentiment"),
    ],
)
def test_what_cannot_train_says_why(options: dict[str, Any], entity: str | None, what: str) -> None:
    request = TrainRequest(history(texts=entity), options={**OPTIONS, **options}, load=lambda digest: sentiment())
    with pytest.raises(BadInput) as refused:
        RUNGS[1].train(request)
    assert what in str(refused.value)
