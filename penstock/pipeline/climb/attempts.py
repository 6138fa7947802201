"""One attempt at a rung: train, measure and judge it as recorded steps; and how long that is expected to take.

Which rungs are tried, and when to stop, climbing.py and explore.py decide.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from msgspec import structs

from penstock import installed
from penstock.core.errors import BadInput, Conflict, PenstockError
from penstock.datasets.versions import list_versions
from penstock.pipeline.climb import judging
from penstock.pipeline.climb.elapsed import forget
from penstock.pipeline.climb.judging import check_uses, incumbent_of, judge_candidate, outcome_of
from penstock.pipeline.climb.learning import learned_rows
from penstock.pipeline.climb.resuming import checkpoint_folder, remove_checkpoint, remove_stale
from penstock.pipeline.kinds import MAKE_VERSION, REFIT_RUNG, SEARCH_RECIPE, TRAIN_RUNG
from penstock.pipeline.privacy.stated import check_spending
from penstock.pipeline.records import (
    FoundRecipe,
    Incumbent,
    MadeVersion,
    MakeVersion,
    Measurement,
    Outcome,
    RefitRung,
    RungWork,
    SearchRecipe,
    TrainRung,
)
from penstock.registry import releases, runs
from penstock.registry.runs import Settings
from penstock.runtime import wire
from penstock.runtime.executors import run_child
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import run_id, step
from penstock.training.loop.checkpoints import curves_in
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product

EXECUTORS = ("process", "ray")
GRACE = 0.1  # of what is left of a budget: beyond it whatever still runs is ended
OVERHEAD_S = 6.0  # starting a process and measuring a small candidate: 4 to 8 s here
_SECONDS_PER_MINUTE = 60
_GUESSED_ROWS = 10_000  # what a rung's own guess of its minutes is for
_LEAST_ROWS = 1_000  # fewer take hardly less time: some recipes take a least number of steps, and graphs are exported


@dataclass(frozen=True)
class Work:
    """A climb, an exploration or a compression, on one data version."""

    # where it works
    house: House
    # the product's name
    product: str
    # the rows that are learned from
    version: MadeVersion
    # names this run of the workflow: the stem of all that it records
    operation: str
    # is told how far it is
    progress: Progress
    # where rungs are trained: "process" or "ray"
    executor: str = "process"
    # how many train together
    workers: int = 1
    # more than one rung may be trained, so stages name it
    several: bool = False
    # the folder of those that its compressions share; None: each makes its own
    stand_ins: Path | None = None

    @property
    def stated(self) -> Product:
        """The product as the workspace file states it."""
        return self.house.workspace.products[self.product]

    @property
    def folder(self) -> str:
        """The workspace's, as a worker finds it."""
        return str(self.house.folder.resolve())


@dataclass(frozen=True)
class Allowed:
    """Seconds that an attempt may take."""

    # after which a training by steps stops with what it has
    training: float
    # after which the process is ended
    all: float


UNBOUNDED = Allowed(math.inf, math.inf)


def begin(
    house: House,
    product: str,
    version: MadeVersion,
    progress: Progress,
    *,
    executor: str = "process",
    workers: int = 1,
    several: bool = False,
) -> Work:
    """The work on a data version; checkpoints that nobody came back for are removed. Raises BadInput for an executor or
    a number of workers that is none."""
    check_executor(executor, workers)
    remove_stale(house)
    name = run_id() or f"direct-{uuid4().hex[:12]}"
    return Work(house, product, version, name, progress, executor, workers, several)


def check_executor(executor: str, workers: int) -> None:
    if executor not in EXECUTORS:
        raise BadInput(f"unknown executor {executor!r}", where="--executor", hint=f"known: {', '.join(EXECUTORS)}")
    if workers < 1:
        raise BadInput(f"{workers} workers cannot train", where="--workers", hint="give at least 1")
    if workers > 1 and executor != "ray":
        raise BadInput("several workers train together on Ray only", where="--workers", hint="add --executor ray")


def make_version(
    house: House, product: str, feedback: Sequence[str], parent: str | None, progress: Progress
) -> MadeVersion:
    """feedback: ids of the corrections to train on. Only ids are recorded by the workflow, never a customer's text,
    and a consent withdrawn meanwhile holds."""
    began = time.perf_counter()
    with house.store.read() as tx:
        extra = learned_rows(house, tx, product, list(feedback))
    asked = MakeVersion(folder=str(house.folder.resolve()), product=product, extra=extra, parent=parent)
    made = MAKE_VERSION.by(run_child, asked, progress)
    return structs.replace(made, wall_s=time.perf_counter() - began)


