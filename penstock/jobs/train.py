"""The climb: clean, then train and judge rung by rung, cheapest first, until the gate says yes. Retraining is a climb
with the corrections that came back, ending in a release.

Each heavy step runs in a child process; each effect is idempotent, since a step may run twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.core.errors import BadInput, Conflict
from penstock.datasets.versions import find_version, load_rows
from penstock.jobs.attempts import Work, begin, check_executor, make_version
from penstock.jobs.check import check_gate, check_ladder, check_rung, check_words, ladder_of
from penstock.jobs.climbing import check_minutes, climb
from penstock.jobs.compress import recompress
from penstock.jobs.learning import in_words, left_out, mark_learned, usable_feedback
from penstock.jobs.privacy import check_privacy, check_remaking
from penstock.jobs.refusals import advice, check_provable, gate_refused
from penstock.jobs.resuming import check_unchanged
from penstock.monitoring.review import note_rows
from penstock.registry import amendments, candidates, releases
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import step
from penstock.training.rungs import RUNGS
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product

__all__ = ["gate_refused", "outcome_rows", "retrain", "rungs_of", "train"]


def train(house: House, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Climb the ladder of `product` (or only `rungs`), within `budget_minutes` if given, trained by `executor` on
    `workers`. Answers the version, each rung's outcome, what was not tried and what would help; stops at a yes."""
    name, budget = arguments["product"], arguments.get("budget_minutes")
    check_unchanged(house, name)
    rungs = rungs_of(house, arguments)
    version = step("clean", make_version, house, name, [], None, progress)
    step("provable", check_provable, house, name, version["id"])
    work = begin(house, arguments, version, progress)
    climbed = climb(work, rungs, budget_minutes=budget)
    return {
        "version": version["version"],
        "told": version["told"],
        "outcomes": list(climbed.outcomes),
        "not_tried": list(climbed.not_tried),
        "advice": advice(house.workspace.products[name], name, climbed.outcomes, budget),
    }


def retrain(house: House, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train the live release's rung with every usable correction; release it if the gate prefers or accepts it.

    Answers under "feedback" the ids of the corrections and events that "gave" a row each, and those that "gave_none"
    with why; the rest as `train`, with "learned", the rows from use, and the "release" or None.
    """
    name = arguments["product"]
    check_unchanged(house, name)
    check_words(house.workspace, name, product_of(house.workspace, name))
    base = step("gather", _gather, house, name)
    version = step("clean", make_version, house, name, base["feedback"], base["parent"], progress)
    step("note rows", _note_rows, house, version)
    taken = {"gave": version["gave"], "gave_none": {**base["left_out"], **version["gave_none"]}}
    if version["id"] == base["parent"]:
        raise Conflict(
            f"the corrections of {name} add no row to its data: "
            + (in_words(taken["gave_none"]) or "its live release learned from all of them"),
            hint=f"see `penstock feedback list {name}`; add rows of a new label with `penstock data add`",
        )
    outcomes = _again(begin(house, arguments, version, progress), base)
    released = step("release", _release, house, name, outcomes[-1], base["feedback"], version["id"])
    return {
        "version": version["version"],
        "told": version["told"],
        "outcomes": outcomes,
        "learned": version["learned"],
        "feedback": taken,
        "release": released,
    }


def rungs_of(house: House, arguments: Mapping[str, Any]) -> list[str]:
    """The rungs asked for, or the product's ladder. Raises BadInput, before anything is cleaned, for words and numbers
    that cannot be, and for a gate that no model can pass."""
    name = arguments["product"]
    product = product_of(house.workspace, name)
    check_words(house.workspace, name, product)
    check_minutes(arguments.get("budget_minutes"))
    check_executor(arguments.get("executor") or "process", int(arguments.get("workers") or 1))
    check_gate(house.workspace, name, product)
    if not arguments.get("rungs"):
        check_ladder(house.workspace, name, product)
    rungs = arguments.get("rungs") or list(ladder_of(product))
    _check_rungs(product, rungs)
    check_privacy(product, rungs, "--rung")
    return list(rungs)


def outcome_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table row per rung."""
    return [
        {
            "rung": outcome["rung"],
            "candidate": outcome["candidate"],
            outcome["headline"]: outcome["quality"],
            "p95 ms": outcome["latency_p95_ms"],
            "cost/1000": outcome["cost_per_1000"],
            "seconds": round(outcome.get("wall_s", outcome["seconds"]), 1),  # the user's: with export and evaluation
            "gate": "yes" if outcome["passed"] else "no",
        }
        for outcome in result["outcomes"]
    ]


def _check_rungs(product: Product, rungs: list[str]) -> None:
    """Before anything is cleaned: the rungs asked for by name must exist, and have what they need."""
    for rung in rungs:
        check_rung(product, rung, "--rung")
        if RUNGS[rung].needs_backbone and product.backbone is None:
            raise BadInput(f"{rung} needs a backbone", where="--rung", hint="name one: backbone = ... in penstock.toml")


def _again(work: Work, base: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The live model's rung once more; what it was compressed from is trained, and compressed in the same way."""
    if not base["compressed"]:
        return list(climb(work, [base["rung"]], recipes={base["rung"]: base["recipe"]}).outcomes)
    return recompress(work, base["candidate"])


def _gather(house: House, product: str) -> dict[str, Any]:
    with house.store.read() as tx:
        live = releases.live(tx, product)
        if live is None:
            raise BadInput(f"{product} has no live release to improve on", hint=f"penstock train {product}")
        candidate = candidates.get_candidate(tx, live.candidate)
        check_remaking(tx, product, product_of(house.workspace, product), candidate.id)
        usable, left = usable_feedback(house, tx, product), left_out(house, tx, product)
        amended = amendments.current(tx, product) is not None
    if not usable and not amended:
        raise BadInput(
            f"there are no usable corrections of {product}" + (f": {in_words(left)}" if left else ""),
            hint="they come from POST /v1/feedback by customers who consented to training: "
            f"penstock feedback list {product}",
        )
    return {
        "candidate": candidate.id,
        "compressed": bool(candidate.made_from),
        "rung": candidate.rung,
        "recipe": dict(candidate.parameters.get("searched", {})),
        "parent": candidate.dataset_version,
        "feedback": usable,
        "left_out": left,
    }


def _note_rows(house: House, version: Mapping[str, Any]) -> None:
    with house.store.transaction() as tx:
        note_rows(tx, version["gave"], version["gave_none"])


def _release(house: House, product: str, outcome: dict[str, Any], feedback: list[str], version_id: str) -> int | None:
    if not outcome["passed"]:
        return None
    with house.store.transaction() as tx:
        version = find_version(tx, product, version_id)
        made = releases.live(tx, product)
        if made is None or made.candidate != outcome["candidate"]:  # otherwise this step ran before
            made = releases.release(tx, outcome["candidate"], house.secret("decisions"))
        train_rows, _ = load_rows(house.blobs, version)
        mark_learned(tx, train_rows, feedback, version_id)
    return made.number
