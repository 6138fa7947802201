"""Verbs of the channels: partners, their statements and payouts."""

from __future__ import annotations

from typing import Literal

from starlette.responses import Response

from penstock.channels import statements
from penstock.channels.moves import move, preview_move
from penstock.channels.partners import add_partner, get_partner, list_partners
from penstock.channels.payouts import payout
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.pipeline.money import month


def partners_list(desk: AtDesk) -> Response:
    """Every partner with its code."""
    with desk.house.store.read() as tx:
        return answer(list_partners(tx))


def partner_add(desk: AtDesk, body: bodies.NewPartner) -> Response:
    """Add a partner; its referral code is in the answer."""
    with desk.house.store.transaction() as tx:
        made = add_partner(tx, **body.model_dump())
    return answer(made, 201)


def partner_move(desk: AtDesk, partner: str, body: bodies.NewTerms) -> Response:
    """Put a partner under the newest terms of its agreement, for customers it brings from now on."""
    with desk.house.store.transaction() as tx:
        return answer((preview_move if body.dry_run else move)(tx, partner, body.agreement))


def statement(
    desk: AtDesk, partner: str, period: str | None = None, format: Literal["json", "csv"] = "json", bom: bool = True
) -> Response:
    """What a partner earned in a month, line by line: ?format=json or csv (?bom=false: without byte-order mark)."""
    with desk.house.store.read() as tx:
        made = statements.statement(tx, get_partner(tx, partner), month(desk.house, period))
    return csv_answer(made, bom=bom) if format == "csv" else answer(statements.facts(made))


def payout_make(desk: AtDesk, partner: str, body: bodies.NewPayout) -> Response:
    """Record the payment of all that is payable to a partner now."""
    with desk.house.store.transaction() as tx:
        made = payout(tx, get_partner(tx, partner), body.operation or tx.new_id("op"))
    return answer(made, 201)


def csv_answer(made: statements.Statement, *, bom: bool = True) -> Response:
    """A statement as a CSV file."""
    name = f"statement-{made.partner.code}-{made.period.name}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(statements.to_csv(made, bom=bom), headers=headers, media_type="text/csv")


ROUTES = (
    Route("GET", "/admin/v1/partners", partners_list, "admin"),
    Route("POST", "/admin/v1/partners", partner_add, "admin", 201, right="sell"),
    Route("POST", "/admin/v1/partners/{partner}/move", partner_move, "admin", right="sell"),
    Route("GET", "/admin/v1/partners/{partner}/statement", statement, "admin"),
    Route("POST", "/admin/v1/partners/{partner}/payouts", payout_make, "admin", 201, right="bill"),
)
