"""Measures models of tables: how well risks are ranked, calibrated and decided on, and how near estimates come.

It sees a model of a table, a split and the answers; it knows no wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation import trivial as without
from penstock.evaluation.classification import measure_classes
from penstock.evaluation.intervals import Floats, Metric, bootstrap_rows, metric, wilson
from penstock.evaluation.measured import Chart, Measured, Point, Section, Trivial
from penstock.models.protocol import Floats as Answers
from penstock.tasks.tabular.auc import mean_auc
from penstock.tasks.tabular.data.schema import TableSplit, Values
from penstock.tasks.tabular.fairness import fairness_of_decisions, fairness_of_estimates
from penstock.tasks.tabular.model import Tabular

CLASSIFICATION = ("auc", "accuracy", "macro_f1", "ece", "brier", "expected_cost")
CLASSIFICATION_TRIVIAL = ("auc", "accuracy", "macro_f1", "brier", "expected_cost")
REGRESSION = ("r2", "mae", "rmse", "coverage", "interval_width")
REGRESSION_TRIVIAL = ("r2", "mae", "rmse")
EXPLAINED_ROWS = 300
SHOWN_COLUMNS = 15
BANDS = 5


def measure_risks(model: Tabular, test: TableSplit, answers: Answers, seed: int) -> Measured:
    """AUC first; Classes, the decision's costs, what decides, and fairness by named columns."""
    described = [_described(values) for values in test.inputs]
    found = measure_classes(model.labels, test.labels, answers, described, seed)
    number = {label: place for place, label in enumerate(model.labels)}
    truth = np.array([number.get(label, len(number)) for label in test.labels], dtype=np.int64)
    ranked = mean_auc(answers.astype(np.float64), truth, model.labels)
    probabilities = answers.astype(np.float64)
    right = np.asarray(truth[:, None] == np.arange(len(model.labels)), dtype=np.float64)
    squares = ((probabilities - right) ** 2).sum(axis=1) / 2  # of two labels: Brier's usual score of one of them
    decided = decisions(model, answers)
    costs = _costs(model, decided, truth)
    quality = {
        "auc": ranked.value,
        "accuracy": found.quality["accuracy"],
        "macro_f1": found.quality["macro_f1"],
        "ece": found.quality["ece"],
        "brier": _mean(squares, seed),
        "expected_cost": _mean(costs, seed),
    }
    sections = [_what_decides(model, test.inputs, seed)]
    if model.decision is not None:
        sections.insert(0, _decision_costs(model, probabilities[:, 1], truth, seed))
    sections += [
        fairness_of_decisions(name, test.audited(name), decided, truth, probabilities, model.labels)
        for name in test.fairness
    ]
    return replace(
        found,
        quality=quality,
        scores=tuple(map(float, ranked.rows)),
        sections=tuple(sections),
        trivial=(
            without.by_interval("auc", without.BY_CHANCE, ranked.value, 0.5),
            *found.trivial,
            _prior(squares, right),
            _same_decision(model, costs, truth),
        ),
    )


def _prior(squares: Floats, right: Floats) -> Trivial:
    """Brier's score against that of the labels' shares. squares: of the model, a row (n,); right: (n, labels)."""
    others = ((right.mean(axis=0) - right) ** 2).sum(axis=1) / 2
    return without.compared("brier", without.PRIOR, -squares, -others, value=float(others.mean()))


def _same_decision(model: Tabular, costs: Floats, truth: NDArray[np.int64]) -> Trivial:
    """What decisions cost, against the cheapest that looks at no row. costs: of the model, a row (n,)."""
    each = [_costs(model, np.full(len(truth), label), truth) for label in range(len(model.labels))]
    others = min(each, key=lambda one: float(one.mean()))
    return without.compared("expected_cost", without.SAME_DECISION, -costs, -others, value=float(others.mean()))


def decisions(model: Tabular, answers: Answers) -> NDArray[np.int64]:
    """The label decided on (rows,): of two, the positive one from the threshold on; of more, the likeliest."""
    return np.array([model.decide(row) for row in answers], dtype=np.int64)


def measure_estimates(model: Tabular, test: TableSplit, answers: Answers, seed: int) -> Measured:
    """R² first, coverage of the intervals, errors by size, what decides, and fairness by named columns."""
    truth = np.array(test.targets, dtype=np.float64)
    value, low, high = answers.astype(np.float64).T
    errors = value - truth
    variance = max(float(truth.var()), 1e-300)
    held = (truth >= low) & (truth <= high)
    squares = errors**2
    scores = 1 - squares / variance  # their mean is R²
    quality = {
        "r2": _interval(float(scores.mean()), squares, lambda at: _r2(squares, truth, at), seed),
        "mae": _mean(np.abs(errors), seed),
        "rmse": _interval(float(np.sqrt(squares.mean())), squares, lambda at: np.sqrt(squares[at].mean(axis=1)), seed),
        "coverage": wilson(int(held.sum()), len(held)),
        "interval_width": _mean(high - low, seed),
    }
    sections = [_errors_by_size(value, errors, held), _what_decides(model, test.inputs, seed)]
    sections += [fairness_of_estimates(name, test.audited(name), errors, held) for name in test.fairness]
    return Measured(
        quality=quality,
        scores=tuple(map(float, scores)),
        sections=tuple(sections),
        trivial=_constants(truth, errors),
    )


