"""Proposals: what customers asked and were not answered, or not well, gathered into entries for the operator to write.

Nothing is answered from it before the operator approves. The words of a customer who has not consented to training are
shown while its answer is kept, for the operator to reword, and never copied into an entry.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.identity.customers import consenting_customers
from penstock.metering.tables import answer
from penstock.metering.usage_log import find_answer
from penstock.models.protocol import Floats
from penstock.monitoring.tables import feedback
from penstock.runtime.house import House
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction
from penstock.storage.sealed import opened, seal_rows
from penstock.tasks.knowledge.data.entries import MAX_PARAPHRASES, Entry
from penstock.tasks.knowledge.edits import Terms, add_entry, no_entry
from penstock.tasks.knowledge.tables import proposal as table
from penstock.tasks.knowledge.tables import proposal_question

_ERASED_AT_ONCE = 500
_PAGE = 200  # answers read at once: with 100 questions and their candidates each, some 20 MB

Why = Literal["unanswered", "rated down"]
State = Literal["open", "approved", "rejected"]
Place = tuple[str, str, int]
"""(customer, request id, index): which question of whom."""


@dataclass(frozen=True)
class Asked:
    """A question that got no good answer."""

    place: Place
    text: str
    why: Why


@dataclass(frozen=True)
class Page:
    """Questions of some stored answers, the newest first. before: what to ask `gather` for the older ones; None: that
    was all."""

    asked: tuple[Asked, ...]
    before: Mapping[str, Any] | None


@dataclass(frozen=True)
class Proposal:
    """question: one of its questions for the operator to read; None when none is kept any more. quotable: texts that
    may be written into an entry: of customers who consent now. count: questions. near, suggestion: the nearest
    entry and its answer, as a draft. entry: what it became."""

    id: str
    product: str
    question: str | None
    quotable: tuple[str, ...]
    count: int
    near: str | None
    suggestion: str
    state: State
    entry: str | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class Group:
    """Questions alike. proposal: the one they join, None for a new one."""

    asked: tuple[Asked, ...]
    proposal: str | None = None
    near: str | None = None
    suggestion: str = ""


def gather(tx: Transaction, product: str, before: Mapping[str, Any] | None = None) -> Page:
    """Questions without a good answer that are in no proposal yet, newest first: "not answered", or rated -1 (of
    five stars: 1 or 2). Those whose stored answer is forgotten are not gathered. A page of stored answers at a time.
    """
    rows = _answers(tx, product, before)
    requests = [row["id"] for row in rows]
    known, down = _known(tx, requests), _rated_down(tx, product, requests)
    found: list[Asked] = []
    for row in rows:
        outputs = json.loads(row["body"]).get("outputs", [])
        for index, (asked, output) in enumerate(zip(row["inputs"], outputs, strict=False)):
            place = row["customer"], row["id"], index
            text = _text(asked)
            why: Why | None = "rated down" if place in down else None
            if why is None and isinstance(output, dict) and output.get("answered") is False:
                why = "unanswered"
            if why is not None and place not in known and text is not None:
                found.append(Asked(place, text, why))
    older = {name: rows[-1][name] for name in ("created_at", "source", "id")} if len(rows) == _PAGE else None
    return Page(tuple(found), older)


def known_texts(tx: Transaction, product: str) -> dict[str, list[str]]:
    """The texts of undecided and of rejected proposals, as far as they are kept: what new questions may join."""
    consenting = consenting_customers(tx)
    rows = tx.all(_mine(tx).where(table.c.product == product, table.c.state != "approved").order_by(table.c.id))
    return {row["id"]: [text for _, text in _texts(tx, row["id"], consenting)] for row in rows}


def forget_copies(tx: Transaction) -> int:
    """Delete the copies of what customers asked who consent no more; answers how many customers' went."""
    mine = proposal_question.c.organisation == tx.organisation, proposal_question.c.text.is_not(None)
    copied = tx.all(sa.select(proposal_question.c.customer).where(*mine).distinct())
    gone = sorted({row["customer"] for row in copied} - consenting_customers(tx))
    for customer in gone:
        whose = proposal_question.c.customer == customer
        tx.execute(sa.update(proposal_question).where(*mine, whose).values(text=None))
    return len(gone)


def erase_questions(tx: Transaction, customer: str, limit: int = _ERASED_AT_ONCE) -> int:
    """Empty up to `limit` questions that proposals hold; returns how many."""
    column = proposal_question.c
    mine = (column.organisation == tx.organisation, column.customer == customer, column.text.is_not(None))
    keys = (column.request_id, column.index)
    found = [tuple(row.values()) for row in tx.all(sa.select(*keys).where(*mine).order_by(*keys).limit(limit))]
    if found:
        tx.execute_unrecorded(sa.update(proposal_question).where(*mine, sa.tuple_(*keys).in_(found)).values(text=None))
    return len(found)


def forget_uncopied(house: House) -> None:
    """Delete the copies of what customers asked who consent no more."""
    with house.store.transaction() as tx:
        forget_copies(tx)


