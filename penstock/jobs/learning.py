"""What came back from use, as rows that join training: corrections and events of customers who consent, amendments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from penstock import tasks
from penstock.core.errors import BadInput
from penstock.identity.customers import consenting_customers
from penstock.monitoring.events import event_rows, mark_events_used
from penstock.monitoring.feedback import Correction, mark_used, usable_corrections
from penstock.monitoring.knowledge_entries import consented
from penstock.registry import amendments
from penstock.runtime.house import House
from penstock.storage.engine import Transaction


def usable_feedback(tx: Transaction, product: str) -> list[str]:
    """Ids of the corrections and events that may train the product now, oldest first."""
    corrected = [one.feedback_id for one in usable_corrections(tx, product)]
    return [*corrected, *(str(row["origin"]).removeprefix("feedback:") for row in event_rows(tx, product))]


def mark_learned(tx: Transaction, rows: Iterable[Mapping[str, Any]], ids: Collection[str], version: str) -> None:
    """Record which of `ids` are in a dataset version, by the origins of its rows: cleaning may have dropped some."""
    inside = {str(row.get("origin")).removeprefix("feedback:") for row in rows} & set(ids)
    events = {one for one in inside if one.startswith("ev_")}
    mark_used(tx, sorted(inside - events), version)
    mark_events_used(tx, sorted(events), version)


def learned_rows(house: House, tx: Transaction, product: str, feedback: Collection[str]) -> list[dict[str, Any]]:
    """Rows of the corrections and events named by id, and of the product's amendments; a row names its origin."""
    task = tasks.get(house.workspace.products[product].task)
    wanted = set(feedback)
    rows = [_row(task, one) for one in usable_corrections(tx, product) if one.feedback_id in wanted]
    present = amendments.current(tx, product)
    content = consented(amendments.content_of(house.blobs, present), consenting_customers(tx), product)
    amended = task.amendment_rows(content)
    events = event_rows(tx, product, wanted) if wanted else []
    return [*(row for row in rows if row is not None), *events, *(dict(row) for row in amended)]


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
