"""Releases: which candidate serves a product, one at a time, and the way back. Only a signed yes gets in.

It moves no model: gateways see the new mark of "releases" and load the artifact themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, GateRefused, NotFound
from penstock.registry.candidates import MOST_DIGITS, Candidate, get_candidate, own_reference
from penstock.registry.decisions import Decision, latest_decision, verify
from penstock.registry.tables import release as table
from penstock.registry.tables import release_event
from penstock.storage import counters
from penstock.storage.engine import Transaction

State = Literal["live", "retired"]
EventKind = Literal["released", "retired", "rolled_back", "restored"]


@dataclass(frozen=True)
class Release:
    """A candidate that serves, or once did. previous: the release that was live before it, to go back to."""

    id: str
    product: str
    number: int
    candidate: str
    decision: str
    artifact: str
    previous: str | None
    state: State
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True)
class ReleaseEvent:
    """Something that happened to a release, by whom and when; never changed."""

    seq: int
    product: str
    release: str
    kind: EventKind
    actor: str
    time: datetime


def release(tx: Transaction, candidate_id: str, secret: bytes, *, actor: str = "operator") -> Release:
    """Make a candidate live under the product's next release number; what was live retires.

    Raises GateRefused without a passing decision whose signature holds, Conflict when the candidate is live already or
    was compared with another model than the one now live.
    """
    counters.bump(tx, "releases")  # first: its row lock lets only one process change releases at a time
    candidate = get_candidate(tx, candidate_id)
    decision = _passing(tx, candidate, secret)
    present = live(tx, candidate.product)
    _still_fits(candidate, decision, present)
    made = Release(
        id=tx.new_id("rel"),
        product=candidate.product,
        number=counters.take(tx, f"release:{candidate.product}"),
        candidate=candidate.id,
        decision=decision.id,
        artifact=candidate.served,
        previous=present.id if present else None,
        state="live",
        created_at=tx.now,
        retired_at=None,
    )
    if present is not None:
        _retire(tx, present, "retired", actor)
    tx.execute(sa.insert(table).values(organisation=tx.organisation, **vars(made)))
    _record(tx, made, "released", actor)
    return made


def rollback(tx: Transaction, product: str, *, actor: str = "operator") -> Release:
    """Make the release before the live one live again, under its own number.

    Rolling back again goes one further. Raises NotFound when nothing is live, Conflict when there is none before it.
    """
    counters.bump(tx, "releases")
    present = live(tx, product)
    if present is None:
        raise NotFound(f"{product} has no live release", hint=f"see `penstock releases {product}`")
    if present.previous is None:
        raise Conflict(f"release {present.number} of {product} is its first: there is none to go back to")
    _retire(tx, present, "rolled_back", actor)
    tx.execute(_change(tx, present.previous).values(state="live", retired_at=None))
    restored = get_release(tx, present.previous)
    _record(tx, restored, "restored", actor)
    return restored


def live(tx: Transaction, product: str) -> Release | None:
    """The release that serves the product, if any."""
    row = tx.first(_mine(tx).where(table.c.product == product, table.c.state == "live"))
    return None if row is None else _release(row)


def live_releases(tx: Transaction) -> list[Release]:
    """Every product's live release, by product: what a gateway loads."""
    return [_release(row) for row in tx.all(_mine(tx).where(table.c.state == "live").order_by(table.c.product))]


def get_release(tx: Transaction, release_id: str) -> Release:
    """By id, or NotFound."""
    row = tx.first(_mine(tx).where(table.c.id == release_id))
    if row is None:
        raise NotFound(f"no release {release_id!r}", hint="list them with `penstock releases PRODUCT`")
    return _release(row)


def find_release(tx: Transaction, product: str, reference: str) -> Release:
    """By id, number or PRODUCT/NUMBER, as people type it. Raises NotFound, BadInput for one of another product."""
    reference = own_reference(product, reference, "release")
    if reference.isascii() and reference.isdigit():
        number = int(reference) if len(reference) <= MOST_DIGITS else 0  # 0: no release has it
        row = tx.first(_mine(tx).where(table.c.product == product, table.c.number == number))
        if row is None:
            raise NotFound(f"{product} has no release {reference}", hint=f"see `penstock releases {product}`")
        return _release(row)
    found = get_release(tx, reference)
    if found.product != product:
        raise BadInput(f"{reference} is a release of {found.product}, not of {product}")
    return found


def list_releases(tx: Transaction, product: str | None = None) -> list[Release]:
    """All releases, or one product's, oldest first."""
    query = _mine(tx).order_by(table.c.product, table.c.number)
    if product is not None:
        query = query.where(table.c.product == product)
    return [_release(row) for row in tx.all(query)]


def history(tx: Transaction, product: str) -> list[ReleaseEvent]:
    """What happened to a product's releases, oldest first."""
    query = (
        sa.select(release_event)
        .where(release_event.c.organisation == tx.organisation, release_event.c.product == product)
        .order_by(release_event.c.seq)
    )
    names = ReleaseEvent.__dataclass_fields__
    return [ReleaseEvent(**{name: row[name] for name in names}) for row in tx.all(query)]


def _passing(tx: Transaction, candidate: Candidate, secret: bytes) -> Decision:
    place = f"{candidate.product} candidate {candidate.number}"
    decision = latest_decision(tx, candidate.id)
    if decision is None:
        raise GateRefused("the candidate was never judged", where=place, hint="judge it first: train decides by itself")
    if not verify(tx, decision, secret):
        raise GateRefused(
            "the decision's signature does not hold: it, or what it speaks of, was altered or signed with another key",
            where=place,
            hint="judge the candidate again with this workspace's secret",
        )
    if not decision.passed:
        failed = "; ".join(reason["text"] for reason in decision.reasons if not reason["passed"])
        hint = f"see `penstock report {candidate.product}/{candidate.number}`"
        raise GateRefused(f"the gate said no: {failed}", where=place, hint=hint)
    return decision


def _still_fits(candidate: Candidate, decision: Decision, present: Release | None) -> None:
    """A yes compared with one model says nothing about another that went live since."""
    if present is not None and present.candidate == candidate.id:
        raise Conflict(f"candidate {candidate.number} is already live as release {present.number}")
    if decision.incumbent != (present.candidate if present else None):
        now_live = f"release {present.number} is live now" if present else "nothing is live now"
        raise Conflict(
            f"candidate {candidate.number} was judged against another model than the one it would replace: {now_live}",
            where=candidate.product,
            hint="judge it again against the live release; to go back to an earlier one, use `penstock rollback`",
        )


def _retire(tx: Transaction, present: Release, kind: EventKind, actor: str) -> None:
    tx.execute(_change(tx, present.id).values(state="retired", retired_at=tx.now))
    _record(tx, present, kind, actor)


def _record(tx: Transaction, of: Release, kind: EventKind, actor: str) -> None:
    event = ReleaseEvent(counters.take(tx, "release_event"), of.product, of.id, kind, actor, tx.now)
    tx.execute(sa.insert(release_event).values(organisation=tx.organisation, **vars(event)))


def _change(tx: Transaction, release_id: str) -> sa.Update:
    return sa.update(table).where(table.c.organisation == tx.organisation, table.c.id == release_id)


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(table).where(table.c.organisation == tx.organisation)


def _release(row: sa.RowMapping) -> Release:
    return Release(**{name: row[name] for name in Release.__dataclass_fields__})
