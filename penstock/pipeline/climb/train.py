"""The climb: clean, then train and judge rung by rung, cheapest first, until the gate says yes. Retraining is a climb
with the corrections that came back, ending in a release.

Each heavy step runs in a child process; each effect is idempotent, since a step may run twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock import installed
from penstock.core.acts import who_acts
from penstock.core.errors import BadInput, Conflict
from penstock.core.table_rows import TableRow
from penstock.datasets.versions import find_version, load_rows
from penstock.monitoring.review import note_rows
from penstock.pipeline.check import check_gate, check_ladder, check_rung, check_words, ladder_of
from penstock.pipeline.climb.attempts import Work, begin, check_executor, make_version
from penstock.pipeline.climb.climbing import check_minutes, climb
from penstock.pipeline.climb.learning import in_words, left_out, mark_learned, usable_feedback
from penstock.pipeline.climb.refusals import advice, check_provable, gate_refused
from penstock.pipeline.climb.resuming import check_unchanged
from penstock.pipeline.compress.workflow import recompress
from penstock.pipeline.privacy.stated import check_privacy, check_remaking
from penstock.pipeline.records import (
    MadeVersion,
    Outcome,
    RetrainJob,
    RetrainResult,
    Taken,
    TrainJob,
    TrainResult,
)
from penstock.registry import amendments, candidates, releases
from penstock.registry.runs import Settings
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.wire import Record
from penstock.runtime.workflows import step, workflow
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product

__all__ = ["gate_refused", "outcome_rows", "retrain", "rungs_of", "train"]


class Base(Record, frozen=True, kw_only=True):
    """What a retraining stands on: the live model, and what came back from use."""

    # the live model's candidate
    candidate: str
    # whether it was made of others
    compressed: bool
    # its rung, or its compression
    rung: str
    # numbers that a search found for it
    recipe: Settings
    # id of the dataset version that it learned from
    parent: str
    # ids of the corrections and events that may be learned from
    feedback: tuple[str, ...]
    # ids of those that may not, and why
    left_out: Mapping[str, str]


@workflow
def train(house: House, job: TrainJob, progress: Progress) -> TrainResult:
    """Climb the product's ladder, or the rungs named, within the budget if there is one; stops at a yes."""
    name, budget = job.product, job.budget_minutes
    check_unchanged(house, name)
    rungs = rungs_of(house, job)
    version = step("clean", make_version, house, name, [], None, progress)
    step("provable", check_provable, house, name, version.id)
    work = begin(house, name, version, progress, executor=job.executor, workers=job.workers, several=bool(budget))
    climbed = climb(work, rungs, budget_minutes=budget)
    return TrainResult(
        version=version.version,
        told=version.told,
        outcomes=climbed.outcomes,
        not_tried=climbed.not_tried,
        advice=tuple(advice(house.workspace.products[name], name, climbed.outcomes, budget)),
    )


@workflow
def retrain(house: House, job: RetrainJob, progress: Progress) -> RetrainResult:
    """Train the live release's rung with every usable correction; release it if the gate prefers or accepts it."""
    name = job.product
    check_unchanged(house, name)
    check_words(house.workspace, name, product_of(house.workspace, name))
    base = step("gather", _gather, house, name)
    version = step("clean", make_version, house, name, base.feedback, base.parent, progress)
    step("note rows", _note_rows, house, version)
    taken = Taken(gave=version.gave, gave_none={**base.left_out, **version.gave_none})
    if version.id == base.parent:
        raise Conflict(
            f"the corrections of {name} add no row to its data: "
            + (in_words(taken.gave_none) or "its live release learned from all of them"),
            hint=f"see `penstock feedback list {name}`; add rows of a new label with `penstock data add`",
        )
    outcomes = _again(begin(house, name, version, progress), base)
    released = step("release", _release, house, name, outcomes[-1], base.feedback, version.id)
    return RetrainResult(
        version=version.version,
        told=version.told,
        outcomes=tuple(outcomes),
        learned=version.learned,
        feedback=taken,
        release=released,
    )


def rungs_of(house: House, job: TrainJob) -> list[str]:
    """The rungs asked for, or the product's ladder. Raises BadInput, before anything is cleaned, for words and numbers
    that cannot be, and for a gate that no model can pass."""
    name = job.product
    product = product_of(house.workspace, name)
    check_words(house.workspace, name, product)
    check_minutes(job.budget_minutes)
    check_executor(job.executor, job.workers)
    check_gate(house.workspace, name, product)
    if not job.rungs:
        check_ladder(house.workspace, name, product)
    rungs = list(job.rungs or ladder_of(product))
    _check_rungs(product, rungs)
    check_privacy(product, rungs, "--rung")
    return rungs


def outcome_rows(outcomes: Sequence[Outcome]) -> list[TableRow]:
    """A table row per rung."""
    return [
        {
            "rung": outcome.rung,
            "candidate": outcome.candidate,
            outcome.headline: outcome.quality,
            "p95 ms": outcome.latency_p95_ms,
            "cost/1000": outcome.cost_per_1000,
            "seconds": round(outcome.wall_s, 1),  # the user's: with export and evaluation
            "gate": "yes" if outcome.passed else "no",
        }
        for outcome in outcomes
    ]


def _check_rungs(product: Product, rungs: list[str]) -> None:
    """Before anything is cleaned: the rungs asked for by name must exist, and have what they need."""
    for rung in rungs:
        check_rung(product, rung, "--rung")
        if installed.rungs()[rung].needs_backbone and product.backbone is None:
            raise BadInput(f"{rung} needs a backbone", where="--rung", hint="name one: backbone = ... in penstock.toml")


def _again(work: Work, base: Base) -> list[Outcome]:
    """The live model's rung once more; what it was compressed from is trained, and compressed in the same way."""
    if not base.compressed:
        return list(climb(work, [base.rung], recipes={base.rung: base.recipe}).outcomes)
    return recompress(work, base.candidate)


def _gather(house: House, product: str) -> Base:
    with house.store.read() as tx:
        live = releases.live(tx, product)
        if live is None:
            raise BadInput(f"{product} has no live release to improve on", hint=f"penstock train {product}")
        candidate = candidates.get_candidate(tx, live.candidate)
        check_remaking(tx, product, product_of(house.workspace, product), candidate.id)
        usable, left = usable_feedback(house, tx, product), left_out(house, tx, product)
        amended = amendments.current(tx, product) is not None
    if not usable and not amended:
        raise BadInput(
            f"there are no usable corrections of {product}" + (f": {in_words(left)}" if left else ""),
            hint="they come from POST /v1/feedback by customers who consented to training: "
            f"penstock feedback list {product}",
        )
    return Base(
        candidate=candidate.id,
        compressed=bool(candidate.made_from),
        rung=candidate.rung,
        recipe=candidate.parameters.get("searched", {}),
        parent=candidate.dataset_version,
        feedback=tuple(usable),
        left_out=left,
    )


def _note_rows(house: House, version: MadeVersion) -> None:
    with house.store.transaction() as tx:
        note_rows(tx, version.gave, version.gave_none)


def _release(house: House, product: str, outcome: Outcome, feedback: Sequence[str], version_id: str) -> int | None:
    if not outcome.passed:
        return None
    with house.store.transaction() as tx:
        version = find_version(tx, product, version_id)
        made = releases.live(tx, product)
        if made is None or made.candidate != outcome.candidate:  # otherwise this step ran before
            made = releases.release(tx, outcome.candidate, house.secret("decisions"), actor=who_acts())
        train_rows, _ = load_rows(house.blobs, version)
        mark_learned(tx, train_rows, feedback, version_id)
    return made.number
