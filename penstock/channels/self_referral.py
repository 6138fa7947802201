"""Signs that a partner brought itself: the same mailbox written differently, the same company, the same tax number.

Signs are looked at by a person; they refuse nothing. It knows no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from penstock.channels.free_mail import ALIASES, is_free
from penstock.core.folding import fold

SignKind = Literal["same mailbox", "same company domain", "same tax number"]


@dataclass(frozen=True)
class Party:
    """What is compared of a partner (each of its addresses is one) or a customer."""

    email: str
    tax_id: str = ""


@dataclass(frozen=True)
class Sign:
    """What the two have in common, as each of them writes it."""

    kind: SignKind
    partner: str
    customer: str

    def __str__(self) -> str:
        both = self.partner if self.partner == self.customer else f"{self.partner} and {self.customer}"
        return f"{self.kind}: {both}"


def signs(partner: Iterable[Party], customer: Party) -> tuple[Sign, ...]:
    """What any party of the partner has in common with the customer; each kind once, at most."""
    found: dict[SignKind, Sign] = {}
    for one in partner:
        for sign in _signs(one, customer):
            found.setdefault(sign.kind, sign)
    if "same mailbox" in found:
        found.pop("same company domain", None)  # it says no more
    return tuple(found.values())


def mailbox(email: str) -> str:
    """One writing of all addresses that reach the same mailbox.

    Without +tag, and by the first name of a domain that has several; at Gmail without dots.
    """
    local, _, domain = fold(email).rpartition("@")
    domain = ALIASES.get(domain, domain)
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '') if domain == 'gmail.com' else local}@{domain}"


def same_company(one: str, other: str) -> bool:
    """Whether two addresses are at the same domain, or one below the other, and not where anybody gets a mailbox."""
    first, second = (fold(email).rpartition("@")[2] for email in (one, other))
    if is_free(first) or is_free(second):
        return False
    return first == second or first.endswith(f".{second}") or second.endswith(f".{first}")


def _signs(partner: Party, customer: Party) -> Iterable[Sign]:
    if mailbox(partner.email) == mailbox(customer.email):
        yield Sign("same mailbox", partner.email, customer.email)
    if same_company(partner.email, customer.email):
        first, second = (one.email.rpartition("@")[2].lower() for one in (partner, customer))
        yield Sign("same company domain", first, second)
    ours, theirs = (_tax_key(one.tax_id) for one in (partner, customer))
    if ours and ours == theirs:
        yield Sign("same tax number", partner.tax_id, customer.tax_id)


def _tax_key(tax_id: str) -> str:
    return "".join(char for char in fold(tax_id) if char.isalnum())
