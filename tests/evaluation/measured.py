"""Models whose answers are written down beforehand, and reports of them, for tests that need no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from penstock import installed
from penstock.datasets.rows import Split
from penstock.evaluation.classification import measure_classes
from penstock.evaluation.evaluate import Exam, Examinee, Terms, evaluate
from penstock.evaluation.intervals import Metric, wilson
from penstock.evaluation.load import QUIET
from penstock.evaluation.measured import Chart, Point, Section
from penstock.evaluation.parity import Comparison, Parity
from penstock.evaluation.report import Report, rows_digest
from penstock.evaluation.trivial import COMMONEST, MEAN, compared
from penstock.runtime.progress import Progress, no_progress
from penstock.workspace.records import Condition, Costs, Price

PRICE = Price.model_validate({"tiers": [{"up_to": 10, "unit_price": "0.0040"}, {"unit_price": "0.0020"}]})
FREE = Price.model_validate({"tiers": [{"unit_price": "0"}]})


@dataclass(frozen=True)
class Scripted:
    """Answers `answers[text]` with score 0.8, the rest shared by the other labels. bend: changes a batch's answers."""

    labels: tuple[str, ...]
    answers: Mapping[str, str]
    bend: Callable[[Any], Any] = lambda probabilities: probabilities
    kind: str = "scripted.v1"

    def predict(self, texts: Sequence[str]) -> Any:
        rows = np.full((len(texts), len(self.labels)), 0.2 / (len(self.labels) - 1), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[self.labels.index(self.answers[text])] = 0.8
        return self.bend(rows)


def scripted(rows: Sequence[tuple[str, str, str]], **options: Any) -> tuple[Scripted, Split]:
    """A model and its test split from rows of (text, true label, answer)."""
    labels = options.pop("labels", tuple(sorted({answer for _, _, answer in rows})))
    model = Scripted(labels, {text: answer for text, _, answer in rows}, **options)
    return model, Split(tuple(text for text, _, _ in rows), tuple(truth for _, truth, _ in rows))


def measure(
    model: Any,
    test: Split,
    *,
    reloaded: Any = None,
    price: Price = PRICE,
    backbone_parity: float | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Report:
    """What evaluation says of a model that was saved and came back the same, unless `reloaded` is another."""
    return evaluate(
        Examinee(model, reloaded or model, backbone_parity),
        Exam(
            test.inputs,
            lambda judged, answers, seed: measure_classes(judged.labels, test.labels, answers, test.texts, seed),
            rows_digest(rows_of(test)),
            seed,
        ),
        Terms(price, Costs()),
        progress=progress,
    )


def rows_of(test: Split) -> list[dict[str, str]]:
    """The test's rows as a dataset version keeps them."""
    return [{"text": text, "label": label} for text, label in zip(test.texts, test.labels, strict=True)]


@cache
def small_report() -> Report:
    """Four rows, two labels, one answer wrong; on a quiet machine, whatever runs beside the tests."""
    made = measure(*scripted([("a1", "a", "a"), ("a2", "a", "b"), ("b1", "b", "b"), ("b2", "b", "b")]))
    return replace(made, latency=replace(made.latency, load=QUIET))


def report(right: int = 90, rows: int = 100, **figures: Metric | None) -> Report:
    """A model that is right on the first `right` of `rows` rows; `figures` are metrics by the names a gate uses."""
    return report_of([row < right for row in range(rows)], **figures)


def report_of(correct: Sequence[bool], **figures: Metric | None) -> Report:
    """A model that is right on these rows of one test split; `figures` as in `report`."""
    made = replace(small_report(), rows=len(correct), scores=tuple(map(float, correct)))
    made = with_figure(made, "accuracy", wilson(sum(correct), len(correct)))
    half = [float(row % 2) for row in range(len(correct))]  # what the commoner of two labels is right on
    made = replace(made, trivial=(compared("accuracy", COMMONEST, made.scores, half, value=float(np.mean(half))),))
    for name, figure in figures.items():
        made = with_figure(made, name, figure)
    return made


def graded_report() -> Report:
    """Three estimates with their errors: no classes, but sections with bars, without a chart, and with lines."""
    bars = Chart("bars", "Error", "", (Point("north", 2.5, 2.0, 3.0), Point("south", 1.5)))
    lines = Chart("lines", "Day", "Error", (Point(1, 2.0, 1.5, 2.5, "this"), Point(2, 2.5, series="last")))
    rows = (("north", "2.50"), ("south", "1.50"))
    return replace(
        small_report(),
        rows=3,
        labels=1,
        quality={"rmse": Metric(2.0, 1.5, 2.5), "mae": Metric(1.0, 0.5, 1.5)},
        most_loss=0.1,
        classes=None,
        sections=(
            Section("Errors by region", "The mean error of each region.", ("Region", "Error"), rows, bars),
            Section("Largest errors", "What was estimated worst.", ("Region", "Error"), rows),
            Section("Errors by day", "How the error moved.", ("Region", "Error"), rows, lines),
        ),
        scores=(-1.5, -0.25, -1e-9),
        trivial=(compared("rmse", MEAN, (-1.5, -0.25, -1e-9), (-4.0, -4.0, -4.0), value=4.0),),
    )


def with_figure(made: Report, name: str, figure: Metric | None) -> Report:
    """The report with one metric changed, wherever the report keeps it."""
    if figure is None or name == "gross_margin":
        return replace(made, **{name: figure})
    if name in made.quality:
        return replace(made, quality={**made.quality, name: figure})
    if name.startswith("latency_"):
        return replace(made, latency=replace(made.latency, **{name.removeprefix("latency_"): figure}))
    if name == "cost_per_1000":
        low, value, high = (f"{number:.12f}" for number in (figure.low, figure.value, figure.high))
        return replace(made, cost=replace(made.cost, per_1000=value, per_1000_low=low, per_1000_high=high))
    return replace(made, parity=differing(figure.value))


def differing(difference: float, agreement: float = 1.0) -> Parity:
    """A model that answers otherwise in a batch, by so much, on all but `agreement` of the labels alike."""
    return Parity(Comparison(100, 0.0, 1.0), Comparison(100, difference, agreement), None)


@cache
def words_of_tasks() -> dict[str, str]:
    """The Chinese words of every task: what cleaning finds is named by the task that looks for it."""
    return {phrase: word for name in installed.names() for phrase, word in installed.get(name).chinese.items()}


def needs(metric: str, op: str, threshold: float) -> Condition:
    return Condition(metric=metric, op=op, threshold=threshold)
