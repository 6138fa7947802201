"""Exploration: every rung, then what makes the good ones cheaper, while the budget allows; the frontier, and a choice.

It never stops at a yes. What it decides follows from recorded steps, so that a resumed exploration decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from penstock import installed
from penstock.core.errors import BadInput, OutOfTime, PenstockError
from penstock.evaluation.choice import cascade_pair
from penstock.evaluation.intervals import Metric
from penstock.models.artifact import read_artifact
from penstock.pipeline.artifacts import get_report
from penstock.pipeline.check import ladder_of
from penstock.pipeline.climb.attempts import (
    Work,
    allowed,
    attempt,
    begin,
    expected_seconds,
    make_version,
    measuring_seconds,
    used_up,
)
from penstock.pipeline.climb.climbing import check_budget, too_little
from penstock.pipeline.climb.frontier import frontier_of
from penstock.pipeline.climb.refusals import advice, check_provable
from penstock.pipeline.climb.resuming import check_unchanged, checkpoint_folder, remove_checkpoint
from penstock.pipeline.climb.train import rungs_of
from penstock.pipeline.compress.workflow import compress_step
from penstock.pipeline.privacy.stated import check_compression
from penstock.pipeline.records import ExploreResult, NotTried, Outcome, TrainJob
from penstock.registry.candidates import get_candidate
from penstock.registry.runs import Settings
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import step, workflow
from penstock.training.search import HELD_SHARE
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product

BUDGET_MINUTES = 30.0
KEPT_SHARE = 1 / 3  # of the budget, at most, that no rung takes from the compressions of what there is already
_WEAK = 0.5  # of a rung's time: a base that trains in less is no reason for that rung to wait
_SECONDS_PER_MINUTE = 60
_FROZEN = "frozen-linear.v1"
_ENCODERS = (
    _FROZEN,
    "encoder-linear.v1",
    "frozen-multi-label.v1",
)  # kinds that int8, prune and distil can make cheaper
_INT8, _CASCADE, _DISTIL, _PRUNE = "int8.v1", "cascade.v1", "distil.v1", "prune.v1"
_STATIC: Settings = {"student": "static"}  # it costs about a hundredth of its teacher


@dataclass(eq=False)
class _Exploration:
    """Where an exploration stands."""

    # on which data, in which run
    work: Work
    # seconds that it was given
    budget: float
    # seconds that are left of them
    left: float
    # seconds of training, by rung and compression
    expected: Mapping[str, float]
    # what was judged, in order
    outcomes: list[Outcome] = field(default_factory=list)
    # what was left out
    not_tried: list[NotTried] = field(default_factory=list)
    # names of the compressions begun or given up
    tried: set[str] = field(default_factory=set)
    # ids of the candidates that a cascade trained once more
    standing: set[str] = field(default_factory=set)
    # the first error met
    failed: PenstockError | None = None


@dataclass(frozen=True)
class _Idea:
    """A compression worth trying."""

    # its registered name
    by: str
    # of these
    sources: tuple[Outcome, ...]
    # what is set, by name
    given: Settings
    # that it will take
    seconds: float

    @property
    def name(self) -> str:
        """Names its steps, and the row of what was not tried."""
        told = " ".join([self.by, *(f"{name}={value}" for name, value in self.given.items())])
        return f"{told} of {' and '.join(str(source.number) for source in self.sources)}"


@workflow
def explore(house: House, job: TrainJob, progress: Progress) -> ExploreResult:
    """Train all rungs of the product and compress the good ones within the budget (default 30 minutes)."""
    name = job.product
    check_unchanged(house, name)
    minutes = job.budget_minutes or BUDGET_MINUTES
    product = product_of(house.workspace, name)
    rungs = rungs_of(house, structs.replace(job, rungs=job.rungs or tuple(all_rungs(product))))
    version = step("clean", make_version, house, name, [], None, progress)
    step("provable", check_provable, house, name, version.id)
    work = begin(house, name, version, progress, executor=job.executor, workers=job.workers, several=True)
    shared = checkpoint_folder(house, name, version.id, "stand-ins", {"of": work.operation})
    work = replace(work, stand_ins=shared)
    expected = expected_seconds(work, [*rungs, *installed.compressions()])
    expected = {**expected, _CASCADE: 0.0}  # its last run's were those of training its halves, or not even those
    check_budget(work, minutes, {rung: expected[rung] for rung in rungs})
    budget = minutes * _SECONDS_PER_MINUTE
    exploration = _Exploration(work, budget, budget - version.wall_s, expected)
    _train_and_compress(exploration, sorted(rungs, key=lambda each: expected[each]))
    remove_checkpoint(shared)
    if exploration.failed is not None and not exploration.outcomes:
        raise exploration.failed
    points, choice = frontier_of(house, name, exploration.outcomes)
    return ExploreResult(
        version=version.version,
        told=version.told,
        outcomes=tuple(exploration.outcomes),
        not_tried=tuple(exploration.not_tried),
        advice=tuple(advice(product, name, exploration.outcomes, minutes)),
        points=points,
        choice=choice,
    )


def all_rungs(product: Product) -> list[str]:
    """The task's own rungs and those that the product's ladder adds, without those that lack a backbone."""
    known = [*installed.of(product).ladder, *product.ladder]
    possible = ladder_of(product.model_copy(update={"ladder": tuple(dict.fromkeys(known))}))
    return list(possible)


def _train_and_compress(exploration: _Exploration, rungs: Sequence[str]) -> None:
    """The better base first: what is compressed can be no better than what it is made from.

    The rungs, cheapest first, but so that the dearest which fits keeps its time. A rung that would take what the
    compressions need waits until those are made, where a base about as dear is there to be compressed. Where two thirds
    of the budget are enough for all rungs, each encoder's int8 is made right after it: cheap, and safe from what a dear
    rung takes beyond its estimate.
    """
    ample = sum(_needs(exploration, rung) for rung in rungs) <= (1 - KEPT_SHARE) * exploration.left
    waiting: list[str] = []
    for place, rung in enumerate(rungs):
        if _waits(exploration, rung, rungs[place + 1 :]):
            waiting.append(rung)
        else:
            _train(exploration, rung)
            if ample:
                _compress(exploration, only=_INT8)
    _compress(exploration)
    for rung in waiting:
        _train(exploration, rung)
        _compress(exploration)


def _waits(exploration: _Exploration, rung: str, dearer: Sequence[str]) -> bool:
    """Whether the rung waits: for a dearer one that still fits, or for the compressions of a base about as dear."""
    left, needed = exploration.left, _needs(exploration, rung)
    promising = max((each for other in dearer if (each := _needs(exploration, other)) <= left), default=0.0)
    if needed + promising > left:
        return True
    trained = {outcome.rung for outcome in exploration.outcomes}
    alike = any(exploration.expected.get(one, 0.0) >= _WEAK * exploration.expected[rung] for one in trained)
    return alike and needed > left - _kept(exploration)


def _train(exploration: _Exploration, rung: str) -> None:
    most = allowed(exploration.left, exploration.outcomes)
    _try(exploration, rung, _needs(exploration, rung), lambda: attempt(exploration.work, rung, allowed=most))


def _needs(exploration: _Exploration, rung: str) -> float:
    return exploration.expected[rung] + measuring_seconds(exploration.outcomes)


def _kept(exploration: _Exploration) -> float:
    """The seconds that a rung must leave: what the compressions known now would take, or the share that is theirs."""
    ideas = sum(idea.seconds for idea in _ideas(exploration) if not _forbidden(exploration, idea.by))
    return min(KEPT_SHARE * exploration.budget, ideas)


def _try(
    exploration: _Exploration,
    name: str,
    expected_s: float,
    function: Callable[[], Outcome],
    *,
    spends: bool = True,
) -> None:
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
            # what it really took is not recorded
            exploration.left = 0.0 if isinstance(error, OutOfTime) else exploration.left - expected_s
        else:
            exploration.left -= outcome.wall_s
            exploration.outcomes.append(outcome)
            return
    exploration.not_tried.append(NotTried(rung=name, why=why))


def _compress(exploration: _Exploration, *, only: str = "") -> None:
    """Every compression that seems worth it, the most promising first; asked anew after each, since what came of it may
    be made cheaper too. only: by this one alone."""
    while idea := next((each for each in _ideas(exploration) if only in ("", each.by)), None):
        _compressed(exploration, idea)


def _compressed(exploration: _Exploration, idea: _Idea) -> None:
    work = exploration.work
    exploration.tried.add(idea.name)
    if why := _forbidden(exploration, idea.by):  # no failure, and no time is spent on it
        exploration.not_tried.append(NotTried(rung=idea.name, why=why))
        return
    sources = [source.candidate for source in idea.sources]

    def made() -> Outcome:
        exploration.standing.update(one.candidate for one in _again(exploration, idea))  # also where it fails later
        most = allowed(exploration.left, exploration.outcomes).all
        return compress_step(work, idea.by, sources, idea.name, given=idea.given, seconds=most)

    _try(exploration, idea.name, idea.seconds, made, spends=False)


def _forbidden(exploration: _Exploration, by: str) -> str:
    """Why the product's privacy rules the compression out; "" where it does not."""
    work = exploration.work
    try:
        check_compression(product_of(work.house.workspace, work.product), by, work.product)
    except BadInput as error:
        return error.message
    return ""


