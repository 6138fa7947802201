"""Verbs of a customer's data: all of it as a file, and erased but for what has to be kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.identity.customers import get_customer
from penstock.pipeline.privacy.customer_erasure import erase, preview_erasure
from penstock.pipeline.privacy.customer_export import export_customer
from penstock.runtime.house import drafts_of
from penstock.storage.drafts import draft_of

_BLOCK = 1 << 18


def customer_export(desk: AtDesk, customer: str) -> Response:
    """All that belongs to a customer, as a ZIP: JSON lines, invoices as PDF, README.json that names each file."""
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer).id
    beside, register = desk.house.workspace.state / "export", drafts_of(desk.house.workspace)
    with draft_of(beside, folder=True, register=register) as folder:
        made = Path(export_customer(desk.house, who, folder / "customer.zip").file)
        content, size = made.open("rb"), made.stat().st_size  # its name goes with the folder, however this ends
    headers = {"Content-Disposition": f'attachment; filename="{who}.zip"', "Cache-Control": "no-store"}
    headers["Content-Length"] = str(size)
    return StreamingResponse(_blocks(content), headers=headers, media_type="application/zip")


def customer_erase(desk: AtDesk, customer: str, body: bodies.Erasing) -> Response:
    """Erase a customer's answers, words and name; invoices and books stay. Without `yes`: what would go and stay."""
    facts = body.model_dump(include={"keep_years", "leave_credit"})
    if not body.yes:
        return answer(preview_erasure(desk.house, customer, **facts))
    return answer(erase(desk.house, customer, reason=body.reason, **facts))


def _blocks(content: BinaryIO) -> Iterator[bytes]:
    with content:
        while block := content.read(_BLOCK):
            yield block


ROUTES = (
    Route("POST", "/admin/v1/customers/{customer}/export", customer_export, "admin", right="sell"),
    Route("POST", "/admin/v1/customers/{customer}/erase", customer_erase, "admin", right="govern"),
)
