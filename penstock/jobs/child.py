"""The heavy halves of the workflows, each run in a niced child process: `python -m penstock.jobs.child JOB`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock import tasks
from penstock.datasets.versions import DatasetVersion, add_version, get_version, load_rows
from penstock.jobs.consent import check_made, check_trained
from penstock.jobs.elapsed import added, counted
from penstock.jobs.learning import why_no_row
from penstock.jobs.measuring import keep_and_measure
from penstock.jobs.refitting import refitted
from penstock.jobs.trials import search_recipe
from penstock.models.load import Loader
from penstock.runtime.child import Job, run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.training.cache import EmbeddingCache
from penstock.training.loop.records import World
from penstock.training.rungs import RESOLVERS, RUNGS, Rung, TrainRequest
from penstock.training.unsure import train_unsure
from penstock.workspace.records import Product


def make_version(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Read and clean a product's data (and `extra` rows from use) into a dataset version."""
    house = _house(arguments)
    name = arguments["product"]
    product = house.workspace.products[name]
    progress(f"{name}: cleaning", 0, 1)
    prepared = tasks.of(product).prepare(product, house.folder, arguments["extra"])
    with house.store.transaction() as tx:
        check_made(tx, house.blobs, name, prepared.train)
        version = add_version(
            tx, house.blobs, product=name, prepared=prepared, parent=arguments["parent"], source=product.data
        )
    progress(f"{name}: cleaning", 1, 1, f"{version.rows_train:,} rows to train, {version.rows_test:,} to test")
    origins = {str(row.get("origin")) for row in arguments["extra"]}
    inside = [str(row.get("origin")) for row in prepared.train if row.get("origin") in origins]
    missing = sorted(one for one in origins - set(inside) if one.startswith("feedback:"))
    return {
        "version": version.number,
        "id": version.id,
        "learned": len(inside),
        "rows": version.rows_train,
        "gave": sorted(one.removeprefix("feedback:") for one in set(inside) if one.startswith("feedback:")),
        "gave_none": why_no_row(missing, prepared.report),
        "told": list(prepared.report.told()),
    }


def climb(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train one rung on a dataset version, save its artifact, and measure it; also the incumbent, on the same rows.

    world: (rank, size) of this worker where several train together; all but the first answer nothing.
    """
    house, first = _house(arguments), World(*arguments.get("world", (0, 1))).rank == 0
    folder = arguments.get("checkpoint") if first else None
    before, say = counted(None if folder is None else Path(folder), told(arguments, progress))
    train, test = load_rows(house.blobs, _version(house, arguments))
    request = training_request(house, arguments, train, say)
    trained = train_unsure(RUNGS[arguments["rung"]].train, request)
    return added(keep_and_measure(house, arguments, trained, test, say), before) if first else {}


def refit(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train a rung on the test rows too, save what comes of it, and compare it with the judged `artifact`."""
    house, say = _house(arguments), told(arguments, progress)
    decision = getattr(Loader(house.blobs).load(arguments["artifact"]), "decision", None)
    if decision is not None:  # of a table's two labels the rarer is decided on, which may be the other of all rows
        arguments = {**arguments, "options": {**arguments["options"], "positive": decision.positive}}
    return refitted(
        house,
        arguments,
        *load_rows(house.blobs, _version(house, arguments)),
        train=lambda rows: RUNGS[arguments["rung"]].train(training_request(house, arguments, rows, say)),
        progress=say,
    )


def search(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Search the rung's recipe on held-out training rows for `seconds`; the test split is not looked at."""
    house, say = _house(arguments), told(arguments, progress)
    train, _ = load_rows(house.blobs, _version(house, arguments))
    return search_recipe(house, arguments, train, lambda rows: training_request(house, arguments, rows, say), say)


def training_request(
    house: House, arguments: dict[str, Any], rows: Sequence[Mapping[str, Any]], progress: Progress
) -> TrainRequest:
    product, rung = house.workspace.products[arguments["product"]], RUNGS[arguments["rung"]]
    loader, checkpoint = Loader(house.blobs), arguments.get("checkpoint")
    with house.store.read() as tx:
        check_trained(tx, house.blobs, arguments["product"], rows)
    return TrainRequest(
        train=tasks.of(product).split(rows, product),
        backbone=_backbone(house, product, rung, loader, progress),
        seed=product.seed,
        cache=EmbeddingCache(house.workspace.state / "cache" / "embeddings"),
        progress=progress,
        options=arguments["options"],
        load=loader.load,
        blobs=house.blobs,
        recipe=arguments.get("recipe") or {},
        checkpoint=None if checkpoint is None else Path(checkpoint),
        world=World(*arguments.get("world", (0, 1))),
        until=time.perf_counter() + arguments.get("train_seconds", math.inf),
    )


def _backbone(house: House, product: Product, rung: Rung, loader: Loader, progress: Progress) -> Any:
    """The product's backbone, loaded, where the rung stands on one."""
    if not rung.needs_backbone or product.backbone is None:
        return None
    resolve = RESOLVERS[rung.backbone]
    source = house.workspace.backbones[product.backbone]
    digest = resolve(source, product.backbone, house.blobs, house.folder, progress)
    return loader.any_backbone(digest)


def _version(house: House, arguments: dict[str, Any]) -> DatasetVersion:
    with house.store.read() as tx:
        return get_version(tx, arguments["product"], arguments["version"])


def told(arguments: dict[str, Any], progress: Progress) -> Progress:
    """Progress whose stages name the product, and the rung where several are trained."""
    name = " ".join(filter(None, (arguments["product"], arguments.get("label"))))

    def say(stage: str, done: float, total: float, note: str = "") -> None:
        progress(f"{name}: {stage}", done, total, note)

    return say


def _house(arguments: dict[str, Any]) -> House:
    return open_house(Path(arguments["folder"]))


JOBS: dict[str, Job] = {"make-version": make_version, "climb": climb, "refit": refit, "search": search}

if __name__ == "__main__":
    run_job(JOBS)