def _ideas(exploration: _Exploration) -> list[_Idea]:
    """What could be made cheaper and was not tried yet, the most promising first: int8 of the best encoder; a cascade
    of the best and a cheap one; distil of the best, a cascade with what came of that; prune of the best; int8 of the
    others."""
    encoders = [one for one in exploration.outcomes if _kind(exploration, one) in _ENCODERS]
    trained = [one for one in encoders if not one.made_from]
    int8 = [_idea(exploration, _INT8, [one]) for one in _best_first(exploration, encoders) if one.rung != _INT8]
    best = _best_first(exploration, trained)[:1]
    # a frozen one's static student is no better than the rung static.v1 (BANKING77: 92.0, 92.5)
    tuned = [one for one in best if _kind(exploration, one) != _FROZEN]
    distil = [_idea(exploration, _DISTIL, [one], _STATIC) for one in tuned]
    distil += [_idea(exploration, _DISTIL, [one]) for one in best]
    prune = [_idea(exploration, _PRUNE, [one]) for one in best]
    cascade = _cascade(exploration)
    first = all(one.rung != _CASCADE for one in exploration.outcomes)
    ideas = [*int8[:1], *(cascade + distil if first else distil + cascade), *prune, *int8[1:]]
    return [idea for idea in ideas if idea.name not in exploration.tried and idea.by in installed.compressions()]


