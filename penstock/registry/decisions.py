"""Signed decisions: the gate's yes or no on a candidate, with everything it rested on, and how often a test was used.

It signs and checks; it judges nothing (see evaluation.gate).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.core.hashing import canonical_json
from penstock.evaluation.gate import Verdict
from penstock.registry.candidates import Candidate, get_candidate
from penstock.registry.tables import decision as table
from penstock.registry.tables import test_use
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.workspace.records import Condition, dump

FEWEST_SECRET_BYTES = 16
_PURPOSE = b"penstock decision v1\n"  # one secret, one purpose: a signature made for something else never fits here


@dataclass(frozen=True)
class Decision:
    """The gate's answer on a candidate. reasons, conditions: JSON values. incumbent: the candidate compared with.

    hashes: artifact, report, backbone, dataset_version and rows (the test split); served, where the recipe was trained
    again on all rows. test_uses: candidates this split has
    judged so far, this one included. signature: hex HMAC-SHA256 over all the rest.
    """

    id: str
    candidate: str
    product: str
    number: int
    passed: bool
    reasons: tuple[dict[str, Any], ...]
    conditions: tuple[dict[str, Any], ...]
    incumbent: str | None
    hashes: dict[str, str | None]
    test_uses: int
    signature: str
    created_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "created_at": self.created_at.isoformat()}


def decide(
    tx: Transaction,
    *,
    candidate: Candidate,
    verdict: Verdict,
    conditions: Sequence[Condition],
    incumbent: str | None,
    secret: bytes,
    incumbent_lost: bool = False,
) -> Decision:
    """Record and sign a verdict on `candidate`; count the use of its test split.

    incumbent: id of the live candidate it was compared with, None when nothing was live. incumbent_lost: its
    model or report is gone, so nothing could be compared. Raises BadInput when the verdict's comparison and these do
    not tell the same, or the secret is too short.
    """
    if (verdict.paired is None) != (incumbent is None or incumbent_lost):
        raise BadInput("the verdict and the named incumbent do not fit together", where=candidate.id)
    uses = _count_use(tx, verdict.rows_digest, candidate.id)
    unsigned = Decision(
        id=tx.new_id("dec"),
        candidate=candidate.id,
        product=candidate.product,
        number=counters.take(tx, f"decision:{candidate.product}"),
        passed=verdict.passed,
        reasons=tuple(msgspec.to_builtins(verdict.reasons)),
        conditions=tuple(dump(condition) for condition in conditions),
        incumbent=incumbent,
        hashes=_hashes(candidate, verdict.rows_digest),
        test_uses=uses,
        signature="",
        created_at=tx.now,
    )
    made = Decision(**{**vars(unsigned), "signature": _sign(tx.organisation, unsigned, secret)})
    tx.execute(sa.insert(table).values(organisation=tx.organisation, **vars(made)))
    return made


def verify(tx: Transaction, decision: Decision, secret: bytes) -> bool:
    """Whether the decision is the one that was signed, and speaks of the candidate as it is recorded now."""
    expected = _sign(tx.organisation, decision, secret)
    candidate = get_candidate(tx, decision.candidate)
    rows = decision.hashes.get("rows") or ""
    same = candidate.product == decision.product and _hashes(candidate, rows) == decision.hashes
    return hmac.compare_digest(expected.encode(), decision.signature.encode()) and same


def latest_decision(tx: Transaction, candidate_id: str) -> Decision | None:
    """The newest decision on a candidate: a later no overrules an earlier yes."""
    row = tx.first(_mine(tx).where(table.c.candidate == candidate_id).order_by(table.c.number.desc()).limit(1))
    return None if row is None else _decision(row)


def get_decision(tx: Transaction, decision_id: str) -> Decision:
    """By id, or NotFound."""
    row = tx.first(_mine(tx).where(table.c.id == decision_id))
    if row is None:
        raise NotFound(f"no decision {decision_id!r}")
    return _decision(row)


def list_decisions(tx: Transaction, product: str) -> list[Decision]:
    """A product's decisions, oldest first."""
    return [_decision(row) for row in tx.all(_mine(tx).where(table.c.product == product).order_by(table.c.number))]


def uses_of_test(tx: Transaction, rows_digest: str) -> int:
    """How many candidates the test split has judged: each use makes its answer a little less independent."""
    query = sa.select(sa.func.count()).where(
        test_use.c.organisation == tx.organisation, test_use.c.rows_digest == rows_digest
    )
    return int(tx.scalar(query))


def _count_use(tx: Transaction, rows_digest: str, candidate_id: str) -> int:
    """Judging the same candidate on the same rows again reveals nothing new, so it counts once."""
    mine = (test_use.c.organisation == tx.organisation, test_use.c.rows_digest == rows_digest)
    if tx.first(sa.select(test_use.c.time).where(*mine, test_use.c.candidate == candidate_id)) is None:
        row = {"rows_digest": rows_digest, "candidate": candidate_id, "time": tx.now}
        tx.execute(sa.insert(test_use).values(organisation=tx.organisation, **row))
    return uses_of_test(tx, rows_digest)


def _hashes(candidate: Candidate, rows_digest: str) -> dict[str, str | None]:
    return {
        "artifact": candidate.artifact,
        "report": candidate.report_blob,
        "backbone": candidate.backbone,
        "dataset_version": candidate.dataset_version,
        "rows": rows_digest,
        **({} if candidate.refit is None else {"served": candidate.served}),
    }


def _sign(organisation: str, decision: Decision, secret: bytes) -> str:
    if len(secret) < FEWEST_SECRET_BYTES:
        raise BadInput(f"the signing secret has {len(secret)} bytes, at least {FEWEST_SECRET_BYTES} are needed")
    statement = {key: value for key, value in decision.to_json().items() if key != "signature"}
    message = _PURPOSE + canonical_json({**statement, "organisation": organisation})
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(table).where(table.c.organisation == tx.organisation)


def _decision(row: sa.RowMapping) -> Decision:
    facts = {name: row[name] for name in Decision.__dataclass_fields__}
    return Decision(**{**facts, "reasons": tuple(row["reasons"]), "conditions": tuple(row["conditions"])})
