"""Risks on four public tables, beside plain scikit-learn gradient boosting in the same run.

    python -m benchmarks.tabular [--seeds 5] [--data german_credit ...] [--rung tabular-ensemble.v1]

Of small tables five folds are held out in turn, per seed, and their answers pooled; of bank_marketing (without
duration) a fifth is held out per seed. ece: over 15 bins of the top probability. diabetes: scikit-learn's 442 rows,
a number with 90% intervals. One core, about eight minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.common import report, shared_data
from penstock.evaluation.metrics import calibration
from penstock.tasks.tabular.auc import auc
from penstock.tasks.tabular.data.columns import plan_columns, typed
from penstock.tasks.tabular.data.options import TableOptions
from penstock.tasks.tabular.data.reading import read_table
from penstock.tasks.tabular.data.schema import TableSplit
from penstock.tasks.tabular.train import RUNGS
from penstock.training.records import TrainRequest

ZEROS = ("glucose", "blood_pressure", "skin_thickness", "insulin", "bmi")
SETS: dict[str, dict[str, Any]] = {
    "german_credit": {"target": "class", "positive": "2"},
    "pima_diabetes": {"target": "outcome", "positive": "1", "missing_zero": ZEROS},
    "telco_churn": {"target": "Churn", "positive": "Yes"},
    "bank_marketing": {"target": "y", "positive": "yes", "drop": ("duration",)},
}
POOLED_ROWS = 10_000  # tables of fewer rows are answered whole, fold by fold
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


@dataclass
class Figures:
    """Per seed: how one method did."""

    auc: list[float] = field(default_factory=list)
    ece: list[float] = field(default_factory=list)
    brier: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="*", default=[*SETS, "diabetes"])
    parser.add_argument("--rung", default="tabular-ensemble.v1")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in arguments.data:
        if name == "diabetes":
            estimates(arguments.rung, arguments.seeds)
        else:
            compare(name, arguments.rung, arguments.seeds)


def compare(name: str, rung: str, seeds: int) -> None:
    inputs, labels = rows_of(name)
    truth = np.array([label == SETS[name]["positive"] for label in labels])
    figures: dict[str, Figures] = {method: Figures() for method in (rung, "GradientBoosting", "HistGradientBoosting")}
    for seed in range(seeds):
        parts = held_out(truth, seed)
        tested = np.concatenate(parts)
        for method, found in figures.items():
            began = time.perf_counter()
            answers = np.empty(len(truth))
            for part in parts:
                kept = np.setdiff1d(np.arange(len(truth)), part)
                answers[part] = answer(method, inputs, labels, truth, kept, part, name, seed)
            found.seconds.append((time.perf_counter() - began) / len(parts))
            note(found, answers[tested], truth[tested], seed)
    ours = figures[rung]
    for method, found in figures.items():
        facts = {key: mean_with_interval(getattr(found, key)) for key in ("auc", "ece", "brier")}
        if method != rung:
            facts["our auc - its"] = mean_with_interval(np.subtract(ours.auc, found.auc).tolist())
            facts["our ece - its"] = mean_with_interval(np.subtract(ours.ece, found.ece).tolist())
        report(name, method=method, rows=len(truth), **facts, seconds_a_fit=round(statistics.median(found.seconds), 2))


def estimates(rung_name: str, seeds: int) -> None:
    """R² beside plain boosting, and the coverage of 90% intervals, on scikit-learn's diabetes rows."""
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.model_selection import KFold

    bunch = load_diabetes(scaled=False)
    names = [str(name) for name in bunch.feature_names]
    inputs = [dict(zip(names, map(float, row), strict=True)) for row in bunch.data]
    (rung,) = [rung for rung in RUNGS if rung.name == rung_name]
    ours: list[float] = []
    theirs: list[float] = []
    coverage: list[float] = []
    for seed in range(seeds):
        found, plain = np.empty((len(inputs), 3)), np.empty(len(inputs))
        for kept, out in KFold(5, shuffle=True, random_state=seed).split(bunch.data):
            split = TableSplit(tuple(inputs[row] for row in kept), tuple(bunch.target[kept].tolist()))
            found[out] = rung.train(TrainRequest(train=split, seed=seed)).model.predict([inputs[row] for row in out])
            peer = GradientBoostingRegressor(random_state=seed).fit(bunch.data[kept], bunch.target[kept])
            plain[out] = peer.predict(bunch.data[out])
        truth = bunch.target
        ours.append(1 - float(((found[:, 0] - truth) ** 2).mean() / truth.var()))
        theirs.append(1 - float(((plain - truth) ** 2).mean() / truth.var()))
        coverage.append(float(((found[:, 1] <= truth) & (truth <= found[:, 2])).mean()))
    shown = {"r2": mean_with_interval(ours), "coverage of 90%": mean_with_interval(coverage)}
    report("diabetes", method=rung_name, rows=len(inputs), **shown)
    difference = mean_with_interval(np.subtract(ours, theirs).tolist())
    facts = {"r2": mean_with_interval(theirs), "our r2 - its": difference}
    report("diabetes", method="GradientBoosting", rows=len(inputs), **facts)


