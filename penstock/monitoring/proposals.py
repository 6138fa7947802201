"""Proposals: what customers asked and were not answered, or not well, gathered into entries for the operator to write.

Nothing is answered from it before the operator approves. The words of a customer who has not consented to training are
shown while its answer is kept, for the operator to reword, and never copied into an entry.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.datasets.compare import normalise
from penstock.datasets.knowledge.entries import Entry, entry_of
from penstock.identity.customers import consenting_customers
from penstock.models.protocol import Floats
from penstock.monitoring.proposal_tables import proposal as table
from penstock.monitoring.proposal_tables import proposal_question
from penstock.monitoring.tables import feedback
from penstock.registry.amendments import Amendment, amend
from penstock.serving.tables import answer
from penstock.serving.usage_log import find_answer
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction

MOST_QUESTIONS = 2_000  # gathered at once, the newest first; the next time takes the next
_PAGE = 500

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


def gather(tx: Transaction, product: str) -> list[Asked]:
    """Questions without a good answer that are in no proposal yet, newest first: "not answered", or rated -1 (of
    five stars: 1 or 2). Those whose stored answer is forgotten are not gathered."""
    known = {
        (row["customer"], row["request_id"], row["index"])
        for row in tx.all(sa.select(proposal_question).where(proposal_question.c.organisation == tx.organisation))
    }
    down = _rated_down(tx, product)
    found: list[Asked] = []
    for row in _answers(tx, product):
        outputs = json.loads(row["body"]).get("outputs", [])
        for index, (asked, output) in enumerate(zip(row["inputs"], outputs, strict=False)):
            place = row["customer"], row["id"], index
            text = asked.get("question") if isinstance(asked, dict) else asked
            why: Why | None = "rated down" if place in down else None
            if why is None and isinstance(output, dict) and output.get("answered") is False:
                why = "unanswered"
            if why is not None and place not in known and isinstance(text, str):
                found.append(Asked(place, text, why))
    return found[:MOST_QUESTIONS]


def known_texts(tx: Transaction, product: str) -> dict[str, list[str]]:
    """The texts of undecided and of rejected proposals, as far as they are kept: what new questions may join."""
    rows = tx.all(_mine(tx).where(table.c.product == product, table.c.state != "approved").order_by(table.c.id))
    return {row["id"]: [text for _, text in _texts(tx, row["id"])] for row in rows}


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
        tx.execute(sa.insert(proposal_question), rows)
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
    entries: Sequence[Entry],
    answer: str | None = None,
    onto: str | None = None,
    question: str | None = None,
) -> Entry:
    """Make a proposal an entry with this answer, or questions of the entry `onto`; live within two seconds.

    entries: those served now. question: in the operator's words; needed where no customer who asked consents to
    training. The entry and the decision are written in this transaction. Raises NotFound, Conflict, BadInput.
    """
    found = _undecided(tx, proposal_id)
    said = [question.strip()] if question and question.strip() else []
    texts = list(dict.fromkeys([*said, *found.quotable]))
    if (answer is None) == (onto is None):
        raise BadInput("say either the answer or the entry", where=proposal_id, hint="--answer TEXT or --entry ID")
    if not texts:
        hint = 'none of those who asked consents to training, so write it in your own words: --question "..."'
        raise BadInput("the question must be reworded", where=proposal_id, hint=hint)
    if onto is not None:
        base = next((entry for entry in entries if entry.id == onto), None)
        if base is None:
            raise NotFound(f"no entry {onto!r}", where=found.product, hint="see: penstock knowledge entries PRODUCT")
        fresh = tuple(text for text in texts if text not in base.questions)
        made = replace(base, paraphrases=(*base.paraphrases, *fresh))
    else:
        first, *others = texts
        made = _new_entry(first, str(answer), tuple(others), f"proposal:{proposal_id}")
    add_entry(tx, blobs, found.product, made, entries)
    _decide(tx, proposal_id, "approved", made.id)
    return made


def reject(tx: Transaction, proposal_id: str) -> None:
    """Close a proposal; questions like it are not proposed again while its texts are kept. Raises as `approve`."""
    _undecided(tx, proposal_id)
    _decide(tx, proposal_id, "rejected", None)


def add_entry(tx: Transaction, blobs: BlobStore, product: str, entry: Entry, entries: Sequence[Entry]) -> Amendment:
    """Serve an entry from now on; it replaces the one of its id. entries: those served now.

    Raises Conflict where another entry asks the same question and answers otherwise.
    """
    key = normalise(entry.question), entry.locale
    for other in entries:
        same = (normalise(other.question), other.locale) == key and other.id != entry.id
        if same and normalise(other.answer) != normalise(entry.answer):
            hint = f"change that entry: --id {other.id}; or withdraw it first"
            raise Conflict(f"the entry {other.id!r} asks the same and answers otherwise", where=product, hint=hint)

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        kept = [one for one in content.get("entries", []) if one["id"] != entry.id]
        gone = [one for one in content.get("withdrawn", []) if one != entry.id]
        return {"entries": [*kept, entry.to_json()], "withdrawn": gone}

    return _amend(tx, blobs, product, changed, f"entry {entry.id}, version {entry.version}")


def withdraw(tx: Transaction, blobs: BlobStore, product: str, entry_id: str, entries: Sequence[Entry]) -> Amendment:
    """Stop serving an entry. entries: those served now. Raises NotFound."""
    if entry_id not in {entry.id for entry in entries}:
        raise NotFound(f"no entry {entry_id!r}", where=product, hint="see: penstock knowledge entries PRODUCT")

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        kept = [one for one in content.get("entries", []) if one["id"] != entry_id]
        return {"entries": kept, "withdrawn": sorted({*content.get("withdrawn", []), entry_id})}

    return _amend(tx, blobs, product, changed, f"withdrawn: {entry_id}")


def _amend(tx: Transaction, blobs: BlobStore, product: str, change: Any, note: str) -> Amendment:
    return amend(tx, blobs, product=product, edit=change, note=note)


def _new_entry(question: str, answer: str, paraphrases: tuple[str, ...], origin: str) -> Entry:
    values = {"question": question, "answer": answer, "paraphrases": list(paraphrases), "origin": origin}
    return entry_of(values, origin)


def _undecided(tx: Transaction, proposal_id: str) -> Proposal:
    counters.take(tx, "proposal", 0)  # holds the lock: two people do not decide the same
    found = get_proposal(tx, proposal_id)
    if found.state != "open":
        raise Conflict(f"the proposal is {found.state} already", where=proposal_id)
    return found


def _decide(tx: Transaction, proposal_id: str, state: State, entry: str | None) -> None:
    mine = sa.and_(table.c.organisation == tx.organisation, table.c.id == proposal_id)
    tx.execute(sa.update(table).where(mine).values(state=state, entry=entry, decided_at=tx.now))


def _answers(tx: Transaction, product: str) -> Sequence[sa.RowMapping]:
    """The product's stored answers, newest first: bounded by how many days answers are kept."""
    query = sa.select(answer).where(answer.c.organisation == tx.organisation, answer.c.product == product)
    return tx.all(query.order_by(answer.c.created_at.desc(), answer.c.id))


