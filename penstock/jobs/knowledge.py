"""What the operator of a knowledge product does: read proposals, approve them, add and withdraw entries.

The live model embeds questions and drafts answers; the decision and its amendment are one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock import tasks
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.datasets.knowledge.entries import Entry, entry_of
from penstock.models.knowledge.answering import Answering, amended
from penstock.models.knowledge.words import pieces
from penstock.models.load import Loader
from penstock.models.protocol import Floats
from penstock.monitoring import proposals
from penstock.registry import amendments, releases
from penstock.registry.amendments import Amendment
from penstock.runtime.house import House
from penstock.workspace.loader import product_of

TASK = "knowledge-answering"
SPREADS = 2.5  # above the mean of unrelated questions: 0.68 for all-MiniLM-L6-v2, and its like elsewhere
LIKENESS_BY_WORDS = 0.4  # of pieces of words, where no encoder reads them
COLUMNS = 4_096


def propose(house: House, product: str) -> list[proposals.Proposal]:
    """Gather what was not answered well since the last time; answer the undecided proposals, the most asked first.

    A question that the entries of now would answer is left out. Raises NotFound, BadInput.
    """
    model = live_model(house, product)
    with house.store.read() as tx:
        asked = proposals.gather(tx, product)
        known = {name: texts for name, texts in proposals.known_texts(tx, product).items() if texts}
    asked = [one for one in asked if one.why == "rated down" or not _answers(model, one.text)]
    if asked:
        groups = _groups(model, asked, known)
        with house.store.transaction() as tx:
            proposals.keep(tx, product, groups)
    with house.store.read() as tx:
        return proposals.list_proposals(tx, product)


def approve(
    house: House, proposal_id: str, *, answer: str | None, onto: str | None, question: str | None = None
) -> Entry:
    """Make a proposal an entry, or questions of an entry; see proposals.approve."""
    with house.store.read() as tx:
        found = proposals.get_proposal(tx, proposal_id)
    entries = live_model(house, found.product).index.entries
    with house.store.transaction() as tx:
        return proposals.approve(
            tx, house.blobs, proposal_id, entries=entries, answer=answer, onto=onto, question=question
        )


def reject(house: House, proposal_id: str) -> None:
    """Close a proposal without an entry."""
    with house.store.transaction() as tx:
        proposals.reject(tx, proposal_id)


def add(house: House, product: str, values: dict[str, Any]) -> Entry:
    """Serve an entry from now on: of a new question, or the newer version of the entry named by `id`.

    Of an entry that is there, what is left out stays. Raises BadInput, Conflict.
    """
    entries = live_model(house, product).index.entries
    given = {name: value for name, value in values.items() if value is not None}
    before = next((entry for entry in entries if entry.id == given.get("id")), None)
    kept = {} if before is None else before.to_json()
    entry = entry_of({**kept, **given, "origin": "operator"}, "entry")
    with house.store.transaction() as tx:
        proposals.add_entry(tx, house.blobs, product, entry, entries)
    return entry


def withdraw(house: House, product: str, entry_id: str) -> Amendment:
    """Stop serving an entry. Raises NotFound; Conflict for the last one."""
    entries = live_model(house, product).index.entries
    if len(entries) == 1 and entries[0].id == entry_id:
        raise Conflict("it is the last entry: nothing could be answered", where=product, hint="add another one first")
    with house.store.transaction() as tx:
        return proposals.withdraw(tx, house.blobs, product, entry_id, entries)


def entries_of(house: House, product: str) -> tuple[Entry, ...]:
    """The entries that are served now."""
    return live_model(house, product).index.entries


def live_model(house: House, product: str) -> Answering:
    """What gateways serve of a product: its live release, with what has been amended. Raises NotFound, BadInput."""
    described = product_of(house.workspace, product)
    if described.task != TASK:
        knowing = [name for name, each in house.workspace.products.items() if each.task == TASK]
        hint = f"products of {TASK}: {', '.join(knowing) or 'none'}"
        raise BadInput(f"{product} is a product of {described.task}", where="PRODUCT", hint=hint)
    with house.store.read() as tx:
        live = releases.live(tx, product)
        present = amendments.current(tx, product)
    if live is None:
        raise NotFound(f"{product} has no live release", hint=f"penstock train {product}; penstock release {product}")
    model = Loader(house.blobs).load(live.artifact)
    if not isinstance(model, Answering):
        raise BadInput(f"the live release of {product} is a {model.kind!r}", hint=f"release one trained for {TASK}")
    content = amendments.content_of(house.blobs, present)
    return amended(model, content) if content else model


def _answers(model: Answering, question: str) -> bool:
    outputs = _ask(model, question)
    return bool(outputs["answered"])


def _ask(model: Answering, question: str) -> dict[str, Any]:
    task = tasks.get(TASK)
    parsed = task.parse([question], model)
    return task.render(model, parsed[0], model.predict(parsed)[0])


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
