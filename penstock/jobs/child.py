"""The heavy halves of the workflows, each run in a niced child process: `python -m penstock.jobs.child JOB`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock import tasks
from penstock.datasets.versions import add_version, get_version, load_rows
from penstock.evaluation.evaluate import evaluate
from penstock.evaluation.report import Report, rows_digest
from penstock.jobs.artifacts import get_report, put_report
from penstock.models.load import Loader
from penstock.models.protocol import Model
from penstock.runtime.child import run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.training.cache import EmbeddingCache
from penstock.training.rungs import RESOLVERS, RUNGS, Rung, Trained, TrainRequest, save
from penstock.workspace.records import Product


def make_version(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Read and clean a product's data (and `extra` rows from use) into a dataset version."""
    house = _house(arguments)
    name = arguments["product"]
    product = house.workspace.products[name]
    progress(f"{name}: cleaning", 0, 1)
    prepared = tasks.get(product.task).prepare(product, house.folder, arguments["extra"])
    with house.store.transaction() as tx:
        version = add_version(
            tx, house.blobs, product=name, prepared=prepared, parent=arguments["parent"], source=product.data
        )
    progress(f"{name}: cleaning", 1, 1, f"{version.rows_train:,} rows to train, {version.rows_test:,} to test")
    origins = {row.get("origin") for row in arguments["extra"]}
    learned = sum(row.get("origin") in origins for row in prepared.train)
    return {"version": version.number, "id": version.id, "learned": learned}


def climb(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train one rung on a dataset version, save its artifact, and measure it; also the incumbent, on the same rows."""
    house = _house(arguments)
    name, rung = arguments["product"], RUNGS[arguments["rung"]]
    product = house.workspace.products[name]
    with house.store.read() as tx:
        version = get_version(tx, name, arguments["version"])
    train, test = load_rows(house.blobs, version)
    loader = Loader(house.blobs)

    def say(stage: str, done: float, total: float, note: str = "") -> None:
        progress(f"{name}: {stage}", done, total, note)

    request = TrainRequest(
        train=tasks.get(product.task).split(train, product),
        backbone=_backbone(house, product, rung, loader, say),
        seed=product.seed,
        cache=EmbeddingCache(house.workspace.state / "cache" / "embeddings"),
        progress=say,
        options=arguments["options"],
        load=loader.load,
        blobs=house.blobs,
    )
    trained = rung.train(request)
    artifact = save(trained, house.blobs)
    parity = _export_parity(trained, loader)
    report = _measure(house, product, trained.model, Loader(house.blobs).load(artifact), test, parity, say)
    return {
        "artifact": artifact,
        "backbone": trained.backbone,
        "report": put_report(house.blobs, report),
        "seconds": trained.seconds,
        "notes": list(trained.notes),
        "incumbent_report": _incumbent(house, arguments, test, say, report),
    }


def _backbone(house: House, product: Product, rung: Rung, loader: Loader, progress: Progress) -> Any:
    """The product's backbone, loaded, where the rung stands on one."""
    if not rung.needs_backbone or product.backbone is None:
        return None
    resolve = RESOLVERS[rung.backbone]
    source = house.workspace.backbones[product.backbone]
    digest = resolve(source, product.backbone, house.blobs, house.folder, progress)
    return loader.any_backbone(digest)


def _export_parity(trained: Trained, loader: Loader) -> float | None:
    """The largest difference between what was trained and what was exported; None where nothing was."""
    told = [] if trained.backbone is None else [loader.any_backbone(trained.backbone).parity]
    if "parity" in trained.settings:
        told.append(trained.settings["parity"])
    return max(told, default=None)


def _measure(
    house: House,
    product: Product,
    model: Model,
    reloaded: Model,
    test: Sequence[Mapping[str, Any]],
    backbone_parity: float | None,
    progress: Progress,
) -> Report:
    """The report on these test rows, by the product's task."""
    task = tasks.get(product.task)
    split = task.split(test, product)
    return evaluate(
        model=model,
        reloaded=reloaded,
        inputs=task.inputs(split),
        measure=lambda judged, answers, seed: task.measure(judged, split, answers, seed),
        rows_digest=rows_digest(test),
        price=product.price,
        costs=house.workspace.costs,
        backbone_parity=backbone_parity,
        seed=product.seed,
        progress=progress,
    )


def _incumbent(
    house: House, arguments: dict[str, Any], test: Sequence[Mapping[str, Any]], progress: Progress, own: Report
) -> str | None:
    """The live release's report on exactly these test rows: its old one, or a new measurement when they differ."""
    blob, artifact = arguments["incumbent_report"], arguments["incumbent_artifact"]
    if blob is None:
        return None
    before = get_report(house.blobs, blob)
    if (before.rows_digest, before.seed) == (own.rows_digest, own.seed):  # a task may plant what it tests by the seed
        return str(blob)
    model = Loader(house.blobs).load(artifact)
    product = house.workspace.products[arguments["product"]]
    report = _measure(house, product, model, model, test, own.parity.backbone, progress)
    return put_report(house.blobs, report)


def _house(arguments: dict[str, Any]) -> House:
    return open_house(Path(arguments["folder"]))


if __name__ == "__main__":
    run_job({"make-version": make_version, "climb": climb})