def used_up(work: Work, name: str, *, spends: bool = True) -> Conflict | None:
    """Why the test split may judge no further candidate, or the privacy is spent, asked before the attempt `name`; None
    where it may. spends: it is a training; a compression that privacy allows costs none."""
    try:
        step(f"uses before {name}", _check_left, work.house, work.product, work.version.id, spends)
    except Conflict as error:
        return error
    return None


def _check_left(house: House, product: str, version_id: str, spends: bool) -> int:
    """Raises Conflict where the test split may judge no more, or the product's privacy is spent."""
    if spends:
        with house.store.read() as tx:
            check_spending(tx, product, house.workspace.products[product])
    return check_uses(house, product, version_id)


def attempt(
    work: Work, rung: str, *, recipe: Settings | None = None, name: str = "", allowed: Allowed = UNBOUNDED
) -> Outcome:
    """Train the rung, measure and judge it.

    recipe: numbers that a search found. name: of the steps, where one rung is tried twice. Raises what training raises,
    and OutOfTime where it took more than is allowed.
    """
    name = name or rung
    incumbent = step(f"incumbent of {name}", incumbent_of, work.house, work.product)
    trained = step(f"train {name}", _train, work, rung, dict(recipe or {}), incumbent, name, allowed)
    if work.stated.options.get("refit"):
        trained = step(f"refit {name}", _refit, work, rung, dict(recipe or {}), trained)
    return step(f"judge {name}", judge, work, attempt_of(work, rung, name), trained, incumbent)


def attempt_of(
    work: Work, rung: str, name: str, kind: runs.Kind = "train", made_from: Sequence[str] = ()
) -> judging.Attempt:
    """What is recorded of an attempt in this work. name: of its steps."""
    return judging.Attempt(
        product=work.product,
        rung=rung,
        version_id=work.version.id,
        operation=f"{work.operation} {name}",
        kind=kind,
        made_from=made_from,
    )


def judge(work: Work, attempt: judging.Attempt, measured: Measurement, incumbent: Incumbent) -> Outcome:
    """Judge what an attempt made; its checkpoint is removed."""
    judged = judge_candidate(work.house, attempt, measured, incumbent)
    # only now: this step begins once the training is recorded, and would not train again
    remove_checkpoint(Path(measured.checkpoint))
    return outcome_of(judged, measured)


def allowed(left: float, outcomes: Sequence[Outcome]) -> Allowed:
    """What a budget with so many seconds left allows the next attempt: measuring keeps its part. What cannot be cut
    short, such as a training without steps, is ended a tenth beyond."""
    return Allowed(left - measuring_seconds(outcomes), (1 + GRACE) * left)


def search(work: Work, rung: str, *, seconds: float, expected_s: float) -> FoundRecipe:
    """Search the rung's recipe for so long at most; see trials.search_in_trials."""
    return step(f"search {rung}", _search, work, rung, seconds, expected_s)


def expected_seconds(work: Work, names: Sequence[str]) -> dict[str, float]:
    """How long each rung or compression will train: as its last one of this product did, by the rows; else as it
    guesses itself. A recorded step: what is decided by it must come out the same in a resumed run."""
    return step("expect", _expected, work, list(names))


def measuring_seconds(outcomes: Sequence[Outcome]) -> float:
    """What the next attempt will take beside its training: starting, and measuring as long as the slowest of these
    outcomes took (evaluation, latency, robustness; a dearer model takes longer)."""
    return OVERHEAD_S + max((outcome.measuring_s for outcome in outcomes), default=0.0)


def options_of(house: House, name: str) -> Settings:
    """The product's options, with the artifact of every live release that its rungs build on."""
    product = house.workspace.products[name]
    options = dict(product.options)
    with house.store.read() as tx:
        for option in installed.of(product).builds_on:
            other = str(options[option])
            product_of(house.workspace, other)
            live = releases.live(tx, other)
            if live is None:
                hint = f"penstock train {other} && penstock release {other}"
                raise BadInput(f"{name} builds on {other}, which has no live release yet", where=option, hint=hint)
            options[f"{option}_artifact"] = live.artifact
    return options


