"""The money side of serving: grants that never promise more than a customer's credit and caps can cover.

For a prepaid customer it keeps this true: open invoices, plan fees that are due, unbilled use and every unit that a
gateway still holds, at the price of the worst case and with tax, are at most the credit. Prices rise with quantity in
total, so less use never costs more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import sqlalchemy as sa

from penstock.billing import accrual
from penstock.billing.accrual import GRACE_S
from penstock.billing.limits import limit_of
from penstock.billing.spending import (
    Place,
    book_key_use,
    most_that,
    spend_limit_of,
    within_key_limit,
    within_spend_limit,
)
from penstock.billing.subscriptions import allowance
from penstock.billing.tables import usage_grant
from penstock.billing.terms import lock_customer
from penstock.billing.versions import price_for
from penstock.core.clock import Period, local_text, period_at
from penstock.core.errors import BadInput, Broken, CreditExhausted, QuotaExceeded
from penstock.core.money import Money, exponent
from penstock.metering.totals import running
from penstock.metering.usage_log import MOST_UNITS
from penstock.serving.funding import Grant
from penstock.storage.engine import Transaction
from penstock.storage.schema import Instant
from penstock.workspace.records import Company

BLOCK_UNITS = 1_000
GRANT_S = 60
SHORTEST_S = 5  # a grant opened as its month ends lives on for so long: one that is over at once serves nobody


@dataclass(frozen=True)
class LedgerFunding:
    """Implements `serving.funding.Funding` over the catalogue, the usage log and the ledger of `company`."""

    company: Company

    def open_grant(
        self, tx: Transaction, *, gateway: str, customer: str, product: str, units: int, key: str = ""
    ) -> Grant:
        """Hold at least `units` for the gateway, or refuse; up to a block of 1,000 when funds are plenty.

        key: whose use alone it is for, where the key has a cap in money.

        When they are not, at most half of what is left is taken beyond `units`, so that other gateways can serve
        too. A grant ends with its month, at most some seconds later. Raises CreditExhausted or QuotaExceeded, and
        NotFound without a price.
        """
        if not 1 <= units <= MOST_UNITS:
            raise BadInput(f"cannot hold {units:,} units", where="units", hint=f"1 to {MOST_UNITS:,} a request")
        now = tx.shared_now  # not this machine's: another gateway's clock may be minutes from it
        period = period_at(now, self.company.timezone)
        version = price_for(tx, product, period)
        prepaid = lock_customer(tx, customer) == "prepaid"
        held = accrual.held(tx, customer, now)  # before totals: rather twice than never
        most = 2 * max(units, BLOCK_UNITS)
        so_far = running(tx, customer, [(product, period)])[product, period.name] + held.of(product)
        most = min(most, _quota(tx, customer, product, period, so_far, units, self.company.timezone))
        free = allowance(tx, customer, product, period)
        if key:
            place = Place(version.price, so_far, free)
            most = within_key_limit(tx, key, place, period, self.company, units=units, most=most)
        limit = spend_limit_of(tx, customer, version.currency)
        if prepaid or limit is not None:
            account = accrual.account_of(tx, customer, self.company, held)
            if limit is not None:
                most = within_spend_limit(tx, account, limit, product, period, units, most, self.company.timezone)
            if prepaid:
                most = _affordable(account, product, period, held, units, most)
        granted = max(units, min(BLOCK_UNITS, most // 2))
        expires_at = max(now + timedelta(seconds=SHORTEST_S), min(now + timedelta(seconds=GRANT_S), period.end))
        grant = Grant(tx.new_id("gnt"), granted, so_far, version.price, free, version.currency, expires_at)
        row = {
            "organisation": tx.organisation,
            "id": grant.id,
            "gateway": gateway,
            "customer": customer,
            "product": product,
            "period": period.name,
            "period_end": period.end,
            "units": granted,
            "used": 0,
            "currency": grant.currency,
            "state": "open",
            "opened_at": now,
            "expires_at": expires_at,
            "key": key,
            "cumulative": so_far,
        }
        tx.execute(sa.insert(usage_grant), row)
        return grant

    def settle(self, tx: Transaction, uses: Sequence[tuple[str, int]]) -> None:
        """Book what was used of each grant. Closed and expired grants record it too: the work is done."""
        used: Counter[str] = Counter()
        for grant, units in uses:
            used[grant] += units
        for grant, units in sorted(used.items()):
            booking = sa.update(usage_grant).where(*_grant(tx, grant)).values(used=usage_grant.c.used + units)
            booked = tx.execute(booking.returning(*usage_grant.c)).mappings().first()
            if booked is None:
                raise Broken(f"no grant {grant!r} to book {units} units on", where="settle")
            if booked["key"]:
                book_key_use(tx, booked, units, self.company.timezone)

    def close(self, tx: Transaction, grant_ids: Sequence[str]) -> None:
        """Give back what is unused of these grants. Closing twice changes nothing."""
        for grant in sorted(set(grant_ids)):
            tx.execute(
                sa.update(usage_grant).where(*_grant(tx, grant), usage_grant.c.state == "open").values(state="closed")
            )

    def reclaim(self, tx: Transaction, gateways: Collection[str]) -> int:
        """Close what is open of gateways that are no more, so that their unused units are back at once. Answers how
        many grants. The caller knows that their processes have ended; what one sent last is waited for, by its locks.
        """
        column = usage_grant.c
        theirs = (column.organisation == tx.organisation, column.gateway.in_(gateways), column.state == "open")
        return tx.execute(sa.update(usage_grant).where(*theirs).values(state="closed")).rowcount

    def renew(self, tx: Transaction, gateway: str) -> Mapping[str, datetime]:
        """Extend the gateway's open grants by 60 s, within their month; answer id -> new expiry."""
        now = tx.shared_now
        column, until = usage_grant.c, sa.literal(now + timedelta(seconds=GRANT_S), Instant())
        mine = (column.organisation == tx.organisation, column.gateway == gateway, column.state == "open")
        tx.execute(
            sa.update(usage_grant)
            .where(*mine, column.expires_at > now)
            .values(expires_at=sa.case((column.period_end < until, column.period_end), else_=until))
        )
        rows = tx.all(sa.select(column.id, column.expires_at).where(*mine, column.expires_at > now))
        return {row["id"]: row["expires_at"] for row in rows}