def _idea(exploration: _Exploration, by: str, sources: Sequence[Outcome], given: Settings | None = None) -> _Idea:
    idea = _Idea(by, tuple(sources), given or {}, 0.0)
    again = [one for one in _again(exploration, idea) if one.candidate not in exploration.standing]
    seconds = exploration.expected.get(by, 0.0) + (1 - HELD_SHARE) * sum(one.seconds for one in again)
    return replace(idea, seconds=seconds + measuring_seconds(exploration.outcomes))


def _again(exploration: _Exploration, idea: _Idea) -> list[Outcome]:
    """What the idea trains once more: a cascade its halves, the dear one only where it is asked to, and all that they
    were made from."""
    if idea.by != _CASCADE:
        return []
    return _lineage(exploration, [source.candidate for source in idea.sources[: 1 if idea.given else 2]])


def _lineage(exploration: _Exploration, candidates: Sequence[str]) -> list[Outcome]:
    """The outcomes of these candidates and of all that they were made from, each once."""
    found = [one for one in exploration.outcomes if one.candidate in candidates]
    before = [source for one in found for source in one.made_from]
    return found + [one for one in _lineage(exploration, before) if one not in found] if found else []


def _cascade(exploration: _Exploration) -> list[_Idea]:
    """Of the pair that promises most, if any. Where no time is left to train the dear half once more, it counts as
    always right: more texts go to it than need to."""
    work = exploration.work
    singles = {one.candidate: one for one in exploration.outcomes if one.rung != _CASCADE}
    if installed.of(work.house.workspace.products[work.product]).name != "text-classification":
        return []  # a cascade reads texts
    figures = {name: _figures(exploration, one) for name, one in singles.items()}
    pair = cascade_pair({name: (quality.value, cost.value) for name, (quality, cost) in figures.items()})
    if pair is None:
        return []
    halves = [singles[name] for name in pair]
    idea = _idea(exploration, _CASCADE, halves)
    if idea.seconds > exploration.left and idea.name not in exploration.tried:
        idea = _idea(exploration, _CASCADE, halves, {"dear": "right"})
    return [idea]


def _best_first(exploration: _Exploration, outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda one: -_figures(exploration, one)[0].value)


def _kind(exploration: _Exploration, outcome: Outcome) -> str:
    """What kind of model came of it: a rung on an encoder may leave the encoder behind, as static.v1 does."""
    house = exploration.work.house
    with house.store.read() as tx:
        candidate = get_candidate(tx, outcome.candidate)
    return read_artifact(house.blobs, candidate.artifact).kind


def _figures(exploration: _Exploration, outcome: Outcome) -> tuple[Metric, Metric]:
    """Quality and cost, from the report: a resumed exploration reads the same."""
    report = get_report(exploration.work.house.blobs, outcome.report)
    return report.headline_metric, report.cost_per_1000
