"""Lineage: which dataset versions hold rows made from what came back from use, so that erasure finds the models."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from penstock.core.errors import NotFound
from penstock.storage.engine import Transaction

_PAGE = 500


def record_uses(tx: Transaction, said: sa.Table, uses: sa.Table, ids: Sequence[str], dataset_version: str) -> None:
    """Rows of `said` named by `ids` are in a dataset version: a row each in `uses`. Again changes nothing.

    uses: its second column names the row of `said`. Raises NotFound for an id that is not there.
    """
    subject = list(uses.c)[1]
    known: set[str] = set()
    for start in range(0, len(ids), _PAGE):
        mine = said.c.organisation == tx.organisation, said.c.id.in_(ids[start : start + _PAGE])
        known.update(row["id"] for row in tx.all(sa.select(said.c.id).where(*mine)))
    missing = [one for one in ids if one not in known]
    if missing:
        raise NotFound(f"no {said.name.replace('_', ' ')} {missing[0]!r}")
    here = uses.c.organisation == tx.organisation, uses.c.dataset_version == dataset_version
    fresh = known - {row[subject.name] for row in tx.all(sa.select(subject).where(*here))}
    stamp = {"organisation": tx.organisation, "dataset_version": dataset_version, "used_at": tx.now}
    if fresh:
        tx.execute(sa.insert(uses), [{**stamp, subject.name: one} for one in sorted(fresh)])
