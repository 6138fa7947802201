"""Runs: every training there was, numbered per product: with what, how well, how long, for how much, by which code.

Append-only, failed ones too. It knows no task: a metric is a name with a value; the first one is the headline.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from penstock.core.errors import BadInput, Broken, NotFound
from penstock.core.hashing import canonical_json
from penstock.evaluation.intervals import Metric
from penstock.registry.candidates import MOST_DIGITS
from penstock.registry.tables import run as table
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction

Kind = Literal["train", "trial", "compress"]
State = Literal["done", "failed"]
Curves: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]
"""name, e.g. "loss", -> (step, value) points."""

Settings: TypeAlias = Mapping[str, Any]
"""Values under names that a rung or a machine chose itself. JSON values."""

PAGE = 50
COLUMNS = ("number", "seconds", "cost")  # what runs can be sorted by beside their metrics


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A training that is over, as it is to be recorded."""

    # names the work, so that recording it twice makes one run
    operation: str
    # the product's name
    product: str
    # "train" was judged on the test split, "trial" scored on held-out training rows, "compress" made of a candidate
    kind: Kind
    # the rung's registered name, or the compression's
    rung: str
    # "failed" where an error ended it
    state: State
    # the id of the dataset version it learned from
    dataset_version: str
    # id of the model that came of it
    candidate: str | None = None
    # what it was made with: JSON values
    parameters: Settings
    # by name, the headline first; empty when it failed
    metrics: Mapping[str, Metric]
    # digest of its curves
    curves_blob: str | None
    # what it ran on: JSON values
    machine: Settings
    # names the sources that trained and measured
    code: str
    # what chance was drawn from
    seed: int
    # wall time of the training alone; of a failed one, until it failed
    seconds: float
    # in the company's currency, of the processor time burnt on all cores until the model was made, loading included and
    # measuring not; of a failed one whose processor time nobody knows, of one core for its seconds
    cost: Decimal
    # why it failed
    error: str = ""
    # what else it had to say, for people
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Run(NewRun):
    """A training as it was recorded."""

    # unique in the organisation
    id: str
    # 1, 2, ... within the product
    number: int
    # when it was recorded
    created_at: datetime


def add_run(tx: Transaction, new: NewRun) -> Run:
    """Record a training under the product's next number; the same operation again answers the run there is.

    Raises BadInput for parameters or a machine that are no JSON values.
    """
    counters.take(tx, f"run:{new.product}", 0)  # takes no number, but two writers of one product take turns
    same = tx.first(_mine(tx).where(table.c.operation == new.operation))
    if same is not None:
        return _run(same)
    given = {each.name: getattr(new, each.name) for each in fields(NewRun)}
    given |= {name: _json_value(given[name], name) for name in ("parameters", "machine")}
    given |= {"metrics": dict(new.metrics), "seconds": float(new.seconds), "notes": list(new.notes)}
    number = counters.take(tx, f"run:{new.product}")
    made = Run(**given, id=tx.new_id("run"), number=number, created_at=tx.now)
    row = {**given, "id": made.id, "number": number, "created_at": tx.now}
    row |= {"metrics": _packed(made.metrics), "cost": f"{made.cost:f}"}
    tx.execute(sa.insert(table).values(organisation=tx.organisation, **row))
    return made


def get_run(tx: Transaction, run_id: str) -> Run:
    """By id, or NotFound."""
    row = tx.first(_mine(tx).where(table.c.id == run_id))
    if row is None:
        raise NotFound(f"no run {run_id!r}", hint="list them with `penstock runs list PRODUCT`")
    return _run(row)


def find_run(tx: Transaction, reference: str) -> Run:
    """By id or as PRODUCT/NUMBER, as people type it. Raises NotFound."""
    product, slash, number = reference.rpartition("/")
    if not slash:
        return get_run(tx, reference)
    fits = number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS
    row = tx.first(_mine(tx).where(table.c.product == product, table.c.number == int(number))) if fits else None
    if row is None:
        raise NotFound(f"{product} has no run {number}", hint=f"see `penstock runs list {product}`")
    return _run(row)


