"""One attempt at a rung: train, measure and judge it as recorded steps; and how long that is expected to take.

Which rungs are tried, and when to stop, climbing.py and explore.py decide.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from penstock import tasks
from penstock.core.errors import BadInput, Conflict, PenstockError
from penstock.datasets.versions import list_versions
from penstock.jobs.elapsed import forget
from penstock.jobs.judging import check_uses, incumbent_of, judge_candidate, record_failed, verdict_on
from penstock.jobs.learning import learned_rows
from penstock.jobs.privacy import check_spending
from penstock.jobs.resuming import checkpoint_folder, remove_checkpoint, remove_stale
from penstock.registry import releases, runs
from penstock.runtime.executors import run_child
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import run_id, step
from penstock.training.compress import COMPRESSIONS
from penstock.training.loop.checkpoints import curves_in
from penstock.training.rungs import RUNGS
from penstock.workspace.loader import product_of

EXECUTORS = ("process", "ray")
GRACE = 0.1  # of what is left of a budget: beyond it whatever still runs is ended
OVERHEAD_S = 6.0  # starting a process and measuring a small candidate: 4 to 8 s here
_SECONDS_PER_MINUTE = 60
_GUESSED_ROWS = 10_000  # what a rung's own guess of its minutes is for
_LEAST_ROWS = 1_000  # fewer take hardly less time: some recipes take a least number of steps, and graphs are exported


@dataclass(frozen=True)
class Work:
    """A climb or an exploration on one data version. version: what `make_version` answered. operation: names this run
    of the workflow, the stem of all that it records. several: more than one rung may be trained, so stages name it.
    stand_ins: the folder of those that its compressions share; None: each makes its own."""

    house: House
    product: str
    version: Mapping[str, Any]
    operation: str
    progress: Progress
    executor: str = "process"
    workers: int = 1
    several: bool = False
    stand_ins: Path | None = None


@dataclass(frozen=True)
class Allowed:
    """Seconds. training: after which one by steps stops with what it has. all: after which the process is ended."""

    training: float
    all: float


UNBOUNDED = Allowed(math.inf, math.inf)


def begin(house: House, arguments: Mapping[str, Any], version: Mapping[str, Any], progress: Progress) -> Work:
    """The work that a workflow's arguments ask for; checkpoints that nobody came back for are removed. Raises BadInput
    for an executor or a number of workers that is none."""
    executor, workers = arguments.get("executor") or "process", int(arguments.get("workers") or 1)
    check_executor(executor, workers)
    remove_stale(house)
    several = bool(arguments.get("explore") or arguments.get("budget_minutes"))
    name = run_id() or f"direct-{uuid4().hex[:12]}"
    return Work(house, arguments["product"], version, name, progress, executor, workers, several)


def check_executor(executor: str, workers: int) -> None:
    if executor not in EXECUTORS:
        raise BadInput(f"unknown executor {executor!r}", where="--executor", hint=f"known: {', '.join(EXECUTORS)}")
    if workers < 1:
        raise BadInput(f"{workers} workers cannot train", where="--workers", hint="give at least 1")
    if workers > 1 and executor != "ray":
        raise BadInput("several workers train together on Ray only", where="--workers", hint="add --executor ray")


def make_version(
    house: House, product: str, feedback: Sequence[str], parent: str | None, progress: Progress
) -> dict[str, Any]:
    """feedback: ids of the corrections to train on. Only ids are recorded by the workflow, never a customer's text,
    and a consent withdrawn meanwhile holds."""
    began = time.perf_counter()
    with house.store.read() as tx:
        extra = learned_rows(house, tx, product, list(feedback))
    arguments = {"folder": str(house.folder.resolve()), "product": product, "extra": extra, "parent": parent}
    made = run_child("penstock.jobs.child", "make-version", arguments, progress)
    return {**made, "wall_s": time.perf_counter() - began}


def used_up(work: Work, name: str, *, spends: bool = True) -> Conflict | None:
    """Why the test split may judge no further candidate, or the privacy is spent, asked before the attempt `name`; None
    where it may. spends: it is a training; a compression that privacy allows costs none."""
    try:
        step(f"uses before {name}", _check_left, work.house, work.product, work.version["id"], spends)
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
    work: Work, rung: str, *, recipe: Mapping[str, Any] | None = None, name: str = "", allowed: Allowed = UNBOUNDED
) -> dict[str, Any]:
    """Train the rung, measure and judge it; answer the outcome, with `wall_s`, all the seconds it took.

    recipe: numbers that a search found. name: of the steps, where one rung is tried twice. Raises what training raises,
    and OutOfTime where it took more than is allowed.
    """
    name = name or rung
    incumbent = step(f"incumbent of {name}", incumbent_of, work.house, work.product)
    trained = step(f"train {name}", _train, work, rung, dict(recipe or {}), incumbent, name, allowed)
    if work.house.workspace.products[work.product].options.get("refit"):
        trained = step(f"refit {name}", _refit, work, rung, dict(recipe or {}), trained)
    outcome: dict[str, Any] = step(f"judge {name}", _judge, work, rung, name, trained, incumbent)
    return outcome


def allowed(left: float, outcomes: Sequence[Mapping[str, Any]]) -> Allowed:
    """What a budget with so many seconds left allows the next attempt: measuring keeps its part. What cannot be cut
    short, such as a training without steps, is ended a tenth beyond."""
    return Allowed(left - measuring_seconds(outcomes), (1 + GRACE) * left)


def search(work: Work, rung: str, *, seconds: float, expected_s: float) -> dict[str, Any]:
    """Search the rung's recipe for so long at most; see trials.search_recipe."""
    found: dict[str, Any] = step(f"search {rung}", _search, work, rung, seconds, expected_s)
    return found


