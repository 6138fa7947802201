"""The heavy halves of the workflows, each run in a niced child process: `python -m penstock.jobs.child JOB`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.datasets.prepare import prepare
from penstock.datasets.rows import Row
from penstock.datasets.versions import add_version, get_version, load_rows
from penstock.evaluation.evaluate import evaluate
from penstock.evaluation.report import Report, rows_digest
from penstock.jobs.artifacts import get_report, put_report
from penstock.models.load import Loader
from penstock.runtime.child import run_job
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress
from penstock.training.backbones import resolve
from penstock.training.cache import EmbeddingCache
from penstock.training.rungs import RUNGS, TrainRequest, save


def make_version(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Read and clean a product's data (and `extra` rows from feedback) into a dataset version."""
    house = _house(arguments)
    name, extra = arguments["product"], [Row(**row) for row in arguments["extra"]]
    product = house.workspace.products[name]
    progress(f"{name}: cleaning", 0, 1)
    cleaned = prepare(product, house.folder, extra)
    with house.store.transaction() as tx:
        version = add_version(
            tx, house.blobs, product=name, cleaned=cleaned, parent=arguments["parent"], source=product.data
        )
    progress(f"{name}: cleaning", 1, 1, f"{version.rows_train:,} rows to train, {version.rows_test:,} to test")
    return {"version": version.number, "id": version.id}


def climb(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train one rung on a dataset version, save its artifact, and measure it; also the incumbent, on the same rows."""
    house = _house(arguments)
    name, rung = arguments["product"], RUNGS[arguments["rung"]]
    product = house.workspace.products[name]
    with house.store.read() as tx:
        version = get_version(tx, name, arguments["version"])
    train, test = load_rows(house.blobs, version)
    loader = Loader(house.blobs)
    digest, backbone = None, None

    def say(stage: str, done: float, total: float, note: str = "") -> None:
        progress(f"{name}: {stage}", done, total, note)

    if rung.needs_backbone and product.backbone is not None:
        source = house.workspace.backbones[product.backbone]
        digest = resolve(source, product.backbone, house.blobs, house.folder, say)
        backbone = loader.backbone(digest)
    cache = EmbeddingCache(house.workspace.state / "cache" / "embeddings")
    trained = rung.train(TrainRequest(train, backbone, product.seed, cache, say))
    artifact = save(trained, house.blobs)
    measured = evaluate(
        model=trained.model,
        reloaded=Loader(house.blobs).load(artifact),
        test=test,
        price=product.price,
        costs=house.workspace.costs,
        backbone_parity=None if backbone is None else backbone.parity,
        seed=product.seed,
        progress=say,
    )
    return {
        "artifact": artifact,
        "backbone": digest,
        "report": put_report(house.blobs, measured),
        "seconds": trained.seconds,
        "incumbent_report": _incumbent(house, arguments, test, say, measured),
    }


def _incumbent(house: House, arguments: dict[str, Any], test: Any, progress: Progress, own: Report) -> str | None:
    """The live release's report on exactly these test rows: its old one, or a new measurement when they differ."""
    blob, artifact = arguments["incumbent_report"], arguments["incumbent_artifact"]
    if blob is None:
        return None
    if get_report(house.blobs, blob).rows_digest == rows_digest(test.texts, test.labels):
        return str(blob)
    model = Loader(house.blobs).load(artifact)
    product = house.workspace.products[arguments["product"]]
    report = evaluate(
        model=model,
        reloaded=model,
        test=test,
        price=product.price,
        costs=house.workspace.costs,
        backbone_parity=own.parity.backbone,
        seed=own.seed,
        progress=progress,
    )
    return put_report(house.blobs, report)


def _house(arguments: dict[str, Any]) -> House:
    return open_house(Path(arguments["folder"]))


if __name__ == "__main__":
    run_job({"make-version": make_version, "climb": climb})
