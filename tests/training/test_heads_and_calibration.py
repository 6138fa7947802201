"""The mathematics under the rungs: the head's optimum, temperatures, folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import Broken
from penstock.training.calibration import fit_temperature, log_loss
from penstock.training.rows import MANY_CLASSES, MOST_SCORES, enough_to_judge, folds
from penstock.training.softmax_head import fit_path


def blobs_of_three(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    truth = np.arange(rows) % 3
    vectors = random.normal(size=(rows, 8)) + 1.2 * np.eye(3, 8)[truth]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth.astype(np.int64)


@pytest.mark.parametrize("strength", [0.3, 10.0, 300.0])
def test_the_head_is_the_logistic_regression_that_scikit_learn_converges_to(strength: float) -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, truth = blobs_of_three()
    head = next(fit_path(vectors, truth, 3, (strength,), tolerance=1e-6))
    other = LogisticRegression(C=strength, tol=1e-8, max_iter=5_000).fit(vectors.astype(np.float64), truth)
    ours = np.exp(head.scores(vectors))
    assert ours / ours.sum(axis=1, keepdims=True) == pytest.approx(other.predict_proba(vectors), abs=2e-3)


def test_a_path_ends_where_a_direct_fit_does() -> None:
    vectors, truth = blobs_of_three()
    along = [head.weights for head in fit_path(vectors, truth, 3, (1.0, 10.0, 100.0), tolerance=1e-6)]
    direct = next(fit_path(vectors, truth, 3, (100.0,), tolerance=1e-6))
    assert along[-1] == pytest.approx(direct.weights, abs=0.05 * float(np.abs(direct.weights).max()))


def test_a_path_tells_how_far_each_fit_is() -> None:
    vectors, truth = blobs_of_three()
    seen: list[tuple[int, float]] = []
    silent = [head.weights for head in fit_path(vectors, truth, 3, (1.0, 10.0))]
    told = fit_path(vectors, truth, 3, (1.0, 10.0), tell=lambda place, share: seen.append((place, share)))
    assert all((head.weights == weights).all() for head, weights in zip(told, silent, strict=True))
    assert seen == sorted(seen) and {place for place, _ in seen} == {0, 1}
    assert all(0 <= share <= 1 for _, share in seen) and max(seen)[1] > 0.9


def many_classes(rows_each: int = 4) -> tuple[np.ndarray, np.ndarray, int]:
    random, classes = np.random.default_rng(3), MANY_CLASSES + 50
    truth = np.repeat(np.arange(classes), rows_each)
    middles, mixing = random.normal(size=(classes, 24)), np.diag(np.linspace(0.1, 1.5, 24))
    return (middles[truth] + random.normal(size=(len(truth), 24)) @ mixing).astype(np.float32), truth, classes


def test_very_many_classes_get_linear_discriminants_that_beat_the_nearest_mean() -> None:
    """A softmax over 5,000 classes held rows x classes at once and took an hour."""
    vectors, truth, classes = many_classes()
    held = np.arange(len(truth)) % 4 == 0
    stiff, loose = fit_path(vectors[~held], truth[~held], classes, (1e-3, 300.0))
    right = [(head.scores(vectors[held]).argmax(axis=1) == truth[held]).mean() for head in (stiff, loose)]
    assert right[1] > right[0] + 0.1


def test_discriminants_are_those_of_scikit_learn() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    vectors, truth, classes = many_classes()
    head = next(fit_path(vectors, truth, classes, (1e9,)))
    other = LinearDiscriminantAnalysis(solver="lsqr").fit(vectors.astype(np.float64), truth)
    ours, theirs = head.scores(vectors[:200]), other.decision_function(vectors[:200])
    assert ours - ours.mean(axis=1, keepdims=True) == pytest.approx(
        theirs - theirs.mean(axis=1, keepdims=True), rel=1e-4, abs=0.05
    )


def test_a_row_that_weighs_two_is_a_row_given_twice_to_discriminants() -> None:
    vectors, truth, classes = many_classes(2)
    twice = np.append(np.arange(len(truth)), [0, 5])
    weights = np.ones(len(truth), dtype=np.float32)
    weights[[0, 5]] = 2
    repeated = next(fit_path(vectors[twice], truth[twice], classes, (1.0,)))
    weighted = next(fit_path(vectors, truth, classes, (1.0,), weights=weights))
    assert weighted.weights == pytest.approx(repeated.weights, abs=1e-3)
    assert weighted.bias == pytest.approx(repeated.bias, abs=1e-2)


def test_held_out_rows_are_thinned_where_their_scores_would_not_fit() -> None:
    held = np.arange(50_000)
    assert enough_to_judge(held, 77) is held
    few = enough_to_judge(held, 5_000)
    assert len(few) * 5_000 <= MOST_SCORES and few[0] == 0 and few[-1] == held[-1] and len(set(few)) == len(few)


def test_vectors_without_any_spread_still_give_a_head() -> None:
    head = next(fit_path(np.ones((6, 4), dtype=np.float32), np.array([0, 0, 0, 0, 1, 1]), 2, (10.0,)))
    shares = np.exp(head.scores(np.ones((1, 4), dtype=np.float32)))[0]
    assert shares / shares.sum() == pytest.approx([4 / 6, 2 / 6], abs=0.01)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    vectors, truth = blobs_of_three(30)
    with pytest.raises(Broken, match="not finite"):
        next(fit_path(vectors * np.float32(1e30), truth, 3, (1.0,)))


@pytest.mark.parametrize("factor", [0.2, 1.0, 7.0])
def test_the_temperature_undoes_a_scale_of_the_scores(factor: float) -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(4_000, 4), scale=2)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = (random.random(4_000)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
    temperature, loss = fit_temperature(scores * factor, truth)
    assert temperature == pytest.approx(factor, rel=0.1)
    assert loss <= log_loss(scores, truth) + 1e-6


def test_scores_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(Broken, match="not finite"):
        fit_temperature(np.array([[0.0, np.inf]]), np.array([1]))


@given(
    counts=st.lists(st.integers(2, 12), min_size=2, max_size=6), most=st.integers(2, 5), seed=st.integers(0, 2**32 - 1)
)
def test_every_fold_holds_every_class_on_both_sides(counts: list[int], most: int, seed: int) -> None:
    truth = np.repeat(np.arange(len(counts)), counts)
    parts = folds(truth, most, seed)
    assert 2 <= len(parts) == min(most, min(counts))
    assert sorted(np.concatenate([out for _, out in parts])) == list(range(len(truth)))
    for kept, out in parts:
        assert set(truth[kept]) == set(truth[out]) == set(truth)
        assert not set(kept) & set(out)
