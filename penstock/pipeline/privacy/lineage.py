"""From a customer to the models that learned from it: its rows in each data version, and the candidates and releases
made of those; with its consent then and now. It reads the rows themselves, not what was noted of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.datasets.versions import DatasetVersion, list_versions, load_rows
from penstock.identity.customers import Consent, Customer, consent_history, list_customers
from penstock.pipeline.customers import ERASURE
from penstock.pipeline.privacy.consent import Owners, owners_in, owners_of
from penstock.registry.candidates import Candidate, list_candidates
from penstock.registry.releases import Release, list_releases
from penstock.runtime.house import House
from penstock.storage.documents import list_documents
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Held:
    """What one data version holds of a customer. candidates, releases: numbers of those made of it, also by
    compression. live: one of them is served. consented_then: when the version was made."""

    customer: str
    name: str
    version: int
    made_at: datetime
    rows_train: int
    rows_test: int
    consented_then: bool
    consents_now: bool
    candidates: tuple[int, ...]
    releases: tuple[int, ...]
    live: bool

    @property
    def taken(self) -> bool:
        """Rows to train on were taken without consent."""
        return self.rows_train > 0 and not self.consented_then

    @property
    def outlived(self) -> bool:
        """A model is served that learned from a customer who does not consent any more."""
        return self.live and self.rows_train > 0 and not self.consents_now


def releases_of_erased(tx: Transaction, product: str | None = None) -> dict[str, tuple[str, ...]]:
    """Releases (id) whose model learned from customers that were erased -> those customers (ids), of one product or of
    all; by what the records of the erasures say, so also what was compressed and released since."""
    found: dict[str, set[str]] = {}
    for record in list_documents(tx, ERASURE):
        for one in record["learned"]:
            if product in (None, one["product"]):
                for release in _learned_from(tx, one):
                    found.setdefault(release, set()).add(record["customer"])
    return {release: tuple(sorted(customers)) for release, customers in found.items()}


def _learned_from(tx: Transaction, noted: Mapping[str, Any]) -> list[str]:
    """Test rows are learned from by what was trained again on all rows."""
    trained = list_candidates(tx, noted["product"])
    [version] = [one.id for one in list_versions(tx, noted["product"]) if one.number == noted["version"]] or [""]
    learned = _learned(version, trained)
    models = {one.id for one in trained if one.id in learned and (noted["rows_train"] or one.served != one.artifact)}
    return [one.id for one in list_releases(tx, noted["product"]) if one.candidate in models]


@dataclass(frozen=True)
class Standing(Release):
    """A release as it is listed. erased_customers: ids of those of whom its model learned and who were erased since."""

    erased_customers: tuple[str, ...]


def standing_releases(tx: Transaction, product: str | None = None) -> list[Standing]:
    """Every release of a product, or of all, with whom it should forget."""
    erased = releases_of_erased(tx, product)
    return [Standing(**vars(one), erased_customers=erased.get(one.id, ())) for one in list_releases(tx, product)]


def lineage(house: House, product: str, customer: str | None = None) -> list[Held]:
    """Each customer (id) with rows in a version of the product, or only one; by customer and version."""
    with house.store.read() as tx:
        owners = owners_in(tx, house.blobs, product)
        versions = list_versions(tx, product)
        trained, released = list_candidates(tx, product), list_releases(tx, product)
        people = {one.id: (one, consent_history(tx, one.id)) for one in list_customers(tx)}
    found = []
    for version in versions:
        learned = _learned(version.id, trained)
        served = [one for one in released if one.candidate in learned]
        agreed = {name for name, (_, said) in people.items() if consented_at(said, version.created_at)}
        train, test = (_counts(rows, owners, agreed) for rows in load_rows(house.blobs, version))
        for name in sorted(train.keys() | test.keys()):
            if customer in (None, name):
                known, said = people.get(name, (None, []))
                found.append(_held(name, known, said, version, train[name], test[name], learned, served))
    return sorted(found, key=lambda one: (one.name, one.customer, one.version))


def consented_at(history: Sequence[Consent], instant: datetime) -> bool:
    """Whether the customer's yes stood at that instant; a no of the very same instant came after it."""
    before = [one for one in history if one.recorded_at < instant]
    return any(one.granted for one in [*before[-1:], *(one for one in history if one.recorded_at == instant)])


def _held(
    customer: str,
    known: Customer | None,
    said: Sequence[Consent],
    version: DatasetVersion,
    rows_train: int,
    rows_test: int,
    learned: Mapping[str, int],
    served: Sequence[Release],
) -> Held:
    return Held(
        customer=customer,
        name=customer if known is None else known.name,
        version=version.number,
        made_at=version.created_at,
        rows_train=rows_train,
        rows_test=rows_test,
        consented_then=consented_at(said, version.created_at),
        consents_now=known is not None and known.training_consent,
        candidates=tuple(sorted(learned.values())),
        releases=tuple(sorted(one.number for one in served)),
        live=any(one.state == "live" for one in served),
    )


def _counts(rows: Sequence[Mapping[str, Any]], owners: Owners, agreed: Collection[str]) -> Counter[str]:
    """Rows by customer. Words that several used were taken from those who agreed, if any of them did."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(frozenset().union(*(group & set(agreed) or group for group in owners_of(row, owners))))
    return counts


def _learned(version_id: str, trained: Sequence[Candidate]) -> dict[str, int]:
    """Candidates (id -> number) trained on the version, and all that were compressed from them."""
    found = {one.id: one.number for one in trained if one.dataset_version == version_id}
    for one in trained:  # by number, so what something was made from comes before it
        if set(one.made_from) & found.keys():
            found[one.id] = one.number
    return found
