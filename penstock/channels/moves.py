"""Puts a partner under newer terms, and says beforehand what that changes: never a customer it brought before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock.channels import agreements
from penstock.channels.agreements import AgreementVersion
from penstock.channels.attribution import attributions_of_partner
from penstock.channels.partners import Partner, get_partner, move_to_latest
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Move:
    """From `before` to `after`, for customers brought from `holds_from` on.

    kept: how many customers were brought before: each keeps the terms it came under, and every commission on what it
    pays stays as it is.
    """

    partner: Partner
    before: AgreementVersion
    after: AgreementVersion
    holds_from: datetime
    kept: int

    @property
    def changes(self) -> bool:
        """False when the partner is under that very version already."""
        return self.before.id != self.after.id


def preview_move(tx: Transaction, ref: str, agreement: str | None = None) -> Move:
    """What `move` will do. agreement: its name (default: the one that the partner has). Raises NotFound."""
    partner = get_partner(tx, ref)
    before = agreements.get_version(tx, partner.agreement_version)
    after = agreements.latest(tx, agreement or partner.agreement)
    return Move(partner, before, after, tx.now, len(attributions_of_partner(tx, partner.id)))


def move(tx: Transaction, ref: str, agreement: str | None = None) -> Move:
    """Put the partner under the newest version of the agreement. Doing it again changes nothing."""
    said = preview_move(tx, ref, agreement)
    if said.changes:
        move_to_latest(tx, said.partner.id, said.after.name)
    return said