def expected_seconds(work: Work, names: Sequence[str]) -> dict[str, float]:
    """How long each rung or compression will train: as its last one of this product did, by the rows; else as it
    guesses itself. A recorded step: what is decided by it must come out the same in a resumed run."""
    found: dict[str, float] = step("expect", _expected, work, list(names))
    return found


def measuring_seconds(outcomes: Sequence[Mapping[str, Any]]) -> float:
    """What the next attempt will take beside its training: starting, and measuring as long as the slowest of these
    outcomes took (evaluation, latency, robustness; a dearer model takes longer)."""
    return OVERHEAD_S + max((float(outcome["measuring_s"]) for outcome in outcomes), default=0.0)


def options_of(house: House, name: str) -> dict[str, Any]:
    """The product's options, with the artifact of every live release that its rungs build on."""
    product = house.workspace.products[name]
    options = dict(product.options)
    with house.store.read() as tx:
        for option in tasks.of(product).builds_on:
            other = str(options[option])
            product_of(house.workspace, other)
            live = releases.live(tx, other)
            if live is None:
                hint = f"penstock train {other} && penstock release {other}"
                raise BadInput(f"{name} builds on {other}, which has no live release yet", where=option, hint=hint)
            options[f"{option}_artifact"] = live.artifact
    return options


def _train(
    work: Work, rung: str, recipe: Mapping[str, Any], incumbent: Mapping[str, Any], name: str, allowed: Allowed
) -> dict[str, Any]:
    asked = _arguments(work, rung, recipe)
    decisive = {part: asked[part] for part in ("rung", "options", "recipe")}
    folder = checkpoint_folder(work.house, work.product, work.version["id"], name, decisive)
    arguments = {
        **asked,
        "incumbent_report": incumbent["report"],
        "incumbent_artifact": incumbent["artifact"],
        "checkpoint": str(folder),
        **({"train_seconds": allowed.training} if math.isfinite(allowed.training) else {}),
    }

    def run() -> dict[str, Any]:
        if work.executor == "ray":
            from penstock.runtime.ray_cluster import run_workers

            return run_workers("penstock.jobs.child", "climb", arguments, work.progress, workers=work.workers)
        return run_child("penstock.jobs.child", "climb", arguments, work.progress, seconds=allowed.all)

    trained = watched(work, name, run, folder, rung=rung, parameters=_searched(recipe))
    together = {"workers": work.workers} if work.executor == "ray" else {}
    return {**trained, **together, "parameters": {**trained["parameters"], **_searched(recipe), **together}}


