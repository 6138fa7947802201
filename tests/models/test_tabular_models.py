"""What a served table model promises: the same bits alone and in any batch, reasons that add up, no damaged file."""

from __future__ import annotations

import itertools
import json
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.errors import Broken
from penstock.models.protocol import Parts
from penstock.tasks.tabular.data.schema import Column, Schema
from penstock.tasks.tabular.model import KINDS, Tabular
from penstock.tasks.tabular.model.calibration import Calibration, read_calibration
from penstock.tasks.tabular.model.encoding import Encoding
from penstock.tasks.tabular.model.linear import Linear
from penstock.tasks.tabular.model.tabular import Interval, settings_of, to_files
from penstock.tasks.tabular.model.trees import Trees

SCHEMA = Schema(
    (
        Column("age", "number", low=18, high=80, missing=0.1),
        Column("job", "category", categories=("clerk", "nurse")),
        Column("since", "date", low=9_000, high=9_600, hours=True),
    )
)
ENCODING = Encoding(SCHEMA)
FEATURES = len(ENCODING.features)


def grown(trees: int = 12, seed: int = 0) -> Trees:
    """Full trees of three levels, with random splits."""
    chance = np.random.default_rng(seed)
    nodes, leaves = 7 * trees, 8 * trees
    left, right, cover = np.empty(nodes, int), np.empty(nodes, int), np.empty(nodes)
    leaf_cover = chance.integers(1, 50, leaves).astype(float)
    for tree in range(trees):
        for node in reversed(range(7)):
            at = 7 * tree + node
            below = [2 * node + 1, 2 * node + 2]
            children = [7 * tree + child if child < 7 else -1 - (8 * tree + child - 7) for child in below]
            left[at], right[at] = children
            cover[at] = sum(cover[child] if child >= 0 else leaf_cover[-1 - child] for child in children)
    whole = {"left": left, "right": right, "root": 7 * np.arange(trees), "output": np.zeros(trees)}
    whole |= {"feature": chance.integers(0, FEATURES, nodes), "missing": chance.integers(0, 3, nodes)}
    integers = {name: np.asarray(values, dtype=np.int32) for name, values in whole.items()}
    edges = chance.choice([0.5, 1.5, 12.0, 40.0, 9_200.5], nodes)
    return Trees(
        threshold=edges,
        cover=cover,
        leaf_value=chance.normal(size=leaves),
        leaf_cover=leaf_cover,
        outputs=1,
        **integers,
    )


def linear(outputs: int = 1) -> Linear:
    chance = np.random.default_rng(1)
    scale = np.array([1 / 40, *[1.0] * (FEATURES - 1)]) / 50
    return Linear(
        np.zeros(FEATURES), np.ones(FEATURES), chance.normal(size=(outputs, FEATURES)) * scale, np.ones(outputs)
    )


def risk(calibration: Calibration | None = None) -> Tabular:
    members = ((0.4, linear()), (0.6, grown()))
    made = calibration or Calibration("beta", (0.8, 1.1, 0.05))
    content = settings_of(SCHEMA, members, np.array([0.25]), calibration=made)
    return opened(content, to_files([member for _, member in members], None), ("no", "yes"))


def price() -> Tabular:
    members = ((1.0, grown()),)
    interval = Interval(0.9, 1.5, linear(), 0.01, 50.0)
    content = settings_of(SCHEMA, members, np.zeros(1), interval=interval)
    return opened(content, to_files([grown()], linear()), ("value", "low", "high"))


def opened(content: dict[str, Any], files: dict[str, bytes], labels: tuple[str, ...]) -> Tabular:
    parts = Parts(labels, json.loads(json.dumps(content)), files.__getitem__, "here")
    model = KINDS["tabular-ensemble.v1"](parts)
    assert isinstance(model, Tabular)
    return model


rows = st.fixed_dictionaries(
    {
        "age": st.one_of(st.none(), st.floats(-1e15, 1e15)),
        "job": st.sampled_from(["clerk", "nurse", "pilot", None]),
        "since": st.sampled_from(["2025-01-03T09:30:00", "2024-12-31", None]),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=9))
