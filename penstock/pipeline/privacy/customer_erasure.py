"""Erasing a customer: its words and its name go; what the law wants kept stays, and a record says what, why, how long.

Each page is a transaction of its own. An erasure that was interrupted goes on when it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from penstock import installed
from penstock.analytics import belongings
from penstock.billing.accrual import standing_of
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.money import Money
from penstock.identity.customers import get_customer, pseudonymise, set_training_consent
from penstock.metering.usage_log import erase_answers
from penstock.monitoring.erasing import ERASERS
from penstock.pipeline.customers import archive, erasure_name, preview_archive
from penstock.pipeline.privacy.consent import hashed
from penstock.pipeline.privacy.lineage import lineage
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.storage import audit
from penstock.storage.documents import get_document, put_document
from penstock.storage.engine import Transaction

YEARS_KEPT = 10
LOG = "audit_details"
ADVICE = (
    "a model keeps what it learned: delete the rows of data files that name the customer, then `penstock retrain` each "
    "product and release what comes of it; versions, candidates and releases made before stay, as the record of what "
    "was served"
)
ERASED = {
    "answers": "answers still kept, with their inputs",
    "feedback": "comments, corrections, inputs and answers in feedback; ratings stay",
    "events": "whom clicks and purchases named",
    "questions": "questions that had no good answer",
    "opinion_documents": "documents of opinion monitoring, with mentions, alerts and mutes",
    "customer": "name, e-mail address, address and tax id on the customer's record: a pseudonym stands there",
    LOG: "entries of the audit log, of which these and reasons given about its words go; who did what and when stays",
}
KEPT = {
    "invoices": "issued invoices are tax records: they keep whom they were issued to",
    "credit_notes": "they belong to the invoices",
    "payments": "books of account",
    "refunds": "books of account",
    "postings": "books of account: the ledger is append-only",
    "usage": "what invoices are reckoned from: counts and times, no content",
    "consents": "the proof of what training was allowed when",
    "attribution": "what a partner's commission rests on",
    "keys": "ids and names, which usage names; all of them revoked",
}
AUDIT_WHY = "who changed what, and when: append-only evidence; what was personal in it goes"


@dataclass(frozen=True)
class Kept:
    """What stays of the customer: why, and until when; nothing deletes it by itself then."""

    what: str
    rows: int
    why: str
    until: date


@dataclass(frozen=True)
class Learned:
    """A data version with rows of the customer, and what was made of it (numbers). live: one of them is served."""

    product: str
    version: int
    rows_train: int
    rows_test: int
    candidates: tuple[int, ...]
    releases: tuple[int, ...]
    live: bool


@dataclass(frozen=True)
class Erasure:
    """What goes and what stays. erased: rows by what they are, counted when it began. state: "preview", "begun" or
    "finished". known_as: hashes of its name and e-mail address, so that training goes on refusing rows of data files
    that name it. waits_for: why it cannot begin yet."""

    customer: str
    state: str
    reason: str
    begun_at: str | None
    finished_at: str | None
    erased: Mapping[str, int]
    kept: tuple[Kept, ...]
    learned: tuple[Learned, ...]
    advice: str
    known_as: tuple[str, ...]
    waits_for: tuple[str, ...] = ()


def preview_erasure(house: House, ref: str, *, keep_years: int = YEARS_KEPT, leave_credit: bool = False) -> Erasure:
    """What erasing the customer would do, or did if it was begun. Raises as get_customer does."""
    if not 0 <= keep_years <= 100:
        raise BadInput(f"{keep_years} years are no time to keep books", where="keep_years", hint="0 to 100")
    with house.store.dry_run() as tx:
        customer = get_customer(tx, ref)
        who = customer.id
        if (known := recorded(tx, who)) is not None:
            return known
        waits = tuple(_unsettled(tx, house, who, leave_credit))
        until = date(tx.now.year + keep_years, 12, 31)
        erased = {part.name: belongings.count(tx, part, who) for part in belongings.parts() if part.name in ERASED}
        kept = [
            Kept(part.name, rows, KEPT[part.name], until)
            for part in belongings.parts()
            if part.name in KEPT and (rows := belongings.count(tx, part, who))
        ]
    erased[LOG] = sum(len(found) for found, _ in belongings.personal_entries(house.store, who))
    entries = sum(1 for _ in belongings.audit_rows(house.store, who))
    if entries:
        kept.append(Kept(belongings.AUDIT, entries, AUDIT_WHY, until))
    words = tuple(sorted({hashed(customer.name), hashed(customer.email)}))
    learned = _learned(house, who)  # before its name is gone: rows of data files may be found by it
    return Erasure(
        who, "preview", "", None, None, erased, tuple(kept), learned, ADVICE if learned else "", words, waits
    )


def erase(
    house: House,
    ref: str,
    *,
    reason: str = "",
    keep_years: int = YEARS_KEPT,
    leave_credit: bool = False,
    progress: Progress = no_progress,
) -> Erasure:
    """Erase the customer, or go on with an erasure that was begun. Erasing it again changes nothing. leave_credit: what
    credit is left stays in the books.

    Raises Conflict while money is open between it and the company, or its use was not invoiced yet.
    """
    planned = preview_erasure(house, ref, keep_years=keep_years, leave_credit=leave_credit)
    if planned.state == "preview":
        _begin(house, planned, reason, leave_credit)
    erasers: dict[str, Callable[[Transaction, str], int]] = {"answers": erase_answers, **ERASERS}
    for task in installed.tasks().values():
        erasers |= task.customers.erasers
    for done, (what, eraser) in enumerate(erasers.items(), start=1):
        while _page(house, eraser, planned.customer):
            progress("erasing", done, len(erasers), what)
    for found, names in belongings.personal_entries(house.store, planned.customer):
        with house.store.transaction() as tx:
            audit.empty_details(tx, [one.number for one in found], names)
        progress("erasing", len(erasers), len(erasers), "audit log")
    with house.store.transaction() as tx:
        return _finish(tx, planned.customer)


def recorded(tx: Transaction, customer: str) -> Erasure | None:
    """The record of a customer's erasure; None if none was begun."""
    found = get_document(tx, erasure_name(customer))
    if found is None:
        return None
    kept = tuple(Kept(**{**one, "until": date.fromisoformat(one["until"])}) for one in found["kept"])
    learned = tuple(
        Learned(**{**one, "candidates": tuple(one["candidates"]), "releases": tuple(one["releases"])})
        for one in found["learned"]
    )
    return Erasure(**{**found, "kept": kept, "learned": learned, "known_as": tuple(found["known_as"]), "waits_for": ()})


