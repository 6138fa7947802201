"""What the operator of a knowledge product does: read proposals, approve them, add and withdraw entries.

The live model embeds questions and drafts answers; the decision and its amendment are one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock import installed
from penstock.core.errors import BadInput, NotFound
from penstock.loader import Loader
from penstock.models.artifact import read_artifact
from penstock.models.protocol import Floats
from penstock.registry import amendments, releases
from penstock.registry.amendments import Amendment
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.tasks.knowledge import edits, proposals
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.model.answering import ENTRIES, Answering, amended
from penstock.tasks.knowledge.model.answering import entries_of as saved_entries
from penstock.tasks.knowledge.model.tokenizer import pieces
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product

TASK = "knowledge-answering"
SPREADS = 2.5  # above the mean of unrelated questions: 0.68 for all-MiniLM-L6-v2, and its like elsewhere
LIKENESS_BY_WORDS = 0.4  # of pieces of words, where no encoder reads them
COLUMNS = 4_096
MOST_QUESTIONS = 2_000  # gathered at once: their likeness to each other is a matrix of 16 MB


def propose(house: House, product: str) -> list[proposals.Proposal]:
    """Gather what was not answered well since the last time; answer the undecided proposals, the most asked first.

    A question that the entries of now would answer is left out. Raises NotFound, BadInput.
    """
    model = live_model(house, product)
    asked = _gathered(house, product, model)
    with house.store.read() as tx:
        known = {name: texts for name, texts in proposals.known_texts(tx, product).items() if texts}
    groups = _groups(model, asked, known) if asked else []
    with house.store.transaction() as tx:
        proposals.keep(tx, product, groups)
    with house.store.read() as tx:
        return proposals.list_proposals(tx, product)


def _gathered(house: House, product: str, model: Answering) -> list[proposals.Asked]:
    """The newest MOST_QUESTIONS that no entry answers yet; the next time takes the next. What is answered by now is
    asked of the model again at each gathering while it is kept, and counts for nothing."""
    asked: list[proposals.Asked] = []
    answered: dict[str, bool] = {}
    before: Mapping[str, Any] | None = None
    while len(asked) < MOST_QUESTIONS:
        with house.store.read() as tx:  # one a page: no read holds the database while the model answers
            page = proposals.gather(tx, product, before)
        for one in page.asked:
            if one.why == "unanswered" and one.text not in answered:
                answered[one.text] = _answers(model, one.text)
            if one.why == "rated down" or not answered[one.text]:
                asked.append(one)
        before = page.before
        if before is None:
            break
    return asked[:MOST_QUESTIONS]


def approve(
    house: House, proposal_id: str, *, answer: str | None, onto: str | None, question: str | None = None
) -> Entry:
    """Make a proposal an entry, or questions of an entry; see proposals.approve."""
    with house.store.read() as tx:
        product = proposals.get_proposal(tx, proposal_id).product
    terms = _terms(house, product)
    with house.store.transaction() as tx:
        return proposals.approve(tx, house.blobs, proposal_id, terms=terms, answer=answer, onto=onto, question=question)


def reject(house: House, proposal_id: str) -> None:
    """Close a proposal without an entry."""
    with house.store.transaction() as tx:
        proposals.reject(tx, proposal_id)


def add(house: House, product: str, values: dict[str, Any]) -> Entry:
    """Serve an entry from now on: of a new question, or the newer version of the entry named by `id`.

    Of an entry that is there, what is left out stays. Raises BadInput, Conflict.
    """
    given = {name: value for name, value in values.items() if value is not None}

    def made(present: Mapping[str, Entry]) -> dict[str, Any]:
        before = present.get(str(given.get("id")))
        return {**({} if before is None else before.to_json()), **given, "origin": "operator"}

    terms = _terms(house, product)
    with house.store.transaction() as tx:
        return edits.add_entry(tx, house.blobs, product, made, terms, f"entry {given.get('id') or 'added'}")


def withdraw(house: House, product: str, entry_id: str) -> Amendment:
    """Stop serving an entry. Raises NotFound; Conflict for the last one."""
    terms = _terms(house, product)
    with house.store.transaction() as tx:
        return edits.withdraw(tx, house.blobs, product, entry_id, terms)


def _terms(house: House, product: str) -> edits.Terms:
    """What an edit of the product's entries stands on. Raises BadInput for a product of another task."""
    described = _knowing(house, product)

    def released(tx: Transaction) -> list[Entry]:
        artifact = read_artifact(house.blobs, _released(tx, product).artifact)
        return saved_entries(artifact.read(ENTRIES), f"artifact {artifact.digest[:12]}…")

    return edits.Terms(released, described.cleaning.max_chars)


