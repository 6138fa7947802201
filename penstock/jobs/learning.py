"""What came back from use, as rows that join training: corrections by customers who consent, and the amendments."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from penstock import tasks
from penstock.core.errors import BadInput
from penstock.monitoring.feedback import Correction, usable_corrections
from penstock.registry import amendments
from penstock.runtime.house import House
from penstock.storage.engine import Transaction


def learned_rows(house: House, tx: Transaction, product: str, feedback: Collection[str]) -> list[dict[str, Any]]:
    """Rows of the corrections named by id, and of the product's amendments, oldest first; a row names its origin."""
    task = tasks.get(house.workspace.products[product].task)
    wanted = set(feedback)
    rows = [_row(task, one) for one in usable_corrections(tx, product) if one.feedback_id in wanted]
    present = amendments.current(tx, product)
    amended = task.amendment_rows(amendments.content_of(house.blobs, present))
    return [*(row for row in rows if row is not None), *(dict(row) for row in amended)]


def check_correction(house: House, product: str, input: Any, correction: str) -> None:
    """Raises BadInput for a correction that the product's task cannot learn from."""
    known = house.workspace.products.get(product)
    if known is not None:
        tasks.get(known.task).correction(input, correction)


def _row(task: tasks.Task, said: Correction) -> dict[str, Any] | None:
    """None where the task cannot read it any more: another task has that product's name now."""
    try:
        row = task.correction(said.input, said.truth)
    except BadInput:
        return None
    return {**row, "origin": said.origin, "customer": said.customer}
