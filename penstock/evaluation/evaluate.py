"""Measures one candidate on one test split: answers once, everything else is computed from those answers.

It knows neither how the model was trained nor what the gate asks; what makes an answer good, the task's measure says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.errors import BadInput
from penstock.evaluation import cost as costing
from penstock.evaluation import latency as timing
from penstock.evaluation.intervals import metric
from penstock.evaluation.measured import Measured
from penstock.evaluation.parity import answers_of, checked, parity
from penstock.evaluation.report import Report
from penstock.models.protocol import Floats, Model
from penstock.models.vectors import Embed, OnVectors, backbone_of, plain_embed
from penstock.runtime.progress import Progress
from penstock.workspace.records import Condition, Costs, Price

MOST_SCORES = 500_000_000  # of all answers together: 2 GB


@dataclass(frozen=True)
class Examinee:
    """What is measured."""

    # as it was trained, in memory: only compared with the other
    model: Model
    # as it was saved and loaded again: what will be served, and answers
    reloaded: Model
    # largest difference of the exported backbone to the original; None without one
    backbone_parity: float | None = None
    # what was known before, e.g. "epsilon"; a gate may name them
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Exam:
    """What it is asked."""

    # the test's, in order
    inputs: Sequence[Any]
    # what the task makes of the answers: (model, answers, seed)
    measure: Callable[[Model, Floats, int], Measured]
    # names the test rows
    rows_digest: str
    # what chance is drawn from
    seed: int = 0


@dataclass(frozen=True)
class Terms:
    """In what money it is measured, and for which gate."""

    # what is asked for a prediction
    price: Price
    # what compute costs
    costs: Costs
    # of the gate: time and cost are measured again where other work on the machine may be why one does not hold
    conditions: Sequence[Condition] = ()


def evaluate(examinee: Examinee, exam: Exam, terms: Terms, *, progress: Progress, embed: Embed = plain_embed) -> Report:
    """Judge what will be served.

    embed: how a backbone's vectors are computed, or remembered. Raises BadInput without test rows or with other labels,
    Broken for other numbers.
    """
    model, reloaded, inputs, seed = examinee.model, examinee.reloaded, exam.inputs, exam.seed
    price, costs = terms.price, terms.costs
    _check(model, reloaded, rows := len(inputs))
    total = rows + 3 * (step := max(1, rows // 10))
    served, vectors = _served(model, reloaded, inputs, embed, lambda done: progress("evaluate", done, total, _ASKING))
    progress("evaluate", rows, total, "timing single predictions")
    timings = timing.time_single_calls(reloaded, inputs, seed, enough=_enough(terms, seed))
    progress("evaluate", rows + step, total, "comparing saved with trained")
    same = parity(
        model=model,
        inputs=inputs,
        served=served,
        timings=timings,
        backbone=examinee.backbone_parity,
        seed=seed,
        vectors=vectors,
    )
    spent = costing.cost(timings.cpu_s, price=price, costs=costs, seed=seed)
    progress("evaluate", rows + 2 * step, total, "computing intervals")
    measured = exam.measure(reloaded, served, seed)
    report = Report(
        rows=rows,
        rows_digest=exam.rows_digest,
        labels=len(reloaded.labels),
        seed=seed,
        quality={**measured.quality, **{name: metric(value, value, value) for name, value in examinee.facts.items()}},
        most_loss=measured.most_loss,
        classes=measured.classes,
        sections=measured.sections,
        latency=timing.latency(timings),
        cost=spent,
        gross_margin=costing.gross_margin(spent),
        parity=same,
        scores=measured.scores,
        trivial=measured.trivial,
    )
    progress("evaluate", total, total, "done")
    return report


_ASKING = "answering the test"


def _check(model: Model, reloaded: Model, rows: int) -> None:
    if rows == 0:
        raise BadInput("there are no test rows to evaluate on", hint="give a test file, or a larger data file")
    if model.labels != reloaded.labels:
        raise BadInput("the saved model has other labels than the trained one", where=reloaded.kind)
    if rows * len(reloaded.labels) > MOST_SCORES:
        raise BadInput(
            f"{rows:,} test rows with {len(reloaded.labels):,} scores each are too many to measure at once",
            hint="give a smaller test: a random part of it tells as much",
        )


def _served(
    model: Model, reloaded: Model, inputs: Sequence[Any], embed: Embed, on_rows: Callable[[int], None]
) -> tuple[Floats, Floats | None]:
    """What the reloaded model answers; and, where the trained one stands on the same backbone, the vectors of both."""
    backbone, trained = backbone_of(reloaded), backbone_of(model)
    if not isinstance(reloaded, OnVectors) or backbone is None:
        return answers_of(reloaded, inputs, on_rows), None
    vectors = embed(backbone, inputs, lambda _stage, done, total, note="": on_rows(int(done)))
    served = checked(reloaded.from_vectors(vectors), reloaded, len(inputs), "the test")
    return served, vectors if trained is not None and trained.digest == backbone.digest else None


def _enough(terms: Terms, seed: int) -> Callable[[timing.Timings], bool]:
    """Whether timings meet the conditions on time and cost, at the bound that the gate judges."""

    def enough(timings: timing.Timings) -> bool:
        found, spent = (
            timing.latency(timings),
            costing.cost(timings.cpu_s, price=terms.price, costs=terms.costs, seed=seed),
        )
        figures = {
            "latency_p50_ms": found.p50_ms,
            "latency_p95_ms": found.p95_ms,
            "cost_per_1000": spent.metric(),
            "gross_margin": costing.gross_margin(spent),
        }
        asked = [(each, figure) for each in terms.conditions if (figure := figures.get(each.metric)) is not None]
        return all(each.holds(figure.low if each.op == ">=" else figure.high) for each, figure in asked)

    return enough
