"""Boosted trees by LightGBM, kept small, and read out into arrays that numpy answers from.

The number of rounds is the one with the least mean loss over folds; the final fit takes all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.runtime.progress import Tell, within
from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.model.trees import Trees
from penstock.tasks.tabular.train.problem import Fitted, Indices, Problem

ROUNDS = 600
MOST_TREES = 3_000  # of a member: with many labels each round grows one a label
PATIENCE = 40
LARGE = 10_000  # rows from which larger trees are worth trying


@dataclass(frozen=True)
class Shape:
    """How large the trees of a fit are, and how fast it learns."""

    name: str
    leaves: int
    depth: int
    rate: float


STUMPS = Shape("depth 2", 4, 2, 0.08)
SMALL = Shape("depth 3", 8, 3, 0.05)
MEDIUM = Shape("depth 5", 16, 5, 0.04)
WIDE = Shape("depth 6", 31, 6, 0.05)
BROAD = Shape("depth 6, 63 leaves", 63, 6, 0.04)  # as deep as the tables of Shapley values go


def shapes(rows: int) -> tuple[Shape, ...]:
    """What is worth trying on so many rows."""
    return (MEDIUM, WIDE, BROAD) if rows >= LARGE else (STUMPS, SMALL, MEDIUM)


def fit(problem: Problem, shape: Shape, seed: int, tell: Tell) -> Fitted:
    """Trees of one shape on all rows, and the held-out scores of the folds' trees."""
    centre, scale = _unit(problem)
    settings = _settings(problem, shape, seed)
    boosters, curves = [], []
    fits = len(problem.parts) + 1
    for number, (kept, out) in enumerate(problem.parts):
        booster, curve = _train(problem, settings, kept, out, centre, scale, within(tell, number, fits))
        boosters.append(booster)
        curves.append(curve)
    length = max(map(len, curves))  # a fold that stopped early keeps its last loss
    mean = np.mean([np.pad(curve, (0, length - len(curve)), mode="edge") for curve in curves], axis=0)
    rounds = int(mean.argmin()) + 1
    held = np.empty((problem.rows, problem.outputs))
    for booster, (_, out) in zip(boosters, problem.parts, strict=True):
        scores = booster.predict(problem.x[out], num_iteration=rounds, raw_score=True)
        held[out] = centre + scale * np.asarray(scores).reshape(len(out), problem.outputs)
    more = max(1, round(rounds * (1 + 1 / max(2, len(problem.parts)))))  # a quarter more rows bear a few more rounds
    everything = np.arange(problem.rows)
    last = within(tell, fits - 1, fits)
    booster, _ = _train(problem, {**settings, "num_iterations": more}, everything, None, centre, scale, last)
    trees = trees_of(booster, problem.outputs, centre, scale)
    return Fitted(trees, held, f"{more} rounds of trees of {shape.name}")


def trees_of(booster: Any, outputs: int, centre: float = 0.0, scale: float = 1.0) -> Trees:
    """A LightGBM booster as arrays. centre, scale: of a target that was standardised."""
    arrays = _Arrays()
    for number, tree in enumerate(booster.dump_model()["tree_info"]):
        arrays.root.append(_add(tree["tree_structure"], arrays))
        arrays.output.append(number % outputs)
    values = scale * np.array(arrays.leaf_value)
    if centre:  # spread over the first tree's leaves: every row reaches one of them
        first = _leaves_below(arrays, arrays.root[0])
        values[first] += centre
    integer, double = np.int32, np.float64
    return Trees(
        feature=np.array(arrays.feature, dtype=integer),
        threshold=np.array(arrays.threshold, dtype=double),
        missing=np.array(arrays.missing, dtype=integer),
        left=np.array(arrays.left, dtype=integer),
        right=np.array(arrays.right, dtype=integer),
        cover=np.array(arrays.cover, dtype=double),
        leaf_value=values,
        leaf_cover=np.array(arrays.leaf_cover, dtype=double),
        root=np.array(arrays.root, dtype=integer),
        output=np.array(arrays.output, dtype=integer),
        outputs=outputs,
    )


