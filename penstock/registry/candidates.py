"""Candidates: trained models before judgement, numbered per product. What they measured lies in the report blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.registry.tables import candidate as table
from penstock.storage import counters
from penstock.storage.engine import Transaction

MOST_DIGITS = 18  # of a number that a database's 64-bit integer surely holds


@dataclass(frozen=True)
class Candidate:
    """A trained model: its artifact's and report's digests, where it came from. seconds: training time.

    made_from: ids of the candidates it was compressed from. parameters: the hyper-parameters it was made with.
    """

    id: str
    product: str
    number: int
    rung: str
    artifact: str
    backbone: str | None
    dataset_version: str
    seed: int
    report_blob: str
    seconds: float
    created_at: datetime
    made_from: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refit(self) -> Mapping[str, Any] | None:
        """What it became when it was trained again on all rows, once the gate had said yes: "artifact", "rows",
        "agreement", "kept", "holds"."""
        found: Mapping[str, Any] | None = self.parameters.get("refit")
        return found

    @property
    def served(self) -> str:
        """The artifact that a release of it serves: the judged one, or what was trained again on all rows."""
        return str(self.refit["artifact"]) if self.refit is not None and self.refit["holds"] else self.artifact


def add_candidate(
    tx: Transaction,
    *,
    product: str,
    rung: str,
    artifact: str,
    backbone: str | None,
    dataset_version: str,
    seed: int,
    report_blob: str,
    seconds: float,
    made_from: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
) -> Candidate:
    """Register a trained and evaluated model under the product's next number.

    A job may run this again after a crash: the same model with the same report answers the candidate there is.
    """
    counter = f"candidate:{product}"
    counters.take(tx, counter, 0)  # takes no number, but holds the counter: two writers of one product take turns
    same = tx.first(
        _mine(tx).where(
            table.c.product == product,
            table.c.artifact == artifact,
            table.c.dataset_version == dataset_version,
            table.c.report_blob == report_blob,
        )
    )
    if same is not None:
        return _candidate(same)
    made = Candidate(
        id=tx.new_id("cand"),
        product=product,
        number=counters.take(tx, counter),
        rung=rung,
        artifact=artifact,
        backbone=backbone,
        dataset_version=dataset_version,
        seed=seed,
        report_blob=report_blob,
        seconds=seconds,
        created_at=tx.now,
        made_from=tuple(made_from),
        parameters=dict(parameters or {}),
    )
    tx.execute(sa.insert(table).values(organisation=tx.organisation, **vars(made)))
    return made


def get_candidate(tx: Transaction, candidate_id: str) -> Candidate:
    """By id, or NotFound."""
    row = tx.first(_mine(tx).where(table.c.id == candidate_id))
    if row is None:
        raise NotFound(f"no candidate {candidate_id!r}", hint="list them with `penstock candidates PRODUCT`")
    return _candidate(row)


def find_candidate(tx: Transaction, product: str, reference: str) -> Candidate:
    """By id, number or PRODUCT/NUMBER, as people type it. Raises NotFound, BadInput for one of another product."""
    reference = own_reference(product, reference, "candidate")
    if reference.isascii() and reference.isdigit():
        number = int(reference) if len(reference) <= MOST_DIGITS else 0  # 0: no candidate has it
        row = tx.first(_mine(tx).where(table.c.product == product, table.c.number == number))
        if row is None:
            raise NotFound(f"{product} has no candidate {reference}", hint=f"see `penstock candidates {product}`")
        return _candidate(row)
    found = get_candidate(tx, reference)
    if found.product != product:
        raise BadInput(f"{reference} is a candidate of {found.product}, not of {product}")
    return found


def own_reference(product: str, reference: str, what: str) -> str:
    """What names one of a product's candidates or releases, without the product: "2" for "helpdesk/2". Raises BadInput
    for another product's."""
    owner, slash, rest = reference.rpartition("/")
    if slash and owner != product:
        raise BadInput(f"{reference} is a {what} of {owner}, not of {product}")
    return rest


def list_candidates(tx: Transaction, product: str | None = None) -> list[Candidate]:
    """All candidates, or one product's, oldest first."""
    query = _mine(tx).order_by(table.c.product, table.c.number)
    if product is not None:
        query = query.where(table.c.product == product)
    return [_candidate(row) for row in tx.all(query)]


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(table).where(table.c.organisation == tx.organisation)


def _candidate(row: sa.RowMapping) -> Candidate:
    found = {name: row[name] for name in Candidate.__dataclass_fields__}
    return Candidate(**{**found, "made_from": tuple(found["made_from"])})
