"""Entries of a knowledge base as the operator changes them: each edit stands on what is served behind the lock.

It knows amendments, whose words an entry took over, and a way to read the live release's entries; it knows no proposal
and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from penstock.core.errors import Conflict, NotFound
from penstock.core.hashing import digest_of
from penstock.datasets.compare import normalise
from penstock.registry.amendments import Amendment, amend
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction
from penstock.tasks.knowledge.data.entries import MOST_ANSWER_CHARS, Entry, entry_of
from penstock.tasks.knowledge.data.parts import amended_entries, entries_now


@dataclass(frozen=True)
class Terms:
    """What an edit stands on. released: reads the live release's entries as they were trained; asked behind the lock.

    most_answer_chars: the product's own limit. It is asked when an entry is written and not again at training, so a
    limit that is lowered later breaks no training.
    """

    released: Callable[[Transaction], Sequence[Entry]]
    most_answer_chars: int = MOST_ANSWER_CHARS


def add_entry(
    tx: Transaction,
    blobs: BlobStore,
    product: str,
    make: Callable[[Mapping[str, Entry]], Mapping[str, Any]],
    terms: Terms,
    note: str,
    said_by: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Entry:
    """Serve an entry from now on; it replaces the one of its id. make: its values, of the entries served now by id.

    said_by: which of its texts are the words of which customers.
    Raises BadInput for values that are no entry, Conflict where another one asks the same and answers otherwise.
    """
    made: list[Entry] = []

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        present = entries_now(terms.released(tx), content)
        entry = entry_of(make(present), "entry", max_answer_chars=terms.most_answer_chars)
        before = {words_of(text) for text in present[entry.id].questions} if entry.id in present else set()
        whose = {words_of(text): sorted(customers) for text, customers in said_by.items()}
        fresh = {words: whose[words] for text in entry.questions if (words := words_of(text)) in whose.keys() - before}
        _check_no_other(product, entry, present)
        made.append(entry)
        kept = [one for one in content.get("entries", []) if one["id"] != entry.id]
        gone = [one for one in content.get("withdrawn", []) if one != entry.id]
        said = {**fresh, **content.get("said_by", {})}
        return _content([*kept, entry.to_json()], gone, said)

    amend(tx, blobs, product=product, edit=changed, note=note)
    return made[0]


def withdraw(tx: Transaction, blobs: BlobStore, product: str, entry_id: str, terms: Terms) -> Amendment:
    """Stop serving an entry. Raises NotFound; Conflict for the last one."""

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        present = entries_now(terms.released(tx), content)
        if entry_id not in present:
            raise no_entry(product, entry_id)
        if len(present) == 1:
            hint = "add another one first"
            raise Conflict("it is the last entry: nothing could be answered", where=product, hint=hint)
        kept = [one for one in content.get("entries", []) if one["id"] != entry_id]
        return _content(kept, sorted({*content.get("withdrawn", []), entry_id}), content.get("said_by", {}))

    return amend(tx, blobs, product=product, edit=changed, note=f"withdrawn: {entry_id}")


def words_of(text: str) -> str:
    """What stands for a customer's words where the words themselves may not be kept."""
    return digest_of([normalise(text)])


def said_by(row: Mapping[str, Any], content: Mapping[str, Any]) -> Iterable[Collection[str]]:
    """For each text of the row that an entry took over from customers, those who said it."""
    said: Mapping[str, Collection[str]] = content.get("said_by", {})
    texts = (row["question"], *row.get("paraphrases", ())) if said and "question" in row else ()
    return [customers for text in texts if (customers := said.get(words_of(text)))]


def consented(content: Mapping[str, Any], consenting: Collection[str], product: str) -> dict[str, Any]:
    """What an amendment says, without the words of customers who consent to training no more.

    Words that another customer used, who does, stay. Raises Conflict where an entry has no question left.
    """
    said: Mapping[str, Sequence[str]] = content.get("said_by", {})
    gone = {words for words, customers in said.items() if not set(customers) & set(consenting)}
    if not gone:
        return dict(content)
    entries = []
    for entry in amended_entries(content):
        texts = [text for text in entry.questions if words_of(text) not in gone]
        if not texts:
            raise Conflict(
                f"the entry {entry.id!r} asks only in words of customers who consent to training no more",
                where=product,
                hint=f'write it in yours: penstock knowledge add {product} --id {entry.id} --question "..."; '
                f"or penstock knowledge withdraw {product} {entry.id}",
            )
        entries.append(replace(entry, question=texts[0], paraphrases=tuple(texts[1:])).to_json())
    return {**content, "entries": entries}


def _content(
    entries: Sequence[Mapping[str, Any]], withdrawn: Sequence[str], said_by: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What an amendment says of entries. said_by: `words_of` a text -> the customers who said it."""
    content = {"entries": list(entries), "withdrawn": list(withdrawn)}
    return {**content, "said_by": dict(said_by)} if said_by else content


def _check_no_other(product: str, entry: Entry, present: Mapping[str, Entry]) -> None:
    key = normalise(entry.question), entry.locale
    for other in present.values():
        same = (normalise(other.question), other.locale) == key and other.id != entry.id
        if same and normalise(other.answer) != normalise(entry.answer):
            hint = f"change that entry: --id {other.id}; or withdraw it first"
            raise Conflict(f"the entry {other.id!r} asks the same and answers otherwise", where=product, hint=hint)


def no_entry(product: str, entry_id: str) -> NotFound:
    return NotFound(f"no entry {entry_id!r}", where=product, hint="see: penstock knowledge entries PRODUCT")
