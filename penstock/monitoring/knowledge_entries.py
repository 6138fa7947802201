"""Entries of a knowledge base as the operator changes them: each edit stands on what is served behind the lock.

It knows amendments and a way to read the live release's entries; it knows no proposal and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import Conflict, NotFound
from penstock.datasets.compare import normalise
from penstock.datasets.knowledge.entries import MOST_ANSWER_CHARS, Entry, entry_of
from penstock.datasets.knowledge.parts import entries_now
from penstock.registry.amendments import Amendment, amend
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction


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
) -> Entry:
    """Serve an entry from now on; it replaces the one of its id. make: its values, of the entries served now by id.

    Raises BadInput for values that are no entry, Conflict where another one asks the same and answers otherwise.
    """
    made: list[Entry] = []

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        present = entries_now(terms.released(tx), content)
        entry = entry_of(make(present), "entry", max_answer_chars=terms.most_answer_chars)
        _check_no_other(product, entry, present)
        made.append(entry)
        kept = [one for one in content.get("entries", []) if one["id"] != entry.id]
        gone = [one for one in content.get("withdrawn", []) if one != entry.id]
        return {"entries": [*kept, entry.to_json()], "withdrawn": gone}

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
        return {"entries": kept, "withdrawn": sorted({*content.get("withdrawn", []), entry_id})}

    return amend(tx, blobs, product=product, edit=changed, note=f"withdrawn: {entry_id}")


def _check_no_other(product: str, entry: Entry, present: Mapping[str, Entry]) -> None:
    key = normalise(entry.question), entry.locale
    for other in present.values():
        same = (normalise(other.question), other.locale) == key and other.id != entry.id
        if same and normalise(other.answer) != normalise(entry.answer):
            hint = f"change that entry: --id {other.id}; or withdraw it first"
            raise Conflict(f"the entry {other.id!r} asks the same and answers otherwise", where=product, hint=hint)


def no_entry(product: str, entry_id: str) -> NotFound:
    return NotFound(f"no entry {entry_id!r}", where=product, hint="see: penstock knowledge entries PRODUCT")
