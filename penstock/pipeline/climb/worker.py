"""The heavy halves of a climb, each in a niced child process: `python -m penstock.pipeline.climb.worker JOB`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import structs

from penstock import installed
from penstock.datasets.rows import TaskRow
from penstock.datasets.versions import DatasetVersion, add_version, get_version, load_rows
from penstock.loader import Loader
from penstock.pipeline.climb.elapsed import added, counted
from penstock.pipeline.climb.learning import why_no_row
from penstock.pipeline.climb.measuring import keep_and_measure
from penstock.pipeline.climb.refitting import refitted
from penstock.pipeline.climb.trials import search_in_trials
from penstock.pipeline.kinds import MAKE_VERSION, REFIT_RUNG, SEARCH_RECIPE, TRAIN_RUNG
from penstock.pipeline.privacy.consent import check_made, check_trained
from penstock.pipeline.records import (
    CompressModels,
    FoundRecipe,
    MadeVersion,
    MakeVersion,
    Measurement,
    RefitRung,
    Refitted,
    RungWork,
    SearchRecipe,
    TrainRung,
)
from penstock.runtime.child import Job, run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.training.cache import EmbeddingCache
from penstock.training.loop.records import World
from penstock.training.records import Rung, TrainRequest
from penstock.workspace.records import Product


def make_version(asked: MakeVersion, progress: Progress) -> MadeVersion:
    """Read and clean a product's data (and rows from use) into a dataset version."""
    house = open_house(Path(asked.folder))
    name = asked.product
    product = house.workspace.products[name]
    progress(f"{name}: cleaning", 0, 1)
    prepared = installed.of(product).prepare(product, house.folder, asked.extra)
    with house.store.transaction() as tx:
        check_made(tx, house.blobs, name, prepared.train)
        version = add_version(
            tx, house.blobs, product=name, prepared=prepared, parent=asked.parent, source=product.data
        )
    progress(f"{name}: cleaning", 1, 1, f"{version.rows_train:,} rows to train, {version.rows_test:,} to test")
    origins = {str(row.get("origin")) for row in asked.extra}
    inside = [str(row.get("origin")) for row in prepared.train if row.get("origin") in origins]
    missing = sorted(one for one in origins - set(inside) if one.startswith("feedback:"))
    return MadeVersion(
        version=version.number,
        id=version.id,
        learned=len(inside),
        rows=version.rows_train,
        gave=tuple(sorted(one.removeprefix("feedback:") for one in set(inside) if one.startswith("feedback:"))),
        gave_none=why_no_row(missing, prepared.report),
        told=tuple(prepared.report.told()),
    )


def train_rung(asked: TrainRung, progress: Progress) -> Measurement | None:
    """Train one rung on a dataset version, save its artifact, and measure it; also the incumbent, on the same rows.

    None: of a worker that is not the first of those that train together.
    """
    house, first = open_house(Path(asked.at.folder)), World(*asked.world).rank == 0
    checkpoint = Path(asked.checkpoint)
    before, say = counted(checkpoint if first else None, told(asked.at, progress))
    train, test = load_rows(house.blobs, _version(house, asked.at))
    request = replace(
        training_request(house, asked.at, train, say),
        checkpoint=checkpoint,
        world=World(*asked.world),
        until=time.perf_counter() + (math.inf if asked.train_seconds is None else asked.train_seconds),
    )
    task = installed.of(house.workspace.products[asked.at.product])
    trained = task.training().train(installed.rungs()[asked.at.rung].train, request)
    if not first:
        return None
    return added(keep_and_measure(house, asked.at.product, asked.incumbent, trained, test, say), before)


def refit_rung(asked: RefitRung, progress: Progress) -> Refitted:
    """Train a rung on the test rows too, save what comes of it, and compare it with the judged `artifact`."""
    house, say = open_house(Path(asked.at.folder)), told(asked.at, progress)
    at, decision = asked.at, getattr(Loader(house.blobs).load(asked.artifact), "decision", None)
    if decision is not None:  # of a table's two labels the rarer is decided on, which may be the other of all rows
        at = structs.replace(at, options={**at.options, "positive": decision.positive})
    return refitted(
        house,
        asked,
        *load_rows(house.blobs, _version(house, at)),
        train=lambda rows: installed.rungs()[at.rung].train(training_request(house, at, rows, say)),
        progress=say,
    )


def search_recipe(asked: SearchRecipe, progress: Progress) -> FoundRecipe:
    """Search the rung's recipe on held-out training rows for `seconds`; the test split is not looked at."""
    house, say = open_house(Path(asked.at.folder)), told(asked.at, progress)
    train, _ = load_rows(house.blobs, _version(house, asked.at))
    return search_in_trials(house, asked, train, lambda rows: training_request(house, asked.at, rows, say), say)


def training_request(house: House, at: RungWork, rows: Sequence[TaskRow], progress: Progress) -> TrainRequest:
    """What a rung is asked, in this house: the rows as the task splits them, the backbone loaded. Raises Conflict for
    rows of somebody who does not consent."""
    with house.store.read() as tx:
        check_trained(tx, house.blobs, at.product, rows)
    product = house.workspace.products[at.product]
    return replace(
        rung_request(house, product, installed.rungs()[at.rung], progress),
        train=installed.of(product).split(rows, product),
        options=at.options,
        recipe=at.recipe,
    )


def rung_request(house: House, product: Product, rung: Rung, progress: Progress) -> TrainRequest:
    """What any training of the rung in this house is asked, without rows."""
    loader = Loader(house.blobs)
    return TrainRequest(
        train=None,
        backbone=_backbone(house, product, rung, loader, progress),
        seed=product.seed,
        cache=EmbeddingCache(house.workspace.state / "cache" / "embeddings"),
        progress=progress,
        load=loader.load,
        blobs=house.blobs,
    )


def _backbone(house: House, product: Product, rung: Rung, loader: Loader, progress: Progress) -> Any:
    """The product's backbone, loaded, where the rung stands on one."""
    if not rung.needs_backbone or product.backbone is None:
        return None
    resolve = installed.resolvers()[rung.backbone]
    source = house.workspace.backbones[product.backbone]
    digest = resolve(source, product.backbone, house.blobs, house.folder, progress)
    return loader.any_backbone(digest)


def _version(house: House, at: RungWork) -> DatasetVersion:
    with house.store.read() as tx:
        return get_version(tx, at.product, at.version)


def told(asked: RungWork | CompressModels, progress: Progress) -> Progress:
    """Progress whose stages name the product, and the rung where several are trained."""
    name = " ".join(filter(None, (asked.product, asked.label)))

    def say(stage: str, done: float, total: float, note: str = "") -> None:
        progress(f"{name}: {stage}", done, total, note)

    return say


JOBS: dict[str, Job] = {
    MAKE_VERSION.name: MAKE_VERSION.served(make_version),
    TRAIN_RUNG.name: TRAIN_RUNG.served(train_rung),
    REFIT_RUNG.name: REFIT_RUNG.served(refit_rung),
    SEARCH_RECIPE.name: SEARCH_RECIPE.served(search_recipe),
}

if __name__ == "__main__":
    run_job(JOBS)
