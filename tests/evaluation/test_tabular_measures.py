"""What a table's report says: ranks, costs, intervals, what decides, and how groups fare."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.evaluation.intervals import Metric
from penstock.models.protocol import Parts
from penstock.tasks.tabular.auc import auc, mean_auc
from penstock.tasks.tabular.fairness import fairness_of_decisions, fairness_of_estimates, groups_of
from penstock.tasks.tabular.measure import CLASSIFICATION, REGRESSION, measure_estimates, measure_risks
from penstock.tasks.tabular.model import Tabular
from penstock.tasks.tabular.train.rungs import train_linear
from penstock.training.records import TrainRequest
from tests.training.tables import loans, prices


def test_the_auc_is_scikit_learns_and_the_rows_average_to_it() -> None:
    from sklearn.metrics import roc_auc_score

    chance = np.random.default_rng(0)
    scores = chance.normal(size=300).round(1)  # with ties
    positive = scores + chance.normal(size=300) > 0.5
    found = auc(scores, positive)
    assert found.value.value == pytest.approx(roc_auc_score(positive, scores))
    assert found.rows.mean() == pytest.approx(found.value.value)


def test_the_aucs_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    true = 0.7602  # of two normal distributions one apart
    held = 0
    for _ in range(400):
        positive = np.arange(120) < 40
        found = auc(chance.normal(size=120) + positive, positive).value
        held += found.low <= true <= found.high
    assert 0.91 < held / 400 < 0.985


def test_a_faultless_small_sample_claims_no_certainty() -> None:
    found = auc(np.arange(20.0), np.arange(20) >= 10).value
    assert found.value == 1.0
    assert found.low < 0.8
    assert auc(np.arange(5.0), np.ones(5, dtype=bool)).value == Metric(0.5, 0.0, 1.0)


def test_of_more_labels_the_auc_is_the_mean_of_each_against_the_rest() -> None:
    from sklearn.metrics import roc_auc_score

    chance = np.random.default_rng(2)
    truth = chance.integers(0, 3, 200)
    answers = chance.dirichlet(np.ones(3), 200) + np.eye(3)[truth] * 0.3
    answers /= answers.sum(axis=1, keepdims=True)
    found = mean_auc(answers, truth, ("a", "b", "c"))
    assert found.value.value == pytest.approx(roc_auc_score(truth, answers, multi_class="ovr"))
    assert found.rows.mean() == pytest.approx(found.value.value)


def model_of(request: TrainRequest) -> Tabular:
    made = train_linear(request)
    assert isinstance(made.model, Tabular)
    assert Parts(made.model.labels, made.settings, made.files.__getitem__, "")
    return made.model


def test_a_risk_report_has_costs_reasons_and_groups() -> None:
    options = {"positive": "late", "costs": {"false_negative": 5.0}}
    model = model_of(TrainRequest(train=loans(), options=options))
    test = loans(300, seed=1)
    test = type(test)(test.inputs, test.targets, fairness=("job", "age"))
    found = measure_risks(model, test, model.predict(test.inputs), 0)
    assert tuple(found.quality) == CLASSIFICATION
    assert found.quality["auc"].value > 0.7
    assert np.mean(found.scores) == pytest.approx(found.quality["auc"].value)
    assert found.classes is not None
    assert [section.title for section in found.sections] == ["Decisions", "What decides", "Fairness", "Fairness"]
    decisions, decides, jobs, ages = found.sections
    costs = [float(row[2].split()[0]) for row in decisions.rows]
    assert costs[0] < costs[1] < costs[3]  # by cost, beside the likelier label and never
    assert decides.rows[0][0] == "income"
    assert {row[0] for row in jobs.rows} == {"clerk", "cook", "nurse", "missing", "difference"}
    assert len(ages.rows) == 5
    assert all(len(row) == len(section.header) for section in found.sections for row in section.rows)


def test_an_estimates_report_has_coverage_and_errors_by_size() -> None:
    model = model_of(TrainRequest(train=prices(), options={"interval": 0.9}))
    test = prices(300, seed=1)
    test = type(test)(test.inputs, test.targets, fairness=("job",))
    found = measure_estimates(model, test, model.predict(test.inputs), 0)
    assert tuple(found.quality) == REGRESSION
    assert np.mean(found.scores) == pytest.approx(found.quality["r2"].value)
    assert 0.85 < found.quality["coverage"].value < 0.96
    sizes = [float(row[2]) for row in found.sections[0].rows]
    assert sizes[-1] > 2 * sizes[0]
    assert [section.title for section in found.sections] == ["Errors by size", "What decides", "Fairness"]


def test_the_better_model_wins_when_paired_by_its_rows() -> None:
    chance = np.random.default_rng(3)
    positive = chance.random(500) < 0.3
    good = auc(positive + chance.normal(size=500), positive)
    bad = auc(positive + 4 * chance.normal(size=500), positive)
    assert (good.rows - bad.rows).mean() == pytest.approx(good.value.value - bad.value.value)
    error = (good.rows - bad.rows).std() / 500**0.5
    assert good.value.value - bad.value.value > 3 * error


def test_groups_are_categories_or_quarters_of_numbers() -> None:
    assert list(groups_of(["b", "a", "b", None])) == ["b", "a", "missing"]
    bands = groups_of([*map(float, range(100)), None])
    assert [len(rows) for rows in bands.values()] == [25, 25, 25, 25, 1]
    many = groups_of([f"c{i % 40}" for i in range(400)])
    assert len(many) == 12
    assert sum(len(rows) for rows in many.values()) == 400
    assert "others" in many


def test_a_group_that_is_treated_otherwise_is_seen() -> None:
    values = ["f"] * 100 + ["m"] * 100 + ["x"] * 5
    decided = np.array([1] * 80 + [0] * 20 + [1] * 40 + [0] * 60 + [1] * 5)
    truth = np.array(([1] * 50 + [0] * 50) * 2 + [1] * 5)
    shares = np.stack([1 - decided, decided], axis=1).astype(float)
    section = fairness_of_decisions("sex", values, decided, truth, shares, ("no", "yes"))
    assert section.rows[-1] == ("difference", "", "0.0%", "40.0%", "40.0%", "20.0%", "60.0%")
    errors = np.array([1.0] * 100 + [-3.0] * 105)
    estimates = fairness_of_estimates("sex", values, errors, np.ones(205, dtype=bool))
    assert estimates.rows[-1][2] == "2"
    assert estimates.rows[1][3] == "-3"