def _begin(house: House, planned: Erasure, reason: str, leave_credit: bool) -> None:
    with house.store.transaction() as tx:
        if recorded(tx, planned.customer) is not None:  # another one began it meanwhile
            return
        if found := _unsettled(tx, house, planned.customer, leave_credit):
            raise Conflict(
                f"it cannot be erased yet: {', '.join(found)}",
                where="customer",
                hint="archive it, close the month of its last use, and settle what is open; credit may stay in the "
                'books: --leave-credit, or "leave_credit": true',
            )
        archive(tx, planned.customer, force=leave_credit)
        set_training_consent(tx, planned.customer, False)
        _record(tx, {**asdict(planned), "state": "begun", "reason": reason, "begun_at": tx.now.isoformat()})


def _finish(tx: Transaction, customer: str) -> Erasure:
    known = recorded(tx, customer)
    if known is None:
        raise NotFound(f"no erasure of {customer!r} was begun", where="customer")
    if known.finished_at is not None:
        return known
    pseudonymise(tx, customer)  # last: until then it is found by its name, to go on
    _record(tx, {**asdict(known), "state": "finished", "finished_at": tx.now.isoformat()})
    return recorded(tx, customer) or known


def _record(tx: Transaction, facts: dict[str, Any]) -> None:
    kept = [{**one, "until": one["until"].isoformat()} for one in facts["kept"]]
    put_document(tx, erasure_name(facts["customer"]), {**facts, "kept": kept})


def _page(house: House, eraser: Callable[[Transaction, str], int], customer: str) -> int:
    with house.store.transaction() as tx:
        return eraser(tx, customer)


def _unsettled(tx: Transaction, house: House, customer: str, leave_credit: bool) -> list[str]:
    """Open invoices and credit, as archiving says; and what no invoice asked for yet: it would bear a pseudonym."""
    unsettled = preview_archive(tx, customer).unsettled
    found = [str(one) for one in unsettled if not (leave_credit and one.kind == "credit")]
    now = standing_of(tx, customer, house.workspace.company)
    pending = Money(now.owed.amount_minor - now.open_invoices.amount_minor, now.owed.currency)
    return [*found, f"not invoiced yet: {pending}"] if pending.amount_minor > 0 else found


def _learned(house: House, customer: str) -> tuple[Learned, ...]:
    found = [
        Learned(product, one.version, one.rows_train, one.rows_test, one.candidates, one.releases, one.live)
        for product in house.workspace.products
        for one in lineage(house, product, customer)
    ]
    return tuple(found)