def _refit(work: Work, rung: str, recipe: Mapping[str, Any], trained: Mapping[str, Any]) -> dict[str, Any]:
    """What was trained, and the recipe trained again on the test rows too where the gate says yes; judged is the
    former."""
    if not verdict_on(work.house, work.product, work.version["id"], trained).passed:
        return dict(trained)
    arguments = {**_arguments(work, rung, recipe), "artifact": trained["artifact"]}
    began = time.perf_counter()
    made = run_child("penstock.jobs.child", "refit", arguments, work.progress)
    return {
        **trained,
        "parameters": {**trained["parameters"], "refit": made["refit"]},
        "notes": [*trained["notes"], made["note"]],
        "wall_s": trained["wall_s"] + time.perf_counter() - began,
    }


def watched(
    work: Work,
    name: str,
    run: Callable[[], dict[str, Any]],
    folder: Path,
    *,
    rung: str,
    parameters: Mapping[str, Any],
    kind: runs.Kind = "train",
) -> dict[str, Any]:
    """What `run` answers, with its checkpoint's folder and the seconds it took, those before a kill included. Its
    failure is recorded as a run, and the checkpoint stays only where the same command could go on from it."""
    began, burnt = time.perf_counter(), children_cpu_seconds()
    try:
        answer = run()
    except PenstockError as error:
        curves = curves_in(folder)
        remove_checkpoint(folder, error)
        forget(folder)  # the failed run tells it
        record_failed(
            work.house,
            product=work.product,
            rung=rung,
            version_id=work.version["id"],
            error=error,
            operation=f"{work.operation} {name}",
            seconds=time.perf_counter() - began,
            cpu_s=None if work.executor == "ray" else children_cpu_seconds() - burnt,
            kind=kind,
            parameters=parameters,
            curves=curves,
        )
        raise
    wall_s = answer.get("before_s", 0.0) + time.perf_counter() - began
    return {**answer, "checkpoint": str(folder), "wall_s": wall_s}


def _judge(
    work: Work, rung: str, name: str, trained: Mapping[str, Any], incumbent: Mapping[str, Any]
) -> dict[str, Any]:
    outcome = judge_candidate(
        work.house,
        product=work.product,
        rung=rung,
        version_id=work.version["id"],
        trained=trained,
        incumbent=incumbent,
        operation=f"{work.operation} {name}",
    )
    # only now: this step begins once the training is recorded, and would not train again
    remove_checkpoint(Path(trained["checkpoint"]))
    return {**outcome, **{name: trained[name] for name in ("wall_s", "measuring_s", "backbone")}}


def children_cpu_seconds() -> float:
    """Processor time of this process's ended children so far; those that were killed count too."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _search(work: Work, rung: str, seconds: float, expected_s: float) -> dict[str, Any]:
    began = time.perf_counter()
    arguments = {
        **_arguments(work, rung, {}),
        "version_id": work.version["id"],
        "operation": f"{work.operation} {rung}",
        "seconds": seconds,
        "expected_s": expected_s,
    }
    found = run_child("penstock.jobs.child", "search", arguments, work.progress)
    return {**found, "wall_s": found["before_s"] + time.perf_counter() - began}


def _arguments(work: Work, rung: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    options = options_of(work.house, work.product)
    given = options.get("recipes", {}).get(rung, {})
    return {
        "folder": str(work.house.folder.resolve()),
        "product": work.product,
        "version": work.version["version"],
        "rung": rung,
        "options": options,
        "recipe": {**given, **recipe},
        "label": rung if work.several else "",
    }


def _searched(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a candidate's parameters keep of a search, so that a retraining takes the same numbers."""
    return {"searched": dict(recipe)} if recipe else {}


def _expected(work: Work, names: Sequence[str]) -> dict[str, float]:
    rows = work.version["rows"]
    with work.house.store.read() as tx:
        trained = {version.id: version.rows_train for version in list_versions(tx, work.product)}
        kinds: tuple[runs.Kind, ...] = ("train", "compress")
        page = [run for kind in kinds for run in runs.list_runs(tx, work.product, kind=kind, limit=200)]
    found = {}
    for name in names:
        last = next((r for r in page if r.rung == name and r.state == "done" and r.dataset_version in trained), None)
        if last is None:
            minutes = COMPRESSIONS[name].minutes if name in COMPRESSIONS else RUNGS[name].minutes
            found[name] = minutes * _SECONDS_PER_MINUTE * max(rows, _LEAST_ROWS) / _GUESSED_ROWS
        else:
            found[name] = last.seconds * rows / max(1, trained[last.dataset_version])
    return found
