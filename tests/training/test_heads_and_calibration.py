"""The mathematics under the rungs: the head's optimum, temperatures, folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import Broken
from penstock.training.calibration import fit_temperature, log_loss
from penstock.training.rows import folds
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
