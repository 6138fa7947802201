"""What a candidate is worth on its product's test rows, and the live release on exactly the same."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from penstock import installed
from penstock.core.errors import Broken
from penstock.datasets.rows import TaskRow
from penstock.evaluation.evaluate import Exam, Examinee, Terms, evaluate
from penstock.evaluation.report import Report, rows_digest
from penstock.loader import Loader
from penstock.models.protocol import Model
from penstock.pipeline.artifacts import get_report, put_report
from penstock.pipeline.records import Incumbent, Measurement
from penstock.registry.runs import put_curves
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.training.cache import EmbeddingCache
from penstock.training.records import Trained, save
from penstock.workspace.records import Product


def keep_and_measure(
    house: House, name: str, incumbent: Incumbent, trained: Trained, test: Sequence[TaskRow], progress: Progress
) -> Measurement:
    """Save what was trained or compressed, load it again and measure it, and the incumbent on the same rows.

    name: the product's.
    """
    cpu_s, began = cpu_seconds(), time.perf_counter()
    product = house.workspace.products[name]
    artifact = save(trained, house.blobs)
    loader = Loader(house.blobs)
    parity = export_parity(trained, loader)
    report = measure(house, product, trained.model, loader.load(artifact), test, parity, progress, trained.facts)
    other = incumbent_report(house, product, incumbent, test, progress, report)
    return Measurement(
        artifact=artifact,
        backbone=trained.backbone,
        report=put_report(house.blobs, report),
        seconds=trained.seconds,
        cpu_s=cpu_s,
        gpu=gpu_used(),
        notes=tuple(trained.notes),
        parameters=trained.parameters,
        curves=put_curves(house.blobs, trained.curves),
        incumbent_report=other,
        measuring_s=time.perf_counter() - began,
    )


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
    test: Sequence[TaskRow],
    backbone_parity: float | None,
    progress: Progress,
    facts: Mapping[str, float] = MappingProxyType({}),
) -> Report:
    """The report on these test rows, by the product's task. facts: what training said of the model, for the gate."""
    task = installed.of(product)
    split = task.split(test, product)
    report = evaluate(
        Examinee(model, reloaded, backbone_parity, facts),
        Exam(
            inputs=task.inputs(split),
            measure=lambda judged, answers, seed: task.measure(judged, split, answers, seed),
            rows_digest=rows_digest(test),
            seed=product.seed,
        ),
        Terms(product.price, house.workspace.costs, product.gate),
        progress=progress,
        embed=EmbeddingCache(house.workspace.state / "cache" / "embeddings").embed,
    )
    if untold := set(task.trivial) - {each.metric for each in report.trivial}:
        raise Broken(f"the task does not tell what {min(untold)} would be without a model", where=task.name)
    return report


def incumbent_report(
    house: House,
    product: Product,
    incumbent: Incumbent,
    test: Sequence[TaskRow],
    progress: Progress,
    own: Report,
) -> str | None:
    """The live release's report on exactly these test rows: its old one, or a new measurement when they differ."""
    if incumbent.report is None or incumbent.artifact is None:
        return None
    before = get_report(house.blobs, incumbent.report)
    if (before.rows_digest, before.seed) == (own.rows_digest, own.seed):  # a task may plant what it tests by the seed
        return incumbent.report
    model = Loader(house.blobs).load(incumbent.artifact)
    report = measure(house, product, model, model, test, own.parity.backbone, progress)
    return put_report(house.blobs, report)