def expire_grants(tx: Transaction) -> int:
    """Mark the grants that nobody renewed; their units are long given back. Answers how many."""
    column = usage_grant.c
    done = sa.update(usage_grant).where(
        column.organisation == tx.organisation,
        column.state == "open",
        column.expires_at <= tx.shared_now - timedelta(seconds=GRACE_S),
    )
    return tx.execute(done.values(state="expired")).rowcount


def _quota(tx: Transaction, customer: str, product: str, period: Period, so_far: int, units: int, timezone: str) -> int:
    """Units left under the customer's monthly cap; without one, no bound."""
    limit = limit_of(tx, customer, product)
    if limit is None:
        return 2 * max(units, BLOCK_UNITS)
    left = max(0, limit - so_far)
    if left < units:
        raise QuotaExceeded(
            f"the monthly limit of {limit:,} units of {product} leaves {left:,}; {units:,} were asked for",
            hint=f"it starts anew at {local_text(period.end, timezone)}; the seller can raise it",
            retry_after_s=(period.end - tx.shared_now).total_seconds(),
        )
    return left


def _affordable(
    account: accrual.Account, product: str, period: Period, held: accrual.Held, units: int, most: int
) -> int:
    """The most units, up to `most`, that the credit covers beside all else. Raises CreditExhausted below `units`."""
    if account.owed() > account.credit:
        raise _owing(account)
    fitting = most_that(lambda count: account.owed(product, period.name, count) <= account.credit, most)
    if fitting < units:
        raise _no_credit(account, product, period.name, units, held.back_in_s)
    return fitting


def _no_credit(
    account: accrual.Account, product: str, period: str, units: int, back_in_s: float | None
) -> CreditExhausted:
    """What is left and what was asked; where the held units would do, when they are back."""
    currency, free = account.currency, account.without_holds()
    left, cost = account.credit - account.owed(), account.cost(product, period, units)
    missing = _rounded_up(account.owed(product, period, units) - account.credit, currency)
    told = f"the credit left is {left.normalize():f} {currency}"
    if (held := account.owed() - free.owed()) > 0:
        told += f", and {held.normalize():f} {currency} more is held for requests and by gateways"
    asked = f"1 unit of {product} costs" if units == 1 else f"{units:,} units of {product} cost"
    told += f"; {asked} {cost.normalize():f} {currency} with tax"
    if back_in_s is None or free.owed(product, period, units) > account.credit:
        return CreditExhausted(told, hint=f"add at least {missing} of credit")
    hint = f"what is held and not used comes back: send it again then, or add at least {missing} of credit"
    return CreditExhausted(told, hint=hint, retry_after_s=back_in_s)


def _owing(account: accrual.Account) -> CreditExhausted:
    """Even what costs nothing more waits until what is owed is covered."""
    one = account.standing("prepaid")
    parts = {"open invoices": one.open_invoices, "plan fees": one.plan_fees, "use": one.running_use + one.held}
    named = [f"{name} {amount}" for name, amount in {**parts, "tax": one.tax}.items() if amount.amount_minor]
    return CreditExhausted(
        f"the credit of {one.credit} does not cover the {one.owed} that is owed: {', '.join(named)}",
        hint=f"add at least {-one.left} of credit",
    )


def _rounded_up(amount: Decimal, currency: str) -> Money:
    places = exponent(currency)
    return Money(int(amount.scaleb(places).to_integral_value(ROUND_CEILING)), currency)


def _grant(tx: Transaction, grant: str) -> tuple[sa.ColumnElement[bool], ...]:
    return usage_grant.c.organisation == tx.organisation, usage_grant.c.id == grant
