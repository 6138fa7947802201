"""Verbs of usage: the events of a month as a file, and corrections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from starlette.responses import Response, StreamingResponse

from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.identity.customers import get_customer
from penstock.metering.exports import export, texts
from penstock.pipeline.money import correct_use, month


def usage_export(
    desk: AtDesk,
    period: str | None = None,
    customer: str | None = None,
    format: Literal["csv", "json"] = "csv",
    bom: bool = True,
) -> Response:
    """Every usage event of a month: ?format=csv (?bom=false: without byte-order mark) or json, one object a line."""
    chosen = month(desk.house, period)
    with desk.house.store.read() as tx:
        whose = None if customer is None else get_customer(tx, customer).id

    def content() -> Iterator[str]:
        with desk.house.store.read() as tx:
            yield from texts(export(tx, chosen, whose), format, bom=bom)

    name = f"usage-{chosen.name}.{'csv' if format == 'csv' else 'jsonl'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
    return StreamingResponse(content(), headers=headers, media_type=kind)


def usage_correct(desk: AtDesk, body: bodies.UsageCorrection) -> Response:
    """Correct a customer's quantity; the next rating run bills the difference."""
    event = correct_use(
        desk.house,
        body.customer,
        body.product,
        body.units,
        period=body.period,
        reason=body.reason,
        operation=body.operation,
    )
    return answer(event, 201)


ROUTES = (
    Route("GET", "/admin/v1/usage/export", usage_export, "admin"),
    Route("POST", "/admin/v1/usage/corrections", usage_correct, "admin", 201, right="bill"),
)
