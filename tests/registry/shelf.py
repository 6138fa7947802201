"""Candidates of a helpdesk, with real verdicts on models whose answers are written down beforehand."""

from __future__ import annotations

from typing import Any

from evaluation.measured import needs, report

from penstock.core.hashing import sha256_of
from penstock.evaluation.gate import Verdict, judge
from penstock.registry import candidates, decisions
from penstock.registry.candidates import Candidate
from penstock.registry.decisions import Decision
from penstock.storage.engine import Transaction

SECRET = b"thirty-two bytes that nobody knows"
GATE = (needs("accuracy", ">=", 0.8),)


def candidate(tx: Transaction, name: str = "first", product: str = "helpdesk", **changes: Any) -> Candidate:
    """A trained model; `name` stands for its content."""
    facts = {
        "product": product,
        "rung": "ngram-linear.v1",
        "artifact": sha256_of(f"artifact of {name}".encode()),
        "backbone": None,
        "dataset_version": sha256_of(b"rows"),
        "seed": 0,
        "report_blob": sha256_of(f"report of {name}".encode()),
        "seconds": 4.2,
    }
    return candidates.add_candidate(tx, **{**facts, **changes})


def verdict(*, passes: bool = True, compared: bool = False) -> Verdict:
    """The gate's answer on a model right on 95 (or 60) of 100 rows, compared with a live one right on 95 or not."""
    return judge(report(95 if passes else 60), GATE, report(95) if compared else None)


def decide(
    tx: Transaction, of: Candidate, *, passes: bool = True, live: Candidate | None = None, secret: bytes = SECRET
) -> Decision:
    """Record the verdict. live: the candidate it was compared with."""
    found = verdict(passes=passes, compared=live is not None)
    return decisions.decide(
        tx, candidate=of, verdict=found, conditions=GATE, incumbent=live.id if live else None, secret=secret
    )


def passed(tx: Transaction, name: str, live: Candidate | None = None, product: str = "helpdesk") -> Candidate:
    """A candidate that the gate said yes to, compared with `live`."""
    made = candidate(tx, name, product)
    decide(tx, made, live=live)
    return made