def grouped(vectors: Floats, known: Floats, likeness: float) -> list[tuple[int | None, list[int]]]:
    """Rows alike: (row of `known` that they join, or None; their rows).

    vectors: unit vectors (n, hidden) of new questions. known: unit vectors (k, hidden) of proposals. A row joins the
    nearest proposal within `likeness` (a cosine); of the others the one with the most neighbours leads the first
    group, and takes them.
    """
    joined: dict[int, list[int]] = defaultdict(list)
    free: list[int] = []
    for row, alike in enumerate(vectors @ known.T if len(known) else [()] * len(vectors)):
        best = max(range(len(alike)), key=lambda place: float(alike[place]), default=None)
        if best is not None and alike[best] >= likeness:
            joined[best].append(row)
        else:
            free.append(row)
    near = vectors[free] @ vectors[free].T >= likeness
    groups: list[tuple[int | None, list[int]]] = list(joined.items())
    left = set(range(len(free)))
    for leader in sorted(left, key=lambda place: (-int(near[place].sum()), place)):
        if leader in left:
            taken = [leader, *sorted(place for place in left if near[leader, place] and place != leader)]
            left -= set(taken)
            groups.append((None, [free[place] for place in taken]))
    return groups


def keep(tx: Transaction, product: str, groups: Sequence[Group]) -> list[str]:
    """Write groups as proposals; a question that another process proposed meanwhile is left out. Answers new ids."""
    counters.take(tx, "proposal", 0)  # holds the lock: a question goes into one proposal
    forget_copies(tx)
    consenting = consenting_customers(tx)
    made = []
    for group in groups:
        asked = [one for one in group.asked if not _is_known(tx, one.place)]
        if not asked:
            continue
        name = group.proposal
        if name is None:
            name = tx.new_id("prop")
            values = {"id": name, "product": product, "near": group.near, "suggestion": group.suggestion}
            state = {"state": "open", "entry": None, "created_at": tx.now, "decided_at": None}
            tx.execute(sa.insert(table).values(organisation=tx.organisation, **values, **state))
            made.append(name)
        rows = [
            {"organisation": tx.organisation, "customer": customer, "request_id": request, "index": index}
            | {"proposal": name, "why": one.why, "text": one.text if customer in consenting else None}
            for one in asked
            for customer, request, index in [one.place]
        ]
        tx.execute(sa.insert(proposal_question), seal_rows(tx, proposal_question, rows))
    return made


def list_proposals(tx: Transaction, product: str, state: State | None = "open") -> list[Proposal]:
    """Proposals of a state (None: all), those asked most often first."""
    query = _mine(tx).where(table.c.product == product)
    if state is not None:
        query = query.where(table.c.state == state)
    consenting = consenting_customers(tx)
    found = [_proposal(tx, row, consenting) for row in tx.all(query.order_by(table.c.id))]
    return sorted(found, key=lambda one: (-one.count, one.id))


def get_proposal(tx: Transaction, proposal_id: str) -> Proposal:
    """The proposal of that id. Raises NotFound."""
    row = tx.first(_mine(tx).where(table.c.id == proposal_id))
    if row is None:
        raise NotFound(f"no proposal {proposal_id!r}", hint="see: penstock knowledge proposals PRODUCT")
    return _proposal(tx, row, consenting_customers(tx))


def approve(
    tx: Transaction,
    blobs: BlobStore,
    proposal_id: str,
    *,
    terms: Terms,
    answer: str | None = None,
    onto: str | None = None,
    question: str | None = None,
) -> Entry:
    """Make a proposal an entry with this answer, or questions of the entry `onto`; live within two seconds.

    question: in the operator's words; needed where no customer who asked consents to training. The entry and the
    decision are written in this transaction. Raises NotFound, Conflict, BadInput.
    """
    found = _undecided(tx, proposal_id)
    said = [question.strip()] if question and question.strip() else []
    texts = list(dict.fromkeys([*said, *found.quotable]))
    if (answer is None) == (onto is None):
        raise BadInput("say either the answer or the entry", where=proposal_id, hint="--answer TEXT or --entry ID")
    if not texts:
        hint = 'none of those who asked consents to training, so write it in your own words: --question "..."'
        raise BadInput("the question must be reworded", where=proposal_id, hint=hint)

    def made(present: Mapping[str, Entry]) -> dict[str, Any]:
        if onto is None:
            values: dict[str, Any] = {"question": texts[0], "answer": answer, "origin": f"proposal:{proposal_id}"}
            return {**values, "paraphrases": texts[1:][:MAX_PARAPHRASES]}
        base = present.get(onto)
        if base is None:
            raise no_entry(found.product, onto)
        fresh = [text for text in texts if text not in base.questions]
        return {**base.to_json(), "paraphrases": [*base.paraphrases, *fresh][:MAX_PARAPHRASES]}

    whose = _said_by(tx, proposal_id, set(found.quotable) - set(said))
    entry = add_entry(tx, blobs, found.product, made, terms, f"approved: {proposal_id}", whose)
    _decide(tx, proposal_id, "approved", entry.id)
    return entry