def _train(work: Work, rung: str, recipe: Settings, incumbent: Incumbent, name: str, allowed: Allowed) -> Measurement:
    at = _at(work, rung, recipe)
    decisive = {"rung": rung, "options": at.options, "recipe": at.recipe}
    folder = checkpoint_folder(work.house, work.product, work.version.id, name, decisive)
    seconds = allowed.training if math.isfinite(allowed.training) else None
    asked = TrainRung(at=at, incumbent=incumbent, checkpoint=str(folder), train_seconds=seconds)

    def run() -> Measurement:
        if work.executor == "ray":
            from penstock.runtime.ray_cluster import run_workers

            return TRAIN_RUNG.by(partial(run_workers, workers=work.workers), asked, work.progress)
        return TRAIN_RUNG.by(partial(run_child, seconds=allowed.all), asked, work.progress)

    trained = watched(work, attempt_of(work, rung, name), run, folder, parameters=_searched(recipe))
    together = {"workers": work.workers} if work.executor == "ray" else {}
    parameters = {**trained.parameters, **_searched(recipe), **together}
    return structs.replace(trained, parameters=parameters, **together)


def _refit(work: Work, rung: str, recipe: Settings, trained: Measurement) -> Measurement:
    """What was trained, and the recipe trained again on the test rows too where the gate says yes; judged is the
    former."""
    if not judging.verdict_on(work.house, work.product, work.version.id, trained).passed:
        return trained
    asked = RefitRung(at=_at(work, rung, recipe), artifact=trained.artifact)
    began = time.perf_counter()
    made = REFIT_RUNG.by(run_child, asked, work.progress)
    return structs.replace(
        trained,
        parameters={**trained.parameters, "refit": wire.plain(made.refit)},
        notes=(*trained.notes, made.note),
        wall_s=trained.wall_s + time.perf_counter() - began,
    )


def watched(
    work: Work, attempt: judging.Attempt, run: Callable[[], Measurement], folder: Path, *, parameters: Settings
) -> Measurement:
    """What `run` answers, with its checkpoint's folder and the seconds it took, those before a kill included. Its
    failure is recorded as a run, and the checkpoint stays only where the same command could go on from it.

    parameters: what a failed run tells that it was to be made with.
    """
    began, burnt = time.perf_counter(), children_cpu_seconds()
    try:
        answer = run()
    except PenstockError as error:
        failure = judging.Failure(
            error=error,
            seconds=time.perf_counter() - began,
            cpu_s=None if work.executor == "ray" else children_cpu_seconds() - burnt,
            parameters=parameters,
            curves=curves_in(folder),
        )
        remove_checkpoint(folder, error)
        forget(folder)  # the failed run tells it
        judging.record_failed(work.house, attempt, failure)
        raise
    wall_s = answer.before_s + time.perf_counter() - began
    return structs.replace(answer, checkpoint=str(folder), wall_s=wall_s)


def children_cpu_seconds() -> float:
    """Processor time of this process's ended children so far; those that were killed count too."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _search(work: Work, rung: str, seconds: float, expected_s: float) -> FoundRecipe:
    began = time.perf_counter()
    asked = SearchRecipe(
        at=_at(work, rung, {}),
        version_id=work.version.id,
        operation=f"{work.operation} {rung}",
        seconds=seconds,
        expected_s=expected_s,
    )
    found = SEARCH_RECIPE.by(run_child, asked, work.progress)
    return structs.replace(found, wall_s=found.before_s + time.perf_counter() - began)


def _at(work: Work, rung: str, recipe: Settings) -> RungWork:
    options = options_of(work.house, work.product)
    return RungWork(
        folder=work.folder,
        product=work.product,
        version=work.version.version,
        rung=rung,
        options=options,
        recipe={**options.get("recipes", {}).get(rung, {}), **recipe},
        label=rung if work.several else "",
    )


def _searched(recipe: Settings) -> Settings:
    """What a candidate's parameters keep of a search, so that a retraining takes the same numbers."""
    return {"searched": dict(recipe)} if recipe else {}


def _expected(work: Work, names: Sequence[str]) -> dict[str, float]:
    rows = work.version.rows
    with work.house.store.read() as tx:
        trained = {version.id: version.rows_train for version in list_versions(tx, work.product)}
        kinds: tuple[runs.Kind, ...] = ("train", "compress")
        page = [run for kind in kinds for run in runs.list_runs(tx, work.product, kind=kind, limit=200)]
    found = {}
    for name in names:
        last = next((r for r in page if r.rung == name and r.state == "done" and r.dataset_version in trained), None)
        if last is None:
            minutes = (
                installed.compressions()[name].minutes
                if name in installed.compressions()
                else installed.rungs()[name].minutes
            )
            found[name] = minutes * _SECONDS_PER_MINUTE * max(rows, _LEAST_ROWS) / _GUESSED_ROWS
        else:
            found[name] = last.seconds * rows / max(1, trained[last.dataset_version])
    return found
