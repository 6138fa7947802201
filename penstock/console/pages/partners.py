"""Partners: who brings customers, what each earned in a month, and paying it out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from penstock.channels import statements
from penstock.channels.attribution import attributions_of_partner
from penstock.channels.commissions import reject
from penstock.channels.moves import move, preview_move
from penstock.channels.partners import add_partner, get_partner, list_partners
from penstock.channels.payouts import outlook, owed, payable, payout
from penstock.channels.reviews import clear, list_reviews
from penstock.console import render
from penstock.console.admin.partners import csv_answer
from penstock.console.desk import AtDesk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field, months, part
from penstock.core.clock import period_at
from penstock.core.errors import BadInput
from penstock.identity.customers import list_customers
from penstock.pipeline.money import month


def index(request: Request, desk: AtDesk, page: int = 1) -> Response:
    """All partners with what is owed to them now."""
    with desk.house.store.read() as tx:
        shown = part(list_partners(tx), page)
        rows = [
            {
                "partner": one,
                "customers": len(attributions_of_partner(tx, one.id)),
                "owed": owed(tx, one.id),
                "payable": payable(tx, one.id),
            }
            for one in shown.rows
        ]
    facts = {"part": shown, "rows": rows, "agreements": desk.house.workspace.agreements}
    return render.page(request, "partners.html", facts)


def add(request: Request, desk: AtDesk) -> Response:
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        made = add_partner(
            tx,
            name=field(form, "name"),
            email=field(form, "email"),
            agreement=field(form, "agreement"),
            customer=form.get("customer"),
            allow_similar="allow_similar" in form,
        )
    return back(f"/partners/{made.id}", "added")


def show(request: Request, desk: AtDesk, partner: str, period: str | None = None) -> Response:
    """A partner's statement of a month."""
    chosen = months(desk, period)
    with desk.house.store.read() as tx:
        known = get_partner(tx, partner)
        facts = {
            "partner": known,
            "months": chosen,
            "statement": statements.statement(tx, known, chosen.shown),
            "move": preview_move(tx, known.id),
            "reviews": list_reviews(tx, partner=known.id),
            "names": {one.id: one.name for one in list_customers(tx)},
            "customers": len(attributions_of_partner(tx, known.id)),
            "operation": tx.new_id("op"),
            "outlook": (expected := outlook(tx, known.id)),
            "moved_in": _months(expected.movements, desk.company.timezone),
        }
    return render.page(request, "partner.html", facts)


def _months(moments: Sequence[datetime], timezone: str) -> list[str]:
    """The months in which something moved, newest first."""
    return sorted({period_at(moment, timezone).name for moment in moments}, reverse=True)


def move_it(desk: AtDesk, partner: str) -> Response:
    """Put the partner under the newest terms of its agreement."""
    with desk.house.store.transaction() as tx:
        move(tx, partner)
    return back(f"/partners/{partner}", "moved")


def decide(request: Request, desk: AtDesk, partner: str) -> Response:
    """Clear or reject an attribution that is held for review."""
    form = form_of(request)
    verdict = {"clear": clear, "reject": reject}.get(field(form, "verdict"))
    if verdict is None:
        raise BadInput("clear or reject it", where="verdict")
    with desk.house.store.transaction() as tx:
        verdict(tx, field(form, "customer"), field(form, "reason"))
    return back(f"/partners/{partner}", "decided")


def csv_file(desk: AtDesk, partner: str, period: str | None = None) -> Response:
    with desk.house.store.read() as tx:
        made = statements.statement(tx, get_partner(tx, partner), month(desk.house, period))
    return csv_answer(made)


def pay_out(request: Request, desk: AtDesk, partner: str) -> Response:
    operation = field(form_of(request), "operation")
    with desk.house.store.transaction() as tx:
        payout(tx, get_partner(tx, partner), operation)
    return back(f"/partners/{partner}", "paid-out")


ROUTES = (
    Route("GET", "/partners", index, "operator"),
    Route("POST", "/partners", add, "operator", page=index, right="sell"),
    Route("GET", "/partners/{partner}", show, "operator"),
    Route("POST", "/partners/{partner}/move", move_it, "operator", page=show, right="sell"),
    Route("POST", "/partners/{partner}/review", decide, "operator", page=show, right="bill"),
    Route("GET", "/partners/{partner}/statement.csv", csv_file, "operator"),
    Route("POST", "/partners/{partner}/payout", pay_out, "operator", page=show, right="bill"),
)
