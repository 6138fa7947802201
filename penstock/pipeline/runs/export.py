"""Runs for other tools: TensorBoard's event files in a folder, or an MLflow tracking server by its REST interface.

Nothing is sent but to the place that was named, and each run is exported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from penstock.core.errors import BadInput
from penstock.pipeline.runs import export_mlflow as run_export_mlflow
from penstock.pipeline.runs import export_tensorboard as run_export_tensorboard
from penstock.pipeline.runs.listing import kind_of
from penstock.registry.runs import Kind, Run, count_runs, list_runs
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.workspace.loader import product_of

Form = Literal["tensorboard", "mlflow"]
PAGE = 200


@dataclass(frozen=True)
class Exported:
    """written: runs that are there now and were not before. skipped: those that were."""

    product: str
    to: str
    written: int
    skipped: int


def export_runs(
    house: House, product: str, *, to: str, form: str, kind: str | None = None, progress: Progress = no_progress
) -> Exported:
    """Export every run of a product (of one kind) to a folder or an address. A run that is there already is skipped;
    an export that was interrupted can be run again. Raises BadInput, Unavailable."""
    if form not in get_args(Form):
        raise BadInput(f"no export in the form {form!r}", where="--format", hint="use tensorboard or mlflow")
    known = kind_of(kind)
    total = _count(house, product, known)
    if total == 0:
        product_of(house.workspace, product)
        raise BadInput(f"{product} has no run to export", hint=f"penstock train {product}")
    written = 0
    opened = run_export_tensorboard.opened if form == "tensorboard" else run_export_mlflow.opened
    with opened(to, house.blobs, product) as put:
        written = _put_all(_every_run(house, product, known), put, total, progress)
    return Exported(product, run_export_mlflow.shown(to) if form == "mlflow" else to, written, total - written)


def _put_all(runs: Iterator[Run], put: Callable[[Run], bool], total: int, progress: Progress) -> int:
    written = 0
    for done, run in enumerate(runs, start=1):
        written += put(run)
        progress("exporting runs", done, total, f"{run.product}/{run.number}")
    return written


def _count(house: House, product: str, kind: Kind | None) -> int:
    with house.store.read() as tx:
        return count_runs(tx, product, kind=kind)


def _every_run(house: House, product: str, kind: Kind | None) -> Iterator[Run]:
    """Page by page, newest first: no transaction stays open while others are written to."""
    before: int | None = None
    while True:
        with house.store.read() as tx:
            page = list_runs(tx, product, kind=kind, limit=PAGE, before=before)
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].number
