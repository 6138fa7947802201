"""What serving asks of the money side: a durable hold of a block of units for one gateway.

Billing implements `Funding`; serving takes each request's hold from an open grant in memory and settles it
in the transaction that writes the usage event. It knows nothing of ledgers, plans or wallets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from penstock.core.errors import Broken
from penstock.storage.engine import Transaction
from penstock.workspace.records import Price


@dataclass(frozen=True)
class Grant:
    """Up to `units` units of a product that one gateway may serve to one customer until `expires_at`.

    cumulative: units of the period already used or held when the grant was opened; allowance: units that the
    customer's plan includes in the period. Both only serve to tell each answer's amount.
    """

    id: str
    units: int
    cumulative: int
    price: Price
    allowance: int
    currency: str
    expires_at: datetime


class Funding(Protocol):
    """Opens, settles, extends and returns grants. Each call runs in the caller's transaction."""

    def open_grant(
        self, tx: Transaction, *, gateway: str, customer: str, product: str, units: int, key: str = ""
    ) -> Grant:
        """Hold about `units` units: more when funds are plenty, fewer (at least one) when they are short.

        key: of the one key that will use it, where that has a cap in money. Raises CreditExhausted or QuotaExceeded
        when they do not suffice, NotFound when the product has no price.
        """
        ...

    def settle(self, tx: Transaction, uses: Sequence[tuple[str, int]]) -> None:
        """Book (grant id, units) as used. Never refuses for lack of funds, nor because a grant expired or was
        closed: the work is done and its usage event is in this same transaction."""
        ...

    def close(self, tx: Transaction, grant_ids: Sequence[str]) -> None:
        """Return what is unused of these grants. Closing twice changes nothing."""
        ...

    def renew(self, tx: Transaction, gateway: str) -> Mapping[str, datetime]:
        """Extend every open grant of `gateway`; answer id -> new expiry. A grant missing from it is gone."""
        ...


def check_grant(grant: Grant) -> Grant:
    """The grant itself, or Broken when it holds nothing: a request would otherwise ask for ever."""
    if grant.units < 1:
        raise Broken(f"grant {grant.id} was opened with {grant.units} units", hint="it must hold one or be refused")
    return grant
