"""Trials of a rung's recipe: each trains on most of the training rows, is scored on the rest and recorded as a run.

The runs are also what a search goes on from, after a kill as in a later command. The test split is never looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock import tasks
from penstock.core.errors import PenstockError
from penstock.core.hashing import digest_of
from penstock.evaluation.intervals import Metric
from penstock.evaluation.latency import machine
from penstock.evaluation.parity import answers_of
from penstock.jobs.judging import code_version, cost_of, machine_with
from penstock.jobs.measuring import cpu_seconds, gpu_used
from penstock.models.load import Loader
from penstock.registry import runs
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.storage.blobs import scratch
from penstock.training.records import Trained, TrainRequest
from penstock.training.rungs import RUNGS
from penstock.training.search import Searched, Trial, hold_out, search
from penstock.workspace.records import Product

_MOST_KNOWN = 1_000  # newest trials of a product that are looked through for those of this search


def search_recipe(
    house: House,
    arguments: dict[str, Any],
    rows: Sequence[Mapping[str, Any]],
    request: Callable[[Sequence[Mapping[str, Any]]], TrainRequest],
    progress: Progress,
) -> dict[str, Any]:
    """Search the rung's space for `seconds`, those of this operation's earlier trials included.

    arguments: product, rung, version_id, operation, seconds, expected_s, options, recipe (what stays as it is).
    request(rows): trains on these. Answers the best recipe where it beats the rung's own, how both scored, and
    `before_s`, what the earlier trials took.
    """
    product, rung = house.workspace.products[arguments["product"]], RUNGS[arguments["rung"]]
    to_train, held = hold_out(rows, product.seed)
    space = {name: allowed for name, allowed in rung.space.items() if name not in arguments["recipe"]}
    asked = replace(request(to_train), stands_for=len(rows))
    study = digest_of(
        [
            *(arguments["version_id"], rung.name, arguments["options"], arguments["recipe"], code_version()),
            *(product.seed, getattr(asked.backbone, "digest", None)),
        ]
    )
    known, spent = _known(house, arguments, study)
    attempts = len(known)

    def attempt(parameters: Mapping[str, Any]) -> Trial:
        nonlocal attempts
        attempts += 1
        progress(f"search {rung.name}", attempts, 0, _in_words(parameters))
        return _attempt(house, product, arguments, study, asked, parameters, held)

    found = search(
        space,
        attempt,
        known=known,
        seed=product.seed,
        seconds=arguments["seconds"] - spent,
        expected_s=max((trial.seconds for trial in known[-1:]), default=arguments["expected_s"]),
    )
    progress(f"search {rung.name}", len(found.trials), len(found.trials), found.stopped)
    return {**_answer(found), "before_s": spent}


def _answer(found: Searched) -> dict[str, Any]:
    best = found.best
    return {
        "trials": len(found.trials),
        "own": None if found.own is None else found.own.score,
        "best": None if best is None else best.score,
        "parameters": None if best is None else dict(best.parameters),
        "stopped": found.stopped,
    }


def _attempt(
    house: House,
    product: Product,
    arguments: dict[str, Any],
    study: str,
    request: TrainRequest,
    parameters: Mapping[str, Any],
    held: Sequence[Mapping[str, Any]],
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
            trained = RUNGS[arguments["rung"]].train(tried)
            metrics, score = _score(product, trained, held)
    except PenstockError as failure:
        error = failure.message
    trial = Trial(dict(parameters), score, time.perf_counter() - began)
    told = {"tried": dict(parameters), "score": score, "study": study, "search": arguments["operation"]}
    with house.store.transaction() as tx:
        runs.add_run(
            tx,
            operation=f"{arguments['operation']} trial {digest_of([study, dict(parameters)])[:16]}",
            product=arguments["product"],
            kind="trial",
            rung=arguments["rung"],
            state="failed" if error else "done",
            dataset_version=arguments["version_id"],
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
    return trial


def _score(product: Product, trained: Trained, held: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Metric], float]:
    """Quality on the held rows, and its mean over them, of which more is better whatever the task measures."""
    task = tasks.of(product)
    plain = {name: value for name, value in product.options.items() if name != "robust_rows"}
    if "robust_rows" in task.options.model_fields:
        plain["robust_rows"] = 0  # it takes longer than all else, and decides nothing here
    split = task.split(held, product.model_copy(update={"options": plain}))
    answers = answers_of(trained.model, task.inputs(split), lambda done: None)
    measured = task.measure(trained.model, split, answers, product.seed)
    return measured.quality, sum(measured.scores) / max(1, len(measured.scores))


def _known(house: House, arguments: dict[str, Any], study: str) -> tuple[list[Trial], float]:
    """This search's trials so far, oldest first, and the seconds that this operation has spent on some of them."""
    with house.store.read() as tx:
        page = runs.list_runs(tx, arguments["product"], kind="trial", limit=_MOST_KNOWN)
    mine = [run for run in reversed(page) if run.parameters.get("study") == study]
    spent = sum(run.seconds for run in mine if run.parameters.get("search") == arguments["operation"])
    return [Trial(run.parameters["tried"], run.parameters["score"], run.seconds) for run in mine], spent


def _in_words(parameters: Mapping[str, Any]) -> str:
    if not parameters:
        return "the rung's own recipe"
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in parameters.items()
    )
