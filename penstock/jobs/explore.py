"""Exploration: every rung, then what makes the good ones cheaper, while the budget allows; the frontier, and a choice.

It never stops at a yes. What it decides follows from recorded steps, so that a resumed exploration decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock import tasks
from penstock.core.errors import BadInput, PenstockError
from penstock.evaluation.intervals import Metric
from penstock.jobs.artifacts import get_report
from penstock.jobs.attempts import OVERHEAD_S, Work, attempt, begin, expected_seconds, make_version, used_up
from penstock.jobs.check import ladder_of
from penstock.jobs.climbing import check_budget, too_little
from penstock.jobs.compress import compress_step
from penstock.jobs.frontier import frontier_of
from penstock.jobs.privacy import check_compression
from penstock.jobs.refusals import advice, check_provable
from penstock.jobs.resuming import check_unchanged
from penstock.jobs.train import rungs_of
from penstock.models.artifact import read_artifact
from penstock.registry.candidates import get_candidate
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import step
from penstock.training.compress import COMPRESSIONS
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product

BUDGET_MINUTES = 30.0
GOOD_ENOUGH = 0.10  # below the best: a cascade's cheap half that is worse sends nearly everything on
_FEWEST_TIMES_CHEAPER = 3.0  # for the cheap half of a cascade: else nothing is won
_GUESSED_ROWS = 10_000  # what a compression's own guess of its minutes is for
_SECONDS_PER_MINUTE = 60
_ENCODERS = ("frozen-linear.v1", "encoder-linear.v1")  # kinds that int8, prune and distil can make cheaper


@dataclass(eq=False)
class _Exploration:
    """Where an exploration stands. left: seconds of the budget. failed: the first error met."""

    work: Work
    left: float
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    not_tried: list[dict[str, str]] = field(default_factory=list)
    failed: PenstockError | None = None


def explore(house: House, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train all rungs of `product` and compress the good ones within `budget_minutes` (default 30). Answers what a
    climb answers, and the frontier's points and the choice."""
    name = arguments["product"]
    check_unchanged(house, name)
    minutes = arguments.get("budget_minutes") or BUDGET_MINUTES
    product = product_of(house.workspace, name)
    rungs = rungs_of(house, {**arguments, "rungs": arguments.get("rungs") or all_rungs(product)})
    version = step("clean", make_version, house, name, [], None, progress)
    step("provable", check_provable, house, name, version["id"])
    work = begin(house, {**arguments, "explore": True}, version, progress)
    expected = expected_seconds(work, rungs)
    check_budget(work, minutes, expected)
    exploration = _Exploration(work, minutes * _SECONDS_PER_MINUTE - version["wall_s"])
    for rung in sorted(rungs, key=lambda each: expected[each]):
        _try(exploration, rung, expected[rung], lambda rung=rung: attempt(work, rung))  # type: ignore[misc]
    if exploration.failed is not None and not exploration.outcomes:
        raise exploration.failed
    _compress(exploration)
    return {
        "version": version["version"],
        "outcomes": exploration.outcomes,
        "not_tried": exploration.not_tried,
        "advice": advice(product, name, exploration.outcomes, minutes),
        **frontier_of(house, name, exploration.outcomes),
    }


def all_rungs(product: Product) -> list[str]:
    """The task's own rungs and those that the product's ladder adds, without those that lack a backbone."""
    known = [*tasks.get(product.task).ladder, *product.ladder]
    possible = ladder_of(product.model_copy(update={"ladder": tuple(dict.fromkeys(known))}))
    return list(possible)


def _try(
    exploration: _Exploration,
    name: str,
    expected_s: float,
    function: Callable[[], dict[str, Any]],
    *,
    spends: bool = True,
) -> dict[str, Any] | None:
    """Do it if the budget and the test split allow. What fails is told and passed over: the others may still do."""
    if expected_s > exploration.left:
        why = too_little(expected_s, exploration.left)
    elif (refused := used_up(exploration.work, name, spends=spends)) is not None:
        why = refused.message
        exploration.failed = exploration.failed or refused
    else:
        try:
            outcome = function()
        except PenstockError as error:
            why = error.message
            exploration.failed = exploration.failed or error
            exploration.left -= expected_s  # what it really took is not recorded
        else:
            exploration.left -= outcome["wall_s"]
            exploration.outcomes.append(outcome)
            return outcome
    exploration.not_tried.append({"rung": name, "why": why})
    return None


def _compress(exploration: _Exploration) -> None:
    """int8 of every encoder; prune and distil of the best one, and int8 of what came of it; a cascade at the end."""
    encoders = [one for one in exploration.outcomes if _kind(exploration, one) in _ENCODERS]
    for one in sorted(encoders, key=lambda each: _figures(exploration, each)[1].value):
        _compressed(exploration, "int8.v1", one)
    if encoders:
        best = max(encoders, key=lambda each: _figures(exploration, each)[0].value)
        for by in ("prune.v1", "distil.v1"):
            smaller = _compressed(exploration, by, best)
            if smaller is not None and _kind(exploration, smaller) in _ENCODERS:
                _compressed(exploration, "int8.v1", smaller)
    pair = _pair(exploration)
    if pair is not None:
        _compressed(exploration, "cascade.v1", pair[0], pair[1])


def _compressed(
    exploration: _Exploration, by: str, source: Mapping[str, Any], other: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    if by not in COMPRESSIONS:
        return None
    work, rows = exploration.work, exploration.work.version["rows"]
    expected = COMPRESSIONS[by].minutes * _SECONDS_PER_MINUTE * rows / _GUESSED_ROWS + OVERHEAD_S
    both = [source] if other is None else [source, other]
    name = f"{by} of {' and '.join(str(each['number']) for each in both)}"
    sources = [each["candidate"] for each in both]
    try:
        check_compression(product_of(work.house.workspace, work.product), by, work.product)
    except BadInput as error:  # no failure, and no time is spent on it: privacy rules it out
        exploration.not_tried.append({"rung": name, "why": error.message})
        return None
    return _try(exploration, name, expected, lambda: compress_step(work, by, sources, name), spends=False)


def _pair(exploration: _Exploration) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(cheap, dear) of a cascade: the best there is, and the cheapest that is nearly as good and much cheaper."""
    work = exploration.work
    if tasks.get(work.house.workspace.products[work.product].task).name != "text-classification":
        return None  # a cascade reads texts
    figures = {one["candidate"]: _figures(exploration, one) for one in exploration.outcomes}
    dear = max(exploration.outcomes, key=lambda one: figures[one["candidate"]][0].value)
    quality, cost = figures[dear["candidate"]]
    good = [
        one
        for one in exploration.outcomes
        if figures[one["candidate"]][0].value >= quality.value - GOOD_ENOUGH
        and figures[one["candidate"]][1].value * _FEWEST_TIMES_CHEAPER <= cost.value
    ]
    return (min(good, key=lambda one: figures[one["candidate"]][1].value), dear) if good else None


def _kind(exploration: _Exploration, outcome: Mapping[str, Any]) -> str:
    """What kind of model came of it: a rung on an encoder may leave the encoder behind, as static.v1 does."""
    house = exploration.work.house
    with house.store.read() as tx:
        candidate = get_candidate(tx, outcome["candidate"])
    return read_artifact(house.blobs, candidate.artifact).kind


def _figures(exploration: _Exploration, outcome: Mapping[str, Any]) -> tuple[Metric, Metric]:
    """Quality and cost, from the report: a resumed exploration reads the same."""
    report = get_report(exploration.work.house.blobs, outcome["report"])
    return report.headline_metric, report.cost_per_1000
