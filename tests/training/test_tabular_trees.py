"""The arrays that numpy answers from are LightGBM's trees: the same scores, and the same Shapley values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.tasks.tabular.train.boosting import trees_of

lightgbm = pytest.importorskip("lightgbm")


def grown(objective: str, outputs: int, missing: float) -> tuple[Any, Any]:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(1_000, 8)).round(1)
    y = x @ chance.normal(size=8) + 0.3 * chance.normal(size=1_000)
    x[chance.random(x.shape) < missing] = np.nan
    target = {"binary": y > 0, "multiclass": np.digitize(y, [-1, 1]), "regression": y}[objective]
    settings = {"objective": objective, "num_leaves": 31, "max_depth": 6, "verbosity": -1, "num_threads": 1}
    settings |= {"num_class": outputs} if outputs > 1 else {}
    settings |= {"feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1}
    return lightgbm.train(settings, lightgbm.Dataset(x, target.astype(float)), 25), x


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize(("objective", "outputs"), [("binary", 1), ("multiclass", 3), ("regression", 1)])
def test_scores_and_shapley_values_equal_lightgbms(objective: str, outputs: int, missing: float) -> None:
    booster, x = grown(objective, outputs, missing)
    trees = trees_of(booster, outputs)
    asked = x[:60].copy()
    asked[:5, 2] = np.nan  # also where training saw none: read as zero there
    scores = np.array([trees.scores(row) for row in asked])
    assert np.abs(scores - booster.predict(asked, raw_score=True).reshape(60, -1)).max() < 1e-9
    expected = booster.predict(asked, pred_contrib=True).reshape(60, outputs, -1)
    found = np.array([trees.contributions(row) for row in asked])
    assert np.abs(found - expected[:, :, :-1]).max() < 1e-9
    assert np.abs(trees.base - expected[0, :, -1]).max() < 1e-9


def test_a_row_on_the_edge_of_a_split_falls_on_lightgbms_side() -> None:
    booster, _ = grown("regression", 1, 0.0)
    trees = trees_of(booster, 1)
    row = np.zeros(8)
    for feature, edge in zip(trees.feature[:60], trees.threshold[:60], strict=False):
        if abs(edge) < 1e-30:
            continue  # LightGBM's own edge of zero, where no number of a table lies
        for value in (edge, np.nextafter(edge, 9), np.nextafter(edge, -9)):
            row[feature] = value
            assert trees.scores(row)[0] == pytest.approx(booster.predict(row[None])[0], abs=1e-9)


def test_targets_that_were_standardised_come_back_in_their_units() -> None:
    booster, x = grown("regression", 1, 0.1)
    plain, scaled = trees_of(booster, 1), trees_of(booster, 1, centre=1_000.0, scale=50.0)
    assert scaled.scores(x[0])[0] == pytest.approx(1_000 + 50 * plain.scores(x[0])[0])
    assert scaled.base[0] + scaled.contributions(x[0]).sum() == pytest.approx(scaled.scores(x[0])[0])