@dataclass
class _Arrays:
    """Trees' arrays while they are being read."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    cover: list[float] = field(default_factory=list)
    leaf_value: list[float] = field(default_factory=list)
    leaf_cover: list[float] = field(default_factory=list)
    root: list[int] = field(default_factory=list)
    output: list[int] = field(default_factory=list)


def _add(node: Mapping[str, Any], arrays: _Arrays) -> int:
    """Add a node and all below it; answer its number, or -1 - leaf. Parents come before children."""
    if "split_feature" not in node:
        arrays.leaf_value.append(float(node["leaf_value"]))
        arrays.leaf_cover.append(float(node.get("leaf_count", 1)))
        return -len(arrays.leaf_value)
    here = len(arrays.feature)
    arrays.feature.append(int(node["split_feature"]))
    arrays.threshold.append(float(node["threshold"]))
    # without missing values in training LightGBM reads NaN as 0
    arrays.missing.append(0 if node["missing_type"] == "None" else 1 if node["default_left"] else 2)
    arrays.cover.append(float(node["internal_count"]))
    arrays.left.append(0)
    arrays.right.append(0)
    arrays.left[here] = _add(node["left_child"], arrays)
    arrays.right[here] = _add(node["right_child"], arrays)
    return here


def _leaves_below(arrays: _Arrays, root: int) -> list[int]:
    open_, leaves = [root], []
    while open_:
        at = open_.pop()
        if at < 0:
            leaves.append(-1 - at)
        else:
            open_ += [arrays.left[at], arrays.right[at]]
    return leaves


def _train(
    problem: Problem,
    settings: dict[str, Any],
    kept: Indices,
    out: Indices | None,
    centre: float,
    scale: float,
    tell: Tell,
) -> tuple[Any, Sequence[float]]:
    """A booster fitted on `kept`, and its loss on `out` after every round."""
    import lightgbm

    y: Doubles = (problem.y - centre) / scale
    data = lightgbm.Dataset(problem.x[kept], y[kept], params=settings, free_raw_data=False)
    if out is None:
        return lightgbm.train(settings, data, callbacks=[_told(tell)]), ()
    curve: dict[str, dict[str, list[float]]] = {}
    watched = lightgbm.Dataset(problem.x[out], y[out], reference=data, params=settings)
    callbacks: list[Any] = [
        _told(tell),
        lightgbm.record_evaluation(curve),
        lightgbm.early_stopping(PATIENCE, verbose=False),
    ]
    booster = lightgbm.train(settings, data, valid_sets=[watched], callbacks=callbacks)
    (losses,) = curve["valid_0"].values()
    return booster, losses


def _told(tell: Tell) -> Any:
    """A callback of LightGBM's that tells how many of the rounds are grown."""
    return lambda state: tell((state.iteration - state.begin_iteration) / (state.end_iteration - state.begin_iteration))


def _settings(problem: Problem, shape: Shape, seed: int) -> dict[str, Any]:
    """Careful for small tables: few leaves, half of the features and most rows a tree, ridge on leaves."""
    objective = "regression" if not problem.classes else "binary" if problem.classes == 2 else "multiclass"
    found: dict[str, Any] = {
        "objective": objective,
        "num_iterations": min(ROUNDS, max(30, MOST_TREES // problem.outputs)),
        "num_leaves": shape.leaves,
        "max_depth": shape.depth,
        "learning_rate": shape.rate,
        "min_data_in_leaf": max(1, min(50, problem.rows // 50)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "feature_pre_filter": False,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    if problem.classes > 2:
        found["num_class"] = problem.classes
    if problem.signs.any():
        found |= {"monotone_constraints": problem.signs.tolist(), "monotone_constraints_method": "intermediate"}
    return found


def _unit(problem: Problem) -> tuple[float, float]:
    """Targets are standardised, so that settings mean the same for cents and for millions."""
    if problem.classes:
        return 0.0, 1.0
    return float(problem.y.mean()), float(problem.y.std()) or 1.0
