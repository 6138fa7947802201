"""The climb: rung by rung, cheapest first, until the gate says yes; with a budget, a refused rung's recipe is searched.

All that it decides follows from recorded steps, so that a resumed climb decides the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec import structs

from penstock import installed
from penstock.core.errors import BadInput, OutOfTime
from penstock.core.money import decimal_of
from penstock.pipeline.climb.attempts import (
    OVERHEAD_S,
    Work,
    allowed,
    attempt,
    expected_seconds,
    measuring_seconds,
    search,
    used_up,
)
from penstock.pipeline.records import NotTried, Outcome, Search
from penstock.registry.runs import Settings
from penstock.runtime import wire
from penstock.training.search import HELD_SHARE
from penstock.workspace.records import Costs

_SECONDS_PER_MINUTE, _MINUTES_PER_HOUR = 60, 60
_MOST_MONEY = Decimal("1e12")
_FACTS = ("epsilon", "fidelity")  # what no recipe changes


@dataclass(frozen=True)
class Climbed:
    """How far a climb came."""

    # a rung each, in order; one whose recipe was searched may come twice
    outcomes: tuple[Outcome, ...]
    # rungs that were left out
    not_tried: tuple[NotTried, ...]


def climb(
    work: Work,
    rungs: Sequence[str],
    *,
    budget_minutes: float | None = None,
    recipes: Mapping[str, Settings] | None = None,
) -> Climbed:
    """Try the rungs in this order and stop at the first yes.

    budget_minutes: of everything, the data included; None: one training a rung, and no search. recipes: numbers that
    were found before, by rung. A rung that takes longer than what is left is not tried, the first one included. Raises
    BadInput for a budget in which none can be trained, OutOfTime where none was, Conflict when the test split is used
    up.
    """
    expected = expected_seconds(work, rungs) if budget_minutes is not None else {}
    left = math.inf if budget_minutes is None else budget_minutes * _SECONDS_PER_MINUTE - work.version.wall_s
    if budget_minutes is not None:
        check_budget(work, budget_minutes, expected)
    outcomes: list[Outcome] = []
    not_tried: list[NotTried] = []
    for place, rung in enumerate(rungs):
        needed = expected.get(rung, 0.0) + measuring_seconds(outcomes)
        if needed > left:
            not_tried.append(NotTried(rung=rung, why=too_little(needed, left)))
            continue
        if (refused := used_up(work, rung)) is not None:
            if not outcomes:
                raise refused
            not_tried += [NotTried(rung=each, why=refused.message) for each in rungs[place:]]
            break
        try:
            made = attempt(work, rung, recipe=(recipes or {}).get(rung), allowed=allowed(left, outcomes))
        except OutOfTime as error:
            if not outcomes:
                hint = "give more minutes, or name a rung that trains faster: --rung"
                raise OutOfTime(f"{rung} was {error.message}", where="the budget", hint=hint) from error
            not_tried += [NotTried(rung=each, why=error.message) for each in rungs[place:]]
            break
        outcomes.append(made)
        left -= outcomes[-1].wall_s
        if not outcomes[-1].passed and budget_minutes is not None:
            left = _searched(work, rung, rungs[place + 1 :], expected, left, outcomes)
        if outcomes[-1].passed:
            break
        if only_busy(outcomes[-1]):  # a dearer rung is no quicker
            why = "the machine is too busy to measure latency and cost"
            not_tried += [NotTried(rung=each, why=why) for each in rungs[place + 1 :]]
            break
    return Climbed(tuple(outcomes), tuple(not_tried))


def check_budget(work: Work, minutes: float, expected: Mapping[str, float]) -> None:
    """Raises BadInput for a budget in which no rung can be trained."""
    cheapest = min(expected, key=lambda rung: expected[rung])
    needed = expected[cheapest] + measuring_seconds([]) + work.version.wall_s
    if needed > minutes * _SECONDS_PER_MINUTE:
        raise BadInput(
            f"{minutes:g} minutes are too few: {cheapest}, the rung that trains fastest, takes about "
            f"{needed / _SECONDS_PER_MINUTE:.2g} minutes with the cleaning of {work.version.rows:,} rows",
            where="the budget",
            hint=f"give at least {math.ceil(10 * needed / _SECONDS_PER_MINUTE) / 10:g} minutes",
        )


def check_minutes(minutes: float | None) -> None:
    """Raises BadInput for what is no number of minutes."""
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise BadInput(f"{minutes:g} is no number of minutes", where="--budget-minutes", hint="give a number above 0")


def minutes_for(money: str, costs: Costs, *, cores: int, gpus: int = 0) -> float:
    """The minutes that an amount, in the company's currency, buys of so many cores and GPUs, all busy all the time.

    Raises BadInput for what is no amount, or where these cost nothing.
    """
    amount = decimal_of(money, "--budget-money")
    if not 0 < amount <= _MOST_MONEY:
        raise BadInput(f"{money!r} is no budget", where="--budget-money", hint="give an amount above 0")
    hourly = costs.cpu_core_hour * cores + costs.gpu_hour * gpus
    if hourly == 0:
        hint = "state cpu_core_hour in [costs], or give --budget-minutes"
        raise BadInput("where a core-hour costs nothing, money bounds nothing", where="--budget-money", hint=hint)
    return float(amount / hourly) * _MINUTES_PER_HOUR


def too_little(needed_s: float, left_s: float) -> str:
    """Why something was not begun."""
    return f"takes about {_time(needed_s)}, and {_time(max(0.0, left_s))} of the budget are left"


def _searched(
    work: Work,
    rung: str,
    later: Sequence[str],
    expected: Mapping[str, float],
    left: float,
    outcomes: list[Outcome],
) -> float:
    """Search the recipe of the rung just refused and judge the best found, once; answers the seconds left.

    What is left beyond one attempt at each later rung that fits is shared alike by all that can still be searched: a
    dearer rung gains more than other numbers do, so its own training comes first.
    """
    first = outcomes[-1]
    if not installed.rungs()[rung].space or not helped_by_search(first):
        return left
    beside = measuring_seconds(outcomes)
    again = first.seconds + beside
    fitting, rest = _fitting(later, expected, beside, left)
    searchable = 1 + sum(bool(installed.rungs()[other].space) for other in fitting)
    spare, fixed = rest / searchable, again + OVERHEAD_S  # a search is a process of its own, which has to start
    share = spare - fixed
    trial = (1 - HELD_SHARE) * first.seconds * work.workers  # a search is one process
    if share < 2 * trial:  # the rung's own recipe and one other: fewer compare nothing
        outcomes[-1] = structs.replace(first, search=Search(trials=0, stopped=too_little(2 * trial + fixed, spare)))
        return left
    found = search(work, rung, seconds=share, expected_s=trial)
    left -= found.wall_s
    told = wire.read(Search, wire.plain(found))
    outcomes[-1] = structs.replace(first, search=told)
    if found.parameters is None or again > left:
        return left
    if (refused := used_up(work, f"{rung} tuned")) is not None:
        outcomes[-1] = structs.replace(first, search=structs.replace(told, stopped=refused.message))
        return left
    try:
        tuned = attempt(work, rung, recipe=found.parameters, name=f"{rung} tuned", allowed=allowed(left, outcomes))
    except OutOfTime as error:
        outcomes[-1] = structs.replace(first, search=structs.replace(told, stopped=error.message))
        return 0.0
    outcomes.append(tuned)
    return left - tuned.wall_s


def _fitting(
    later: Sequence[str], expected: Mapping[str, float], beside: float, left: float
) -> tuple[list[str], float]:
    """The later rungs that the climb will come to try, and the seconds that are left beyond them. beside: what each
    takes beside its training."""
    fitting = []
    for rung in later:
        if expected[rung] + beside <= left:
            fitting.append(rung)
            left -= expected[rung] + beside
    return fitting, left


def helped_by_search(outcome: Outcome) -> bool:
    """Whether a better recipe could turn this no into a yes: quality alone fell short, which numbers can raise. They
    change neither what an answer costs nor what privacy it kept."""
    failed = [reason for reason in outcome.reasons if not reason.passed]
    quality = set(outcome.measured) - set(_FACTS)
    return bool(failed) and all(
        reason.kind in ("incumbent", "trivial") or (reason.kind == "condition" and reason.metric in quality)
        for reason in failed
    )


def only_busy(outcome: Outcome) -> bool:
    """Whether nothing speaks against the candidate but that other work on the machine kept it from being measured."""
    failed = [reason.kind for reason in outcome.reasons if not reason.passed]
    return bool(failed) and set(failed) == {"busy"}


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _SECONDS_PER_MINUTE else f"{seconds / _SECONDS_PER_MINUTE:.1f} minutes"