def list_runs(
    tx: Transaction,
    product: str | None,
    *,
    kind: Kind | None = None,
    sort: str = "number",
    rising: bool = False,
    limit: int = PAGE,
    before: int | None = None,
) -> list[Run]:
    """A page of a product's runs: the newest first, or by a metric or column, the largest (rising: smallest) first.
    None: of all products', the newest.

    before: only runs with a smaller number, for the next page of the newest. Runs without the metric are left out. The
    database sorts, so that only the page is read.
    """
    query = _mine(tx).limit(limit)
    if product is not None:
        query = query.where(table.c.product == product)
    if kind is not None:
        query = query.where(table.c.kind == kind)
    if before is not None:
        query = query.where(table.c.number < before)
    by = table.c.created_at if product is None and sort == "number" else _sorted_by(sort)
    if sort not in COLUMNS:
        query = query.where(by.is_not(None))
    query = query.order_by(by.asc() if rising else by.desc(), table.c.number.desc())
    return [_run(row) for row in tx.all(query)]


def count_runs(tx: Transaction, product: str, *, kind: Kind | None = None, before: int | None = None) -> int:
    """How many runs there are of a product: all, or those of a kind, or with a smaller number than `before`."""
    query = sa.select(sa.func.count()).where(table.c.organisation == tx.organisation, table.c.product == product)
    if kind is not None:
        query = query.where(table.c.kind == kind)
    if before is not None:
        query = query.where(table.c.number < before)
    return int(tx.scalar(query))


def runs_of_candidates(tx: Transaction, product: str) -> dict[str, Run]:
    """The run that each of a product's candidates came from, by the candidate's id: what it measured without its
    report. A candidate from before runs were kept is not in it."""
    query = _mine(tx).where(table.c.product == product, table.c.candidate.is_not(None)).order_by(table.c.number)
    return {row["candidate"]: _run(row) for row in tx.all(query)}


def headline_of(run: Run) -> str | None:
    """The name of the metric that speaks for the run's quality; None when it failed."""
    return next(iter(run.metrics), None)


def put_curves(blobs: BlobStore, curves: Curves) -> str | None:
    """Keep a training's curves; answer their digest, None where there is nothing to draw. Points that are no finite
    number are left out: no chart can show them."""
    kept = {name: [[float(x), float(y)] for x, y in points if math.isfinite(y)] for name, points in curves.items()}
    kept = {name: points for name, points in kept.items() if points}
    return blobs.put(canonical_json(kept)) if kept else None


def curves_of(blobs: BlobStore, run: Run) -> dict[str, tuple[tuple[float, float], ...]]:
    """A run's curves, {} where it has none. Raises NotFound or Broken when the blob is gone or altered."""
    if run.curves_blob is None:
        return {}
    try:
        kept = json.loads(blobs.get(run.curves_blob))
        return {name: tuple((float(x), float(y)) for x, y in points) for name, points in kept.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Broken(f"the curves of {run.product}/{run.number} cannot be read: {error}") from error


def _sorted_by(sort: str) -> Any:
    if sort == "cost":  # kept as text, so that it stays exact
        return sa.cast(table.c.cost, sa.Float)
    if sort in COLUMNS:
        return table.c[sort]
    return table.c.metrics["values"][sort][0].as_float()


def _packed(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """The order apart: a JSON object in a database need not keep that of its keys, and the first is the headline."""
    return {"order": list(metrics), "values": {name: [m.value, m.low, m.high] for name, m in metrics.items()}}


def _json_value(given: Settings, what: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(canonical_json(dict(given)))
    except (TypeError, ValueError) as error:
        raise BadInput(f"the {what} of a run must be JSON values: {error}") from None
    return value


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(table).where(table.c.organisation == tx.organisation)


def _run(row: sa.RowMapping) -> Run:
    found = {name: row[name] for name in Run.__dataclass_fields__}
    packed = found["metrics"]
    metrics = {name: Metric(*packed["values"][name]) for name in packed["order"]}
    return Run(**{**found, "metrics": metrics, "cost": Decimal(found["cost"])})