def entries_of(house: House, product: str) -> tuple[Entry, ...]:
    """The entries that are served now."""
    return live_model(house, product).index.entries


def live_model(house: House, product: str) -> Answering:
    """What gateways serve of a product: its live release, with what has been amended. Raises NotFound, BadInput."""
    _knowing(house, product)
    with house.store.read() as tx:
        live = _released(tx, product)
        present = amendments.current(tx, product)
    model = Loader(house.blobs).load(live.artifact)
    if not isinstance(model, Answering):
        raise BadInput(f"the live release of {product} is a {model.kind!r}", hint=f"release one trained for {TASK}")
    content = amendments.content_of(house.blobs, present)
    return amended(model, content) if content else model


def _knowing(house: House, product: str) -> Product:
    described = product_of(house.workspace, product)
    if described.task != TASK:
        knowing = [name for name, each in house.workspace.products.items() if each.task == TASK]
        hint = f"products of {TASK}: {', '.join(knowing) or 'none'}"
        raise BadInput(f"{product} is a product of {described.task}", where="PRODUCT", hint=hint)
    return described


def _released(tx: Transaction, product: str) -> releases.Release:
    live = releases.live(tx, product)
    if live is None:
        raise NotFound(f"{product} has no live release", hint=f"penstock train {product}; penstock release {product}")
    return live


def _answers(model: Answering, question: str) -> bool:
    outputs = _ask(model, question)
    return bool(outputs["answered"])


def _ask(model: Answering, question: str) -> dict[str, Any]:
    task = installed.get(TASK)
    parsed = task.parse([question], model)
    answer: dict[str, Any] = task.render(model, parsed[0], model.predict(parsed)[0])
    return answer


def _groups(model: Answering, asked: Sequence[proposals.Asked], known: dict[str, list[str]]) -> list[proposals.Group]:
    names = list(known)
    texts = [text for name in names for text in known[name]]
    vectors, likeness = _vectors(model, [*(one.text for one in asked), *texts])
    found = proposals.grouped(vectors[: len(asked)], _means(vectors[len(asked) :], known), likeness)
    groups = []
    for joined, rows in found:
        chosen = tuple(asked[row] for row in rows)
        if joined is not None:
            groups.append(proposals.Group(chosen, names[joined]))
            continue
        nearest = _ask(model, chosen[0].text)["candidates"][:1]
        entry = model.entry(nearest[0]["entry"]) if nearest else None
        near, draft = (None, "") if entry is None else (entry.id, entry.answer)
        groups.append(proposals.Group(chosen, None, near, draft))
    return groups


def _vectors(model: Answering, texts: Sequence[str]) -> tuple[Floats, float]:
    """Unit vectors of texts (n, hidden), and the cosine from which on two ask the same."""
    scale = model.index.vectors
    if model.backbone is not None and scale is not None:
        return model.backbone.embed(texts), min(0.9, scale.mean + SPREADS * scale.spread)
    vectors = np.zeros((len(texts), COLUMNS), dtype=np.float32)
    for row, text in enumerate(texts):
        for piece, count in Counter(pieces(text)).items():
            vectors[row, _column(piece)] += np.sqrt(count)
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return vectors / np.maximum(lengths, 1e-9), LIKENESS_BY_WORDS


def _column(piece: str) -> int:
    """A column that the piece alone decides, the same in every process."""
    value = 0
    for character in piece:
        value = (value * 1_000_003 + ord(character)) % 2_147_483_647
    return value % COLUMNS


def _means(vectors: Floats, known: dict[str, list[str]]) -> Floats:
    """The unit mean vectors (proposals, hidden) of each proposal's texts."""
    means, start = [], 0
    for texts in known.values():
        mean = vectors[start : start + len(texts)].mean(axis=0)
        means.append(mean / max(float(np.sqrt((mean * mean).sum())), 1e-9))
        start += len(texts)
    return np.stack(means) if means else np.zeros((0, vectors.shape[1]), dtype=np.float32)