def reject(tx: Transaction, proposal_id: str) -> None:
    """Close a proposal; questions like it are not proposed again while its texts are kept. Raises as `approve`."""
    _undecided(tx, proposal_id)
    _decide(tx, proposal_id, "rejected", None)


def _undecided(tx: Transaction, proposal_id: str) -> Proposal:
    counters.take(tx, "proposal", 0)  # holds the lock: two people do not decide the same
    forget_copies(tx)
    found = get_proposal(tx, proposal_id)
    if found.state != "open":
        raise Conflict(f"the proposal is {found.state} already", where=proposal_id)
    return found


def _decide(tx: Transaction, proposal_id: str, state: State, entry: str | None) -> None:
    mine = sa.and_(table.c.organisation == tx.organisation, table.c.id == proposal_id)
    tx.execute(sa.update(table).where(mine).values(state=state, entry=entry, decided_at=tx.now))


def _said_by(tx: Transaction, proposal_id: str, texts: Collection[str]) -> dict[str, set[str]]:
    """Which customers, of those who consent, asked in each of these very words."""
    consenting, found = consenting_customers(tx), defaultdict(set)
    for customer, text in _texts(tx, proposal_id, consenting):
        if customer in consenting and text in texts:
            found[text].add(customer)
    return dict(found)


def _answers(tx: Transaction, product: str, before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """A page of the product's stored answers, newest first; of one instant by source and id."""
    column = answer.c
    query = sa.select(answer).where(column.organisation == tx.organisation, column.product == product)
    if before is not None:
        here, source = column.created_at == before["created_at"], column.source == before["source"]
        later = sa.or_(column.source > before["source"], sa.and_(source, column.id > before["id"]))
        query = query.where(sa.or_(column.created_at < before["created_at"], sa.and_(here, later)))
    return opened(tx, answer, query.order_by(column.created_at.desc(), column.source, column.id).limit(_PAGE))


def _known(tx: Transaction, requests: Sequence[str]) -> set[Place]:
    """Those questions of these requests that are in a proposal."""
    column = proposal_question.c
    query = sa.select(column.customer, column.request_id, column.index)
    rows = tx.all(query.where(column.organisation == tx.organisation, column.request_id.in_(requests)))
    return {(row["customer"], row["request_id"], row["index"]) for row in rows}


def _rated_down(tx: Transaction, product: str, requests: Sequence[str]) -> set[Place]:
    """Ratings of -1; where the product is rated in stars (any of 2 to 5 was given), also those of 1 and 2."""
    column = feedback.c
    rated = column.organisation == tx.organisation, column.product == product, column.superseded.is_(False)
    stars = tx.first(sa.select(column.id).where(*rated, column.rating > 1).limit(1)) is not None
    low = column.rating.in_((-1, 1, 2) if stars else (-1,))
    rows = tx.all(sa.select(feedback).where(*rated, low, column.request_id.in_(requests)))
    return {(row["customer"], row["request_id"], row["index"]) for row in rows}


def _text(asked: Any) -> str | None:
    """The question of an input, without the NUL that no entry (and no column of Postgres) can hold."""
    text = asked.get("question") if isinstance(asked, dict) else asked
    return text.replace("\0", " ") if isinstance(text, str) else None


def _proposal(tx: Transaction, row: Mapping[Any, Any], consenting: Collection[str]) -> Proposal:
    texts = _texts(tx, row["id"], consenting)
    quotable = tuple(dict.fromkeys(text for customer, text in texts if customer in consenting))
    shown = quotable[0] if quotable else texts[0][1] if texts else None
    counted = sa.select(sa.func.count()).select_from(proposal_question)
    count = tx.scalar(counted.where(*_questions(tx, row["id"])))
    rest = {name: row[name] for name in ("id", "product", "near", "suggestion", "state", "entry")}
    times = {name: row[name] for name in ("created_at", "decided_at")}
    return Proposal(question=shown, quotable=quotable, count=int(count or 0), **rest, **times)


def _texts(tx: Transaction, proposal_id: str, consenting: Collection[str]) -> list[tuple[str, str]]:
    """(customer, text) of a proposal's questions: the copy of those who consent now, else the stored answer's input."""
    found = []
    query = sa.select(proposal_question).where(*_questions(tx, proposal_id)).order_by(_ORDER)
    for row in opened(tx, proposal_question, query):
        text = row["text"] if row["customer"] in consenting else None
        if text is None:
            stored = find_answer(tx, row["customer"], row["request_id"])
            text = None if stored is None else _text(stored.inputs[row["index"]])
        if text is not None:
            found.append((row["customer"], text))
    return found


_ORDER = proposal_question.c.request_id


def _questions(tx: Transaction, proposal_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    column = proposal_question.c
    return column.organisation == tx.organisation, column.proposal == proposal_id


def _is_known(tx: Transaction, place: Place) -> bool:
    column = proposal_question.c
    customer, request, index = place
    same = (column.customer == customer, column.request_id == request, column.index == index)
    return tx.first(sa.select(column.proposal).where(column.organisation == tx.organisation, *same)) is not None


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(table).where(table.c.organisation == tx.organisation)
