"""Every rung of tables: what it learns, that what is saved answers as what was fitted, and what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.models.protocol import Parts
from penstock.tasks.tabular.data.schema import TableSplit
from penstock.tasks.tabular.model import KINDS, Tabular
from penstock.tasks.tabular.train import RUNGS, boosting
from penstock.tasks.tabular.train.calibrating import calibrate
from penstock.training.records import Trained, TrainRequest
from tests.training.tables import JOBS, loans, prices

NAMES = [rung.name for rung in RUNGS]


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "ROUNDS", 40)


def trained(name: str, split: TableSplit, seed: int = 0, **options: Any) -> Trained:
    (rung,) = [rung for rung in RUNGS if rung.name == name]
    return rung.train(TrainRequest(train=split, seed=seed, options=options))


def table_of(made: Trained) -> Tabular:
    assert isinstance(made.model, Tabular)
    return made.model


def reopened(made: Trained) -> Tabular:
    parts = Parts(made.model.labels, made.settings, made.files.__getitem__, "here")
    model = KINDS[made.model.kind](parts)
    assert isinstance(model, Tabular)
    return model


def test_gradient_descent_finds_the_line_through_one_two_and_five_ten() -> None:
    line = TableSplit(tuple({"x": float(x)} for x in range(1, 6)), tuple(2.0 * x for x in range(1, 6)))
    made = trained("gradient-descent.v1", line)
    (member,) = [member for _, member in table_of(made).members]
    slope = float(member.weights[0, 0])  # type: ignore[union-attr]
    intercept = float(member.base[0]) - slope * float(member.mean[0])  # type: ignore[union-attr]
    assert slope == pytest.approx(2, abs=1e-3)
    assert intercept == pytest.approx(0, abs=1e-3)
    assert "value = 2 * x +0" in made.notes
    assert made.model.predict([{"x": 7.0}])[0, 0] == pytest.approx(14, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_rung_learns_risks_and_answers_the_same_when_reopened(name: str) -> None:
    made = trained(name, loans(300), positive="late")
    assert made.model.kind == name
    assert made.model.labels == ("paid", "late")
    fresh = loans(600, seed=1)
    answers = made.model.predict(fresh.inputs)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    right = np.array(fresh.labels)[:, None] == np.array(made.model.labels)
    assert (answers.argmax(axis=1) == right.argmax(axis=1)).mean() > 0.68
    assert np.array_equal(answers, reopened(made).predict(fresh.inputs))


@pytest.mark.parametrize("name", NAMES)
def test_a_rung_learns_more_than_two_labels(name: str) -> None:
    made = trained(name, loans(250, labels=("a", "b", "c")))
    fresh = loans(300, seed=1, labels=("a", "b", "c"))
    answers = made.model.predict(fresh.inputs)
    assert (np.array(made.model.labels)[answers.argmax(axis=1)] == np.array(fresh.labels)).mean() > 0.5
    assert np.array_equal(answers, reopened(made).predict(fresh.inputs))


@pytest.mark.parametrize("name", NAMES)
def test_intervals_of_values_hold_their_coverage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "ROUNDS", 150)
    made = trained(name, prices(500), interval=0.8)
    fresh = prices(1_000, seed=1)
    value, low, high = made.model.predict(fresh.inputs).astype(float).T
    truth = np.array(fresh.targets)
    assert (low <= value).all()
    assert (value <= high).all()
    assert 0.75 < ((low <= truth) & (truth <= high)).mean() < 0.86
    assert 1 - ((truth - value) ** 2).mean() / truth.var() > 0.9
    area = np.array([row["area"] for row in fresh.inputs])
    width = high - low
    assert width[area > 150].mean() > 1.5 * width[area < 60].mean()  # wider where errors are larger


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("gradient-descent.v1", "+"),
        ("tabular-linear.v1", "+"),
        ("tabular-linear.v1", "-"),
        ("tabular-boosting.v1", "+"),
        ("tabular-boosting.v1", "-"),
        ("tabular-ensemble.v1", "+"),
    ],
)
def test_a_monotone_answer_never_goes_the_other_way(name: str, sign: str) -> None:
    made = trained(name, loans(150), positive="late", monotone={"income": sign})
    for base in loans(5, seed=3).inputs:
        walked = [{**base, "income": income} for income in np.linspace(-3, 3, 40).tolist()]
        steps = np.diff(made.model.predict(walked)[:, 1])
        assert (steps <= 1e-7).all() if sign == "-" else (steps >= -1e-7).all()


def test_the_decision_follows_the_costs_of_mistakes() -> None:
    made = table_of(trained("tabular-linear.v1", loans(), positive="late", costs={"false_negative": 5}))
    assert made.decision is not None
    assert made.decision.threshold == pytest.approx(1 / 6)
    assert made.decide(np.array([0.8, 0.2], dtype=np.float32)) == 1
    assert made.decide(np.array([0.9, 0.1], dtype=np.float32)) == 0


def test_the_rarer_of_two_labels_is_the_positive_one_unless_said() -> None:
    split = loans()
    few = [i for i, label in enumerate(split.labels) if label == "late" or i % 3]
    fewer = TableSplit(tuple(split.inputs[i] for i in few), tuple(split.targets[i] for i in few))
    assert trained("tabular-linear.v1", fewer).model.labels == ("late", "paid")
    assert trained("tabular-linear.v1", fewer, positive="late").model.labels == ("paid", "late")


def test_the_same_seed_gives_the_same_model() -> None:
    one, other = (trained("tabular-ensemble.v1", loans(150), seed=4) for _ in range(2))
    assert one.files == other.files
    assert one.settings == other.settings


def test_probabilities_mean_what_they_say_after_a_fit_that_overfits() -> None:
    fresh = loans(2_000, seed=1)
    answers = trained("tabular-boosting.v1", loans(600), positive="late").model.predict(fresh.inputs)[:, 1]
    late = np.array(fresh.labels) == "late"
    for part in np.array_split(np.argsort(answers), 5):
        assert abs(answers[part].mean() - late[part].mean()) < 0.08


@pytest.mark.parametrize(
    ("options", "why"),
    [({"monotone": {"job": "+"}}, "no number"), ({"positive": "never"}, "no label of the data")],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        trained("gradient-descent.v1", loans(60), **options)


def test_on_many_rows_a_bent_curve_is_calibrated_too() -> None:
    chance = np.random.default_rng(0)
    scores = chance.normal(size=4_000) * 2
    true = 0.1 + 0.8 * (scores > 0.5)  # a step, which no sigmoid fits
    y = (chance.random(4_000) < true).astype(float)
    found, _ = calibrate(scores[:, None], y, 2, 0)
    assert found.kind == "centred-isotonic"
    assert abs(np.mean([found.positive(score) for score in scores[scores < 0]]) - 0.1) < 0.03
    few, _ = calibrate(scores[:300, None], y[:300], 2, 0)
    assert few.kind in ("platt", "beta")


def test_members_of_a_group_are_held_out_together() -> None:
    from penstock.tasks.tabular.train.problem import problem_of

    split = loans(100)
    grouped = TableSplit(split.inputs, split.targets, groups=tuple(str(i // 4) for i in range(100)))
    problem = problem_of(TrainRequest(train=grouped))
    for kept, out in problem.parts:
        assert not {grouped.groups[i] for i in kept} & {grouped.groups[i] for i in out}


def test_an_unseen_category_is_answered_as_a_missing_one() -> None:
    made = trained("tabular-boosting.v1", loans(), positive="late")
    row = loans(1, seed=5).inputs[0]
    unseen, missing = made.model.predict([{**row, "job": "pilot"}, {**row, "job": None}])
    assert np.array_equal(unseen, missing)
    assert "pilot" not in JOBS
