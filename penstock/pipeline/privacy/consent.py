"""Whose rows a training set holds, and that each of them consents: asked where a version is made and where one trains.

It knows rows by the customer they name and by the words that entries took over; it does not know what is in a file
whose rows name nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock import installed
from penstock.core.errors import Conflict
from penstock.core.hashing import sha256_of
from penstock.identity.customers import consenting_customers, hold_consents, list_customers
from penstock.pipeline.customers import ERASURE
from penstock.registry import amendments
from penstock.storage.blobs import BlobStore
from penstock.storage.documents import list_documents
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Owners:
    """Who owns rows of a product. people: id, name and e-mail address of each customer, as `_key` writes them -> ids
    of all who bear it; of erased ones, hashes of what they were called (see `hashed`). names: id -> name.
    amendment: what is served beside the model, which may hold customers' words; {} for none."""

    people: Mapping[str, Collection[str]]
    names: Mapping[str, str]
    amendment: Mapping[str, Any]


def owners_in(tx: Transaction, blobs: BlobStore, product: str) -> Owners:
    """As known now."""
    everybody = list_customers(tx)
    people: dict[str, set[str]] = {}
    for one in everybody:
        for word in (one.id, one.name, one.email):
            people.setdefault(_key(word), set()).add(one.id)
    for erased in list_documents(tx, ERASURE):
        for word in erased["known_as"]:
            people.setdefault(word, set()).add(erased["customer"])
    names = {one.id: one.name for one in everybody}
    content = amendments.content_of(blobs, amendments.current(tx, product))
    return Owners(people, names, content)


def owners_of(row: Mapping[str, Any], owners: Owners) -> list[frozenset[str]]:
    """Ids of customers; of each set in the list one must consent. Empty: the row is the company's own.

    Where several customers bear the name or the address that a row gives, each of them must consent. A `customer` of a
    data file that is no customer of the company's is the file's own word, and asks for no consent.
    """
    found = []
    if named := row.get("customer"):
        known = {*owners.people.get(_key(str(named)), ()), *owners.people.get(hashed(str(named)), ())}
        found += [frozenset({one}) for one in sorted(known)]
        if not known and str(row.get("origin", "")).startswith("feedback:"):
            found.append(frozenset({str(named)}))
    if owners.amendment:
        speakers = (task.said_by(row, owners.amendment) for task in installed.tasks().values())
        found += [frozenset(said) for of_task in speakers for said in of_task]
    return found


def check_made(tx: Transaction, blobs: BlobStore, product: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Before these training rows become a version in this transaction: no consent can be withdrawn meanwhile.

    Raises Conflict naming the first row that may not be learned from.
    """
    _check(hold_consents(tx), owners_in(tx, blobs, product), product, rows)


def check_trained(tx: Transaction, blobs: BlobStore, product: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Before a model learns from rows of a version made earlier: a consent may be withdrawn since. Raises Conflict."""
    _check(consenting_customers(tx), owners_in(tx, blobs, product), product, rows)


def _check(consenting: Collection[str], owners: Owners, product: str, rows: Iterable[Mapping[str, Any]]) -> None:
    agreed = frozenset(consenting)
    refused = [
        (row, min(against[0]))
        for row in rows
        if (against := [one for one in owners_of(row, owners) if not one & agreed])
    ]
    if not refused:
        return
    row, customer = refused[0]
    who = owners.names.get(customer, customer)
    more = f" (and {len(refused) - 1:,} more)" if len(refused) > 1 else ""
    raise Conflict(
        f"{row.get('origin') or 'a row'} is of {who}, who does not consent to training{more}",
        where=product,
        hint=f"penstock retrain {product} gathers the rows anew, without those; rows of a data file that name the "
        "customer must be deleted there",
    )


def hashed(word: str) -> str:
    """What stays of an erased customer's name or address: enough to refuse its rows in a data file, no more."""
    return f"sha256:{sha256_of(_key(word).encode())}"


def _key(word: str) -> str:
    return word.strip().casefold()
