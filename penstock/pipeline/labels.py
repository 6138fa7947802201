"""Every label of a product's data with its rows, also of data that cleaning would refuse for them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.labels import LEAST_TRAIN_ROWS, alike
from penstock.datasets.report import ClassCount
from penstock.task import AnyTask
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product, Workspace


def label_rows(workspace: Workspace, name: str, *, rare: bool = False) -> list[dict[str, Any]]:
    """A row per label, those with too few rows to learn first, then by name: rows as read, and to train on and to test
    after cleaning (None where they were not learnable). rare: only those with too few. Raises BadInput for a product
    whose rows have no labels."""
    product = product_of(workspace, name)
    task = installed.of(product)
    if task.labels is None:
        raise BadInput(f"the rows of {task.name} have no labels", where=name, hint=f"see: penstock data inspect {name}")
    read = Counter(task.labels(product, workspace.folder))
    learned = {one.label: one for one in _learned(product, workspace, task)}
    like = alike(label for label, count in read.items() for _ in range(count))
    least = max(LEAST_TRAIN_ROWS, product.cleaning.min_class_rows)
    rows = [
        {
            "label": label,
            "rows": count,
            "train": learned[label].train if label in learned else None,
            "test": learned[label].test if label in learned else None,
            "too_few": label not in learned if learned else count < least,
            "looks_like": like.get(label, ""),
        }
        for label, count in read.items()
    ]
    rows.sort(key=lambda row: (not row["too_few"], row["rows"] if row["too_few"] else 0, row["label"]))
    return [row for row in rows if row["too_few"] or not rare]


def _learned(product: Product, workspace: Workspace, task: AnyTask) -> tuple[ClassCount, ...]:
    """The labels that can be learned, with their rows after cleaning; () where nothing can."""
    cleaning = product.cleaning.model_copy(update={"rare_labels": "drop", "alike_labels": "keep"})
    try:
        return task.prepare(product.model_copy(update={"cleaning": cleaning}), workspace.folder, ()).report.classes
    except BadInput:
        return ()