def _rated_down(tx: Transaction, product: str) -> set[Place]:
    """Ratings of -1; where the product is rated in stars (any of 2 to 5 was given), also those of 1 and 2."""
    query = sa.select(feedback).where(
        feedback.c.organisation == tx.organisation,
        feedback.c.product == product,
        feedback.c.superseded.is_(False),
        feedback.c.rating.is_not(None),
    )
    rows = tx.all(query)
    stars = any(row["rating"] > 1 for row in rows)
    low = {-1, 1, 2} if stars else {-1}
    return {(row["customer"], row["request_id"], row["index"]) for row in rows if row["rating"] in low}


def _proposal(tx: Transaction, row: Mapping[Any, Any], consenting: Collection[str]) -> Proposal:
    texts = _texts(tx, row["id"])
    quotable = tuple(dict.fromkeys(text for customer, text in texts if customer in consenting))
    shown = quotable[0] if quotable else texts[0][1] if texts else None
    counted = sa.select(sa.func.count()).select_from(proposal_question)
    count = tx.scalar(counted.where(*_questions(tx, row["id"])))
    rest = {name: row[name] for name in ("id", "product", "near", "suggestion", "state", "entry")}
    times = {name: row[name] for name in ("created_at", "decided_at")}
    return Proposal(question=shown, quotable=quotable, count=int(count or 0), **rest, **times)


def _texts(tx: Transaction, proposal_id: str) -> list[tuple[str, str]]:
    """(customer, text) of a proposal's questions: the copy of those who consented, else the stored answer's input."""
    found = []
    for row in tx.all(sa.select(proposal_question).where(*_questions(tx, proposal_id)).order_by(_ORDER)):
        text = row["text"]
        if text is None:
            stored = find_answer(tx, row["customer"], row["request_id"])
            asked = None if stored is None else stored.inputs[row["index"]]
            text = asked.get("question") if isinstance(asked, dict) else asked
        if isinstance(text, str):
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