def _constants(truth: Floats, errors: Floats) -> tuple[Trivial, ...]:
    """R² and RMSE against the mean of the targets, the mean error against their median."""
    of_mean, of_median = (truth - truth.mean()) ** 2, np.abs(truth - np.median(truth))
    variance, squares = max(float(truth.var()), 1e-300), errors**2
    # (a² - b²) / (a + b) = a - b: the mean of these differences is that of the two root mean squares
    both = max(float(np.sqrt(of_mean.mean()) + np.sqrt(squares.mean())), 1e-300)
    spread, middle = float(truth.std()), float(of_median.mean())
    return (
        without.compared("r2", without.MEAN, -squares / variance, -of_mean / variance, value=0.0),
        without.compared("mae", without.MEDIAN, -np.abs(errors), -of_median, value=middle),
        without.compared("rmse", without.MEAN, -squares / both, -of_mean / both, value=spread),
    )


def _r2(squares: Floats, truth: Floats, at: NDArray[np.int64]) -> Floats:
    """R² of resamples (resamples, rows), each against its own spread."""
    out: Floats = 1 - squares[at].mean(axis=1) / np.maximum(truth[at].var(axis=1), 1e-12 * float(truth.var()) + 1e-300)
    return np.maximum(out, -1e6)


def _costs(model: Tabular, decided: NDArray[np.int64], truth: NDArray[np.int64]) -> Floats:
    """What each decision costs (rows,); with more than two labels a mistake costs 1."""
    if model.decision is None:
        return np.asarray(decided != truth, dtype=np.float64)
    missed = (truth == 1) & (decided == 0)
    alarm = (truth != 1) & (decided == 1)
    return np.asarray(missed * model.decision.false_negative + alarm * model.decision.false_positive)


def _decision_costs(model: Tabular, probability: Floats, truth: NDArray[np.int64], seed: int) -> Section:
    """The decision beside the ways to decide without one."""
    assert model.decision is not None
    threshold, positive = model.decision.threshold, model.decision.positive
    costs_of = f"{model.decision.false_negative:g} : {model.decision.false_positive:g}"
    ways = (
        (f"by cost, {costs_of}", threshold, probability >= threshold),
        ("the likelier label", 0.5, probability >= 0.5),
        (f"always {positive}", 0.0, np.ones(len(truth), dtype=bool)),
        (f"never {positive}", 1.0, np.zeros(len(truth), dtype=bool)),
    )
    rows = []
    for name, at, decided in ways:
        costs = _mean(_costs(model, decided.astype(np.int64), truth), seed)
        caught, alarms = wilson(int(decided[truth == 1].sum()), int((truth == 1).sum())), decided[truth != 1]
        cells = (f"{at:.3f}", shown(costs), f"{decided.mean():.1%}", percent(caught))
        rows.append((name, *cells, percent(wilson(int(alarms.sum()), len(alarms)))))
    note = "the positive label is decided on where its probability reaches the threshold"
    header = ("decision", "threshold", "cost a row", "decided positive", "found of the positive", "false alarms")
    return Section("Decisions", note, header, tuple(rows))


def _what_decides(model: Tabular, inputs: Sequence[Values], seed: int) -> Section:
    """The mean size of each column's contribution over some test rows."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:EXPLAINED_ROWS])
    outputs = range(len(model.offset))
    sizes: dict[str, list[float]] = {name: [] for name in model.encoding.columns}
    for row in chosen:
        for output in outputs:
            for reason in model.reasons(inputs[row], output):
                sizes[reason.column].append(abs(reason.effect))
    means = {name: float(np.mean(each)) for name, each in sizes.items()}
    ordered = sorted(means, key=lambda name: (-means[name], name))
    total = sum(means.values()) or 1.0
    rows = tuple((name, f"{means[name]:.4g}", f"{means[name] / total:.1%}") for name in ordered)
    unit = "value" if model.calibration is None else "log-odds"
    chart = Chart("bars", f"mean effect ({unit})", "column", tuple(Point(n, means[n]) for n in ordered[:SHOWN_COLUMNS]))
    note = "mean size of what a column adds, over test rows"
    return Section("What decides", note, ("column", f"mean effect ({unit})", "share"), rows, chart)


def _errors_by_size(value: Floats, errors: Floats, held: NDArray[np.bool_]) -> Section:
    """Errors and coverage in bands of the estimate."""
    order = np.argsort(value, kind="stable")
    rows = []
    for part in np.array_split(order, min(BANDS, len(order))):
        band = f"{value[part].min():.4g} – {value[part].max():.4g}"
        found = wilson(int(held[part].sum()), len(part))
        cells = (f"{len(part):,}", f"{np.abs(errors[part]).mean():.4g}", f"{errors[part].mean():+.4g}", percent(found))
        rows.append((band, *cells))
    header = ("estimate", "rows", "mean absolute error", "mean error", "coverage")
    return Section("Errors by size", "bands of the estimate, each with as many rows", header, tuple(rows))


def _mean(values: Floats, seed: int) -> Metric:
    """A mean with its bootstrap interval."""
    return _interval(float(values.mean()), values, lambda at: np.asarray(values[at].mean(axis=1)), seed)


def _interval(value: float, rows: Floats, statistic: Callable[[NDArray[np.int64]], Floats], seed: int) -> Metric:
    low, high = bootstrap_rows(rows, statistic, seed)
    return metric(value, low, high)


def percent(found: Metric) -> str:
    """A share with its interval, for a table."""
    return f"{found.value:.1%} ({found.low:.1%} – {found.high:.1%})"


def shown(found: Metric) -> str:
    """A number with its interval, for a table."""
    return f"{found.value:.4g} ({found.low:.4g} – {found.high:.4g})"


def _described(values: Values) -> str:
    pairs = ((name, f"{value:g}" if isinstance(value, float) else value) for name, value in values.items())
    return ", ".join(f"{name} {value}" for name, value in pairs)
