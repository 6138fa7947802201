"""The heavy halves of the workflows, each run in a niced child process: `python -m penstock.jobs.child JOB`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import tasks
from penstock.datasets.versions import add_version, get_version, load_rows
from penstock.jobs.artifacts import put_report
from penstock.jobs.measuring import export_parity, incumbent_report, measure
from penstock.models.load import Loader
from penstock.runtime.child import run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.training.cache import EmbeddingCache
from penstock.training.rungs import RESOLVERS, RUNGS, Rung, TrainRequest, save
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
    parity = export_parity(trained, loader)
    reloaded = Loader(house.blobs).load(artifact)
    report = measure(house, product, trained.model, reloaded, test, parity, say, trained.facts)
    return {
        "artifact": artifact,
        "backbone": trained.backbone,
        "report": put_report(house.blobs, report),
        "seconds": trained.seconds,
        "notes": list(trained.notes),
        "incumbent_report": incumbent_report(house, arguments, test, say, report),
    }


def _backbone(house: House, product: Product, rung: Rung, loader: Loader, progress: Progress) -> Any:
    """The product's backbone, loaded, where the rung stands on one."""
    if not rung.needs_backbone or product.backbone is None:
        return None
    resolve = RESOLVERS[rung.backbone]
    source = house.workspace.backbones[product.backbone]
    digest = resolve(source, product.backbone, house.blobs, house.folder, progress)
    return loader.any_backbone(digest)


def _house(arguments: dict[str, Any]) -> House:
    return open_house(Path(arguments["folder"]))


if __name__ == "__main__":
    run_job({"make-version": make_version, "climb": climb})
