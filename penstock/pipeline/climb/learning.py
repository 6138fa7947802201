"""What came back from use, as rows that join training: corrections and events of customers who consent, amendments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.report import KINDS, CleaningReport
from penstock.identity.customers import consenting_customers
from penstock.monitoring.events import event_rows, mark_events_used
from penstock.monitoring.feedback import Correction, listed, mark_used, unusable_corrections, usable_corrections
from penstock.registry import amendments
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.task import AnyTask


def usable_feedback(house: House, tx: Transaction, product: str) -> list[str]:
    """Ids of the corrections and events that may train the product now, oldest first."""
    corrected = [
        one.feedback_id for one in usable_corrections(tx, product, accepted_only=accepted_only(house, product))
    ]
    return [*corrected, *(str(row["origin"]).removeprefix("feedback:") for row in event_rows(tx, product))]


def left_out(house: House, tx: Transaction, product: str) -> dict[str, str]:
    """Ids of the corrections that may not train the product now, and why."""
    found = unusable_corrections(tx, product, accepted_only=accepted_only(house, product))
    return {one.feedback_id: one.reason for one in found}


def accepted_only(house: House, product: str) -> bool:
    """Whether the product trains only on the corrections that were accepted."""
    known = house.workspace.products.get(product)
    return known is not None and known.feedback.train_on == "accepted"


def proposes_labels(house: House, product: str) -> bool:
    """Whether a correction may name a label that the product's data lack."""
    known = house.workspace.products.get(product)
    return known is None or known.feedback.unknown_labels == "propose"


def why_no_row(origins: Iterable[str], report: CleaningReport) -> dict[str, str]:
    """Why cleaning kept none of these rows from use, by id: what the report's findings say of them, in words."""
    said = [finding for finding in report.findings if finding.dropped]
    why = {example.origin: KINDS[found.kind] for found in said for example in found.examples}
    rest = sorted({KINDS[found.kind] for found in said if found.part == "feedback"})
    other = " or ".join(rest) or "its text is there already"
    return {one.removeprefix("feedback:"): why.get(one, other).lower() for one in origins}


def mark_learned(tx: Transaction, rows: Iterable[Mapping[str, Any]], ids: Collection[str], version: str) -> None:
    """Record which of `ids` are in a dataset version, by the origins of its rows: cleaning may have dropped some."""
    inside = {str(row.get("origin")).removeprefix("feedback:") for row in rows} & set(ids)
    events = {one for one in inside if one.startswith("ev_")}
    mark_used(tx, sorted(inside - events), version)
    mark_events_used(tx, sorted(events), version)


def learned_rows(house: House, tx: Transaction, product: str, feedback: Collection[str]) -> list[dict[str, Any]]:
    """Rows of the corrections and events named by id, and of the product's amendments; a row names its origin."""
    task = installed.of(house.workspace.products[product])
    wanted = set(feedback)
    rows = [_row(task, one) for one in usable_corrections(tx, product) if one.feedback_id in wanted]
    present = amendments.current(tx, product)
    content = task.consented(amendments.content_of(house.blobs, present), consenting_customers(tx), product)
    amended = task.amendment_rows(content)
    events = event_rows(tx, product, wanted) if wanted else []
    return [*(row for row in rows if row is not None), *events, *(dict(row) for row in amended)]


def in_words(why: Mapping[str, str]) -> str:
    """Reasons by id as one phrase: "3: you rejected it; 1: rows that repeat an earlier one"."""
    return "; ".join(f"{count:,}: {reason}" for reason, count in Counter(why.values()).most_common())


def check_correction(house: House, product: str, input: Any, correction: str | Sequence[str]) -> Sequence[str]:
    """The labels that a correction names, as the data write them. Raises BadInput for one that the product's task
    cannot learn from."""
    known = house.workspace.products.get(product)
    if known is None:
        return ()
    task = installed.of(known)
    if not isinstance(correction, str) and not task.several_labels:
        raise BadInput("the correction must be text", where="correction", hint="what should have been answered")
    row = task.correction(input, correction if isinstance(correction, str) else listed(correction))
    label = row.get("label", row.get("target", row.get("labels", ())))
    return (label,) if isinstance(label, str) else label if isinstance(label, list) else ()


def _row(task: AnyTask, said: Correction) -> dict[str, Any] | None:
    """None where the task cannot read it any more: another task has that product's name now."""
    try:
        row = task.correction(said.input, said.truth)
    except BadInput:
        return None
    return {**row, "origin": said.origin, "customer": said.customer}