def rows_of(name: str) -> tuple[list[Any], list[str]]:
    """All rows of a set, typed as a product's would be."""
    options = SETS[name]
    folder, target = shared_data(name), options["target"]
    records = [each for part in ("train", "test") for each in read_table(folder / f"{part}.csv.gz", target)]
    plan = plan_columns(records, TableOptions(), (target, *options.get("drop", ())))
    inputs = [typed(record, plan.kinds, options.get("missing_zero", ())) for record in records]
    labels = [f"{cell:g}" if isinstance(cell := record.cells[target], float) else str(cell) for record in records]
    return inputs, labels


def held_out(truth: Any, seed: int) -> list[Any]:
    """Five folds of a small table, one fifth of a large one; stratified."""
    from sklearn.model_selection import StratifiedKFold

    folds = [out for _, out in StratifiedKFold(5, shuffle=True, random_state=seed).split(truth, truth)]
    return folds if len(truth) < POOLED_ROWS else folds[:1]


def answer(
    method: str, inputs: list[Any], labels: list[str], truth: Any, kept: Any, out: Any, name: str, seed: int
) -> Any:
    """Probabilities of the positive label for the rows `out`, by a model of the rows `kept`."""
    if method not in ("GradientBoosting", "HistGradientBoosting"):
        (rung,) = [rung for rung in RUNGS if rung.name == method]
        split = TableSplit(tuple(inputs[row] for row in kept), tuple(labels[row] for row in kept))
        options = {key: value for key, value in SETS[name].items() if key != "drop"}
        model = rung.train(TrainRequest(train=split, seed=seed, options=options)).model
        return model.predict([inputs[row] for row in out])[:, 1]
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

    hist = method.startswith("Hist")
    x = coded(inputs, one_hot=not hist)
    peer = (HistGradientBoostingClassifier if hist else GradientBoostingClassifier)(random_state=seed)
    return peer.fit(x[kept], truth[kept]).predict_proba(x[out])[:, 1]


def coded(inputs: list[Any], *, one_hot: bool) -> Any:
    """Numbers as they are, categories as codes or one column each; what plain boosting cannot read as NaN is -1."""
    columns = []
    for name in inputs[0]:
        values = [row[name] for row in inputs]
        if not any(isinstance(value, str) for value in values):
            numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
            columns.append(np.nan_to_num(numbers, nan=-1.0) if one_hot else numbers)
            continue
        known = sorted({value for value in values if value is not None})
        codes = np.array([-1 if value is None else known.index(value) for value in values], dtype=float)
        columns += [codes == place for place in range(len(known))] if one_hot else [codes]
    return np.column_stack(columns).astype(float)


def note(found: Figures, answers: Any, truth: Any, seed: int) -> None:
    found.auc.append(auc(answers.astype(float), truth).value.value)
    top, right = np.maximum(answers, 1 - answers), (answers >= 0.5) == truth
    found.ece.append(calibration(np.minimum(top, 1.0), right, seed).ece.value)
    found.brier.append(float(((answers - truth) ** 2).mean()))


def mean_with_interval(values: list[float]) -> str:
    """The mean over seeds and its 95% interval (Student's t)."""
    mean = statistics.fmean(values)
    if len(values) not in T95:
        return f"{mean:.4f}"
    half = T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.4f} ± {half:.4f}"


if __name__ == "__main__":
    main()
