"""What a candidate is worth on its product's test rows, and the live release on exactly the same."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from penstock import tasks
from penstock.core.errors import Broken
from penstock.evaluation.evaluate import evaluate
from penstock.evaluation.report import Report, rows_digest
from penstock.jobs.artifacts import get_report, put_report
from penstock.models.load import Loader
from penstock.models.protocol import Model
from penstock.registry.runs import put_curves
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.training.cache import EmbeddingCache
from penstock.training.records import Trained, save
from penstock.workspace.records import Product


def keep_and_measure(
    house: House,
    arguments: dict[str, Any],
    trained: Trained,
    test: Sequence[Mapping[str, Any]],
    progress: Progress,
) -> dict[str, Any]:
    """Save what was trained or compressed, load it again and measure it, and the incumbent on the same rows; answer
    what `judging.judge_candidate` takes. arguments: product, incumbent_report and incumbent_artifact are read."""
    cpu_s, began = cpu_seconds(), time.perf_counter()
    product = house.workspace.products[arguments["product"]]
    artifact = save(trained, house.blobs)
    loader = Loader(house.blobs)
    parity = export_parity(trained, loader)
    report = measure(house, product, trained.model, loader.load(artifact), test, parity, progress, trained.facts)
    incumbent = incumbent_report(house, arguments, test, progress, report)
    return {
        "artifact": artifact,
        "backbone": trained.backbone,
        "report": put_report(house.blobs, report),
        "seconds": trained.seconds,
        "cpu_s": cpu_s,
        "gpu": gpu_used(),
        "notes": list(trained.notes),
        "parameters": dict(trained.parameters),
        "curves": put_curves(house.blobs, trained.curves),
        "incumbent_report": incumbent,
        "measuring_s": time.perf_counter() - began,
    }


def cpu_seconds() -> float:
    """Processor time that this process and its ended children have burnt so far."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def gpu_used() -> str:
    """The name of the GPU that this process has worked on; "" where it has not."""
    torch = sys.modules.get("torch")  # where nothing loaded it, loading it takes 2 s
    return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_initialized() else ""


def export_parity(trained: Trained, loader: Loader) -> float | None:
    """The largest difference between what was trained and what was exported; None where nothing was."""
    told = [] if trained.backbone is None else [loader.any_backbone(trained.backbone).parity]
    if "parity" in trained.settings:
        told.append(trained.settings["parity"])
    return max(told, default=None)


def measure(
    house: House,
    product: Product,
    model: Model,
    reloaded: Model,
    test: Sequence[Mapping[str, Any]],
    backbone_parity: float | None,
    progress: Progress,
    facts: Mapping[str, float] = MappingProxyType({}),
) -> Report:
    """The report on these test rows, by the product's task. facts: what training said of the model, for the gate."""
    task = tasks.of(product)
    split = task.split(test, product)
    report = evaluate(
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
        facts=facts,
        conditions=product.gate,
        embed=EmbeddingCache(house.workspace.state / "cache" / "embeddings").embed,
    )
    if untold := set(task.trivial) - {each.metric for each in report.trivial}:
        raise Broken(f"the task does not tell what {min(untold)} would be without a model", where=task.name)
    return report


def incumbent_report(
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
    report = measure(house, product, model, model, test, own.parity.backbone, progress)
    return put_report(house.blobs, report)