def test_a_row_answers_the_same_bits_alone_and_in_any_batch(batch: list[Any]) -> None:
    for model in (RISK, PRICE):
        together = model.predict(batch)
        assert np.isfinite(together).all()
        for row, values in enumerate(batch):
            assert np.array_equal(model.predict([values])[0], together[row])
        assert np.array_equal(model.predict(batch[::-1])[::-1], together)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_reasons_add_up_to_the_score(values: Any) -> None:
    score = float(RISK.scores(ENCODING.vector(values))[0])
    total = RISK.usual() + sum(reason.effect for reason in RISK.reasons(values))
    assert total == pytest.approx(score, rel=1e-9, abs=1e-9)
    assert {reason.column for reason in RISK.reasons(values)} == {"age", "job", "since"}


def test_shapley_values_are_those_of_the_definition() -> None:
    trees = grown(trees=3, seed=5)
    vector = ENCODING.vector({"age": 33.0, "job": "nurse", "since": "2025-03-04T20:00:00"})

    def value(known: frozenset[int]) -> float:
        def below(at: int) -> float:
            if at < 0:
                return float(trees.leaf_value[-1 - at])
            children = int(trees.left[at]), int(trees.right[at])
            if int(trees.feature[at]) in known:
                return below(children[0] if vector[trees.feature[at]] <= trees.threshold[at] else children[1])
            shares = [trees.cover[c] if c >= 0 else trees.leaf_cover[-1 - c] for c in children]
            return sum(share * below(c) for share, c in zip(shares, children, strict=True)) / sum(shares)

        return sum(below(int(root)) for root in trees.root)

    found = trees.contributions(vector)[0]
    for place in range(FEATURES):
        others = [other for other in range(FEATURES) if other != place]
        expected = 0.0
        for size in range(FEATURES):
            weight = factorial(size) * factorial(FEATURES - size - 1) / factorial(FEATURES)
            for chosen in itertools.combinations(others, size):
                expected += weight * (value(frozenset({*chosen, place})) - value(frozenset(chosen)))
        assert found[place] == pytest.approx(expected, abs=1e-9)
    assert trees.base[0] == pytest.approx(value(frozenset()))


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration("platt", (1.3, -0.2)),
        Calibration("beta", (0.5, 2.0, 0.1)),
        Calibration("centred-isotonic", (), ((-3.0, 0.01), (-1.0, 0.2), (0.5, 0.2), (4.0, 0.9))),
    ],
)
def test_calibration_never_changes_the_order(calibration: Calibration) -> None:
    values = [calibration.positive(score) for score in np.linspace(-800, 800, 4_001)]
    assert all(0 <= value <= 1 for value in values)
    assert all(b >= a for a, b in itertools.pairwise(values))
    assert read_calibration(calibration.to_json(), "here") == calibration


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("calibration", {"kind": "platt", "numbers": [-1.0, 0.0], "points": []}),
        ("calibration", {"kind": "magic", "numbers": [], "points": []}),
        ("offset", [0.0, 1.0]),
        ("offset", [float("nan")]),
        ("members", []),
        ("members", [{"is": "oracle", "weight": 1.0}]),
        ("schema", {"columns": []}),
        ("decision", {"positive": "maybe", "threshold": 0.5}),
    ],
)
def test_settings_that_do_not_fit_are_refused(part: str, value: Any) -> None:
    members = ((1.0, linear()),)
    content = settings_of(SCHEMA, members, np.zeros(1), calibration=Calibration("platt", (1.0, 0.0)))
    files = to_files([linear()], None)
    with pytest.raises(Broken):
        KINDS["tabular-linear.v1"](Parts(("no", "yes"), {**content, part: value}, files.__getitem__, "here"))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("left", 0, 0), ("left", 0, 999), ("feature", 3, 99), ("leaf_value", 2, np.nan), ("root", 0, -999)],
)
def test_trees_that_lead_astray_are_refused(name: str, place: int, value: float) -> None:
    trees = grown()
    getattr(trees, name)[place] = value
    content = settings_of(SCHEMA, ((1.0, trees),), np.zeros(1), calibration=Calibration("platt", (1.0, 0.0)))
    files = to_files([trees], None)
    with pytest.raises(Broken):
        KINDS["tabular-boosting.v1"](Parts(("no", "yes"), content, files.__getitem__, "here"))


RISK, PRICE = risk(), price()
