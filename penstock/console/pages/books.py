"""The ledger: every account's balance, and whether every invariant holds."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.billing import ledger
from penstock.billing.verification import verify_all
from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.core.money import Money


def show(request: Request, desk: AtDesk, check: bool = False) -> Response:
    """Balances; with ?check=true also the verdict on the books."""
    with desk.house.store.read() as tx:
        found = ledger.balances(tx)
    problems = verify_all(desk.house.store) if check else None
    rows = [
        {
            "account": one.account,
            "meaning": ledger.ACCOUNTS[one.account],
            "debit": Money(one.amount_minor, one.currency) if one.amount_minor > 0 else None,
            "credit": Money(-one.amount_minor, one.currency) if one.amount_minor < 0 else None,
        }
        for one in found
    ]
    totals = []
    for currency in sorted({one.currency for one in found}):
        amounts = [one.amount_minor for one in found if one.currency == currency]
        debit, credit = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
        totals.append((currency, Money(debit, currency), Money(credit, currency)))
    return render.page(request, "ledger.html", {"rows": rows, "totals": totals, "problems": problems})


ROUTES = (Route("GET", "/ledger", show, "operator"),)
