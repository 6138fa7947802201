"""Trials of a rung's recipe: each trains on most of the training rows, is scored on the rest and recorded as a run.

The runs are also what a search goes on from, after a kill as in a later command. The test split is never looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from penstock import installed
from penstock.core.errors import PenstockError
from penstock.core.hashing import digest_of
from penstock.datasets.rows import TaskRow
from penstock.evaluation.intervals import Metric
from penstock.evaluation.latency import machine
from penstock.evaluation.parity import answers_of
from penstock.loader import Loader
from penstock.pipeline.climb.judging import code_version, cost_of, machine_with
from penstock.pipeline.climb.measuring import cpu_seconds, gpu_used
from penstock.pipeline.records import FoundRecipe, SearchRecipe
from penstock.registry import runs
from penstock.registry.runs import Settings
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.storage.blobs import scratch
from penstock.training.records import Trained, TrainRequest
from penstock.training.search import Searched, Trial, hold_out, search
from penstock.workspace.records import Product

_MOST_KNOWN = 1_000  # newest trials of a product that are looked through for those of this search


def search_in_trials(
    house: House,
    asked: SearchRecipe,
    rows: Sequence[TaskRow],
    request: Callable[[Sequence[TaskRow]], TrainRequest],
    progress: Progress,
) -> FoundRecipe:
    """Search the rung's space for `seconds`, those of this operation's earlier trials included; the recipe asked for
    stays as it is. request(rows): trains on these."""
    product, rung = house.workspace.products[asked.at.product], installed.rungs()[asked.at.rung]
    to_train, held = hold_out(rows, product.seed)
    space = {name: allowed for name, allowed in rung.space.items() if name not in asked.at.recipe}
    training = replace(request(to_train), stands_for=len(rows))
    study = digest_of(
        [
            *(asked.version_id, rung.name, asked.at.options, asked.at.recipe, code_version()),
            *(product.seed, getattr(training.backbone, "digest", None)),
        ]
    )
    known, spent = _known(house, asked, study)
    attempts = len(known)

    def attempt(parameters: Settings) -> Trial:
        nonlocal attempts
        attempts += 1
        progress(f"search {rung.name}", attempts, 0, _in_words(parameters))
        return _attempt(house, product, asked, study, training, parameters, held)

    found = search(
        space,
        attempt,
        known=known,
        seed=product.seed,
        seconds=asked.seconds - spent,
        expected_s=max((trial.seconds for trial in known[-1:]), default=asked.expected_s),
    )
    progress(f"search {rung.name}", len(found.trials), len(found.trials), found.stopped)
    return _answer(found, spent)


def _answer(found: Searched, spent: float) -> FoundRecipe:
    best = found.best
    return FoundRecipe(
        trials=len(found.trials),
        own=None if found.own is None else found.own.score,
        best=None if best is None else best.score,
        parameters=None if best is None else best.parameters,
        stopped=found.stopped,
        before_s=spent,
    )


def _attempt(
    house: House,
    product: Product,
    asked: SearchRecipe,
    study: str,
    request: TrainRequest,
    parameters: Settings,
    held: Sequence[TaskRow],
) -> Trial:
    """Train with these numbers, score, record. A failure of the house's tree is a trial without a score: a search goes
    through numbers that cannot train."""
    began, cpu_s = time.perf_counter(), cpu_seconds()
    metrics: Mapping[str, Metric] = {}
    score, error, trained = None, "", None
    try:
        recipe = {**request.recipe, **parameters}
        with scratch(house.blobs) as blobs:  # a trial's encoder would be 180 MB that nobody reads again
            tried = replace(request, recipe=recipe, checkpoint=None, blobs=blobs, load=Loader(blobs).load)
            trained = installed.rungs()[asked.at.rung].train(tried)
            metrics, score = _score(product, trained, held)
    except PenstockError as failure:
        error = failure.message
    trial = Trial(dict(parameters), score, time.perf_counter() - began)
    told = {"tried": dict(parameters), "score": score, "study": study, "search": asked.operation}
    with house.store.transaction() as tx:
        record = runs.NewRun(
            operation=f"{asked.operation} trial {digest_of([study, dict(parameters)])[:16]}",
            product=asked.at.product,
            kind="trial",
            rung=asked.at.rung,
            state="failed" if error else "done",
            dataset_version=asked.version_id,
            parameters={**(trained.parameters if trained is not None else {}), **told},
            metrics=metrics,
            curves_blob=None if trained is None else runs.put_curves(house.blobs, trained.curves),
            machine=machine_with(machine(), gpu_used()),
            code=code_version(),
            seed=product.seed,
            seconds=trial.seconds,
            cost=cost_of(cpu_seconds() - cpu_s, house.workspace.costs, gpu_s=trial.seconds if gpu_used() else 0.0),
            error=error,
            notes=() if trained is None else trained.notes,
        )
        runs.add_run(tx, record)
    return trial


def _score(product: Product, trained: Trained, held: Sequence[TaskRow]) -> tuple[Mapping[str, Metric], float]:
    """Quality on the held rows, and its mean over them, of which more is better whatever the task measures."""
    task = installed.of(product)
    plain = {name: value for name, value in product.options.items() if name != "robust_rows"}
    if "robust_rows" in task.options.model_fields:
        plain["robust_rows"] = 0  # it takes longer than all else, and decides nothing here
    split = task.split(held, product.model_copy(update={"options": plain}))
    answers = answers_of(trained.model, task.inputs(split), lambda done: None)
    measured = task.measure(trained.model, split, answers, product.seed)
    return measured.quality, sum(measured.scores) / max(1, len(measured.scores))


def _known(house: House, asked: SearchRecipe, study: str) -> tuple[list[Trial], float]:
    """This search's trials so far, oldest first, and the seconds that this operation has spent on some of them."""
    with house.store.read() as tx:
        page = runs.list_runs(tx, asked.at.product, kind="trial", limit=_MOST_KNOWN)
    mine = [run for run in reversed(page) if run.parameters.get("study") == study]
    spent = sum(run.seconds for run in mine if run.parameters.get("search") == asked.operation)
    return [Trial(run.parameters["tried"], run.parameters["score"], run.seconds) for run in mine], spent


def _in_words(parameters: Settings) -> str:
    if not parameters:
        return "the rung's own recipe"
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in parameters.items()
    )
