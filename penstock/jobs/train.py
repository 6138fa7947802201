"""The climb: clean, then train and judge rung by rung, cheapest first, until the gate says yes. Retraining is a climb
with the corrections that came back, ending in a release.

Each heavy step runs in a child process; each effect is idempotent, since a step may run twice.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from penstock import tasks
from penstock.core.errors import BadInput, Conflict, GateRefused
from penstock.datasets.versions import find_version, load_rows
from penstock.evaluation.gate import judge, shortfall
from penstock.jobs.artifacts import get_report
from penstock.jobs.check import check_words, ladder_of
from penstock.jobs.learning import learned_rows, mark_learned, usable_feedback
from penstock.registry import amendments, candidates, decisions, releases
from penstock.runtime.executors import run_child
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.runtime.workflows import step
from penstock.training.rungs import RUNGS
from penstock.workspace.loader import product_of
from penstock.workspace.records import Product


def train(house: House, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Climb the ladder of `product` (or only `rungs`). Answers the version and each rung's outcome; stops at a yes."""
    name = arguments["product"]
    product = product_of(house.workspace, name)
    check_words(house.workspace, name, product)
    rungs = arguments.get("rungs") or list(ladder_of(product))
    _check_rungs(product, rungs)
    version = step("clean", _make_version, house, name, [], None, progress)
    return {"version": version["version"], "outcomes": _climb(house, name, version, rungs, progress)}


def retrain(house: House, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train the live release's rung with every usable correction; release it if the gate prefers or accepts it."""
    name = arguments["product"]
    check_words(house.workspace, name, product_of(house.workspace, name))
    base = step("gather", _gather, house, name)
    version = step("clean", _make_version, house, name, base["feedback"], base["parent"], progress)
    if version["id"] == base["parent"]:
        raise Conflict(
            f"the corrections of {name} add no row to its data: they repeat it, or their label has too few rows",
            hint=f"see `penstock feedback list {name}`; add rows of a new label with `penstock data add`",
        )
    outcomes = _climb(house, name, version, [base["rung"]], progress)
    released = step("release", _release, house, name, outcomes[-1], base["feedback"], version["id"])
    return {
        "version": version["version"],
        "outcomes": outcomes,
        "learned": version["learned"],
        "release": released,
    }


def gate_refused(product: str, result: dict[str, Any]) -> GateRefused:
    """What fell short, in words, for the rung that came last."""
    last = result["outcomes"][-1]
    missed = "\n  ".join(last["shortfall"])
    return GateRefused(
        f"no rung passed the gate; the last, {last['rung']}, fell short:\n  {missed}",
        where=product,
        hint=f"look at it with: penstock report {last['candidate']} --html report.html; then add data, "
        "correct labels (penstock data inspect), or lower the gate in penstock.toml",
    )


def outcome_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A table row per rung."""
    return [
        {
            "rung": outcome["rung"],
            "candidate": outcome["candidate"],
            outcome["headline"]: outcome["quality"],
            "p95 ms": outcome["latency_p95_ms"],
            "cost/1000": outcome["cost_per_1000"],
            "seconds": round(outcome["seconds"], 1),
            "gate": "yes" if outcome["passed"] else "no",
        }
        for outcome in result["outcomes"]
    ]


def candidate_rows(house: House, product: str) -> list[dict[str, Any]]:
    """A table row per candidate of a product, by number."""
    with house.store.read() as tx:
        found = candidates.list_candidates(tx, product)
        verdicts = {decision.candidate: decision for decision in decisions.list_decisions(tx, product)}
    rows = []
    for candidate in reversed(found):
        report, decision = get_report(house.blobs, candidate.report_blob), verdicts.get(candidate.id)
        rows.append(
            {
                "candidate": candidate.id,
                "number": candidate.number,
                "rung": candidate.rung,
                report.headline: f"{report.headline_metric.value:.4f}",
                "95%": f"{report.headline_metric.low:.4f} to {report.headline_metric.high:.4f}",
                "p95 ms": f"{report.latency_p95_ms.value:.2f}",
                "gate": "" if decision is None else "yes" if decision.passed else "no",
                "made": candidate.created_at,
            }
        )
    return rows


def _check_rungs(product: Product, rungs: list[str]) -> None:
    """Before anything is cleaned: the rungs asked for by name must exist, and have what they need."""
    for rung in rungs:
        if rung not in RUNGS:
            raise BadInput(f"unknown rung {rung!r}", where="--rung", hint=f"known rungs: {', '.join(RUNGS)}")
        if RUNGS[rung].needs_backbone and product.backbone is None:
            raise BadInput(f"{rung} needs a backbone", where="--rung", hint="name one: backbone = ... in penstock.toml")


def _make_version(
    house: House, product: str, feedback: list[str], parent: str | None, progress: Progress
) -> dict[str, Any]:
    """feedback: ids of the corrections to train on. Only ids are recorded by the workflow, never a customer's text,
    and a consent withdrawn meanwhile holds."""
    with house.store.read() as tx:
        extra = learned_rows(house, tx, product, feedback)
    arguments = {"folder": str(house.folder.resolve()), "product": product, "extra": extra, "parent": parent}
    return run_child("penstock.jobs.child", "make-version", arguments, progress)


def _climb(
    house: House, product: str, version: dict[str, Any], rungs: list[str], progress: Progress
) -> list[dict[str, Any]]:
    outcomes: list[dict[str, Any]] = []
    for rung in rungs:
        incumbent = step(f"incumbent of {rung}", _incumbent, house, product)
        trained = step(f"train {rung}", _train_rung, house, product, version["version"], rung, incumbent, progress)
        outcomes.append(step(f"judge {rung}", _judge, house, product, version["id"], rung, incumbent, trained))
        if outcomes[-1]["passed"]:
            break
    return outcomes


def _incumbent(house: House, product: str) -> dict[str, Any]:
    with house.store.read() as tx:
        live = releases.live(tx, product)
        if live is None:
            return {"candidate": None, "report": None, "artifact": None}
        return {
            "candidate": live.candidate,
            "report": candidates.get_candidate(tx, live.candidate).report_blob,
            "artifact": live.artifact,
        }


def _train_rung(
    house: House, product: str, version: int, rung: str, incumbent: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    arguments = {
        "folder": str(house.folder.resolve()),
        "product": product,
        "version": version,
        "rung": rung,
        "options": _options(house, product),
        "incumbent_report": incumbent["report"],
        "incumbent_artifact": incumbent["artifact"],
    }
    return run_child("penstock.jobs.child", "climb", arguments, progress)


def _options(house: House, name: str) -> dict[str, Any]:
    """The product's options, with the artifact of every live release that its rungs build on."""
    product = house.workspace.products[name]
    options = dict(product.options)
    with house.store.read() as tx:
        for option in tasks.get(product.task).builds_on:
            other = str(options[option])
            product_of(house.workspace, other)
            live = releases.live(tx, other)
            if live is None:
                hint = f"penstock train {other} && penstock release {other}"
                raise BadInput(f"{name} builds on {other}, which has no live release yet", where=option, hint=hint)
            options[f"{option}_artifact"] = live.artifact
    return options


def _judge(
    house: House, product: str, version_id: str, rung: str, incumbent: dict[str, Any], trained: dict[str, Any]
) -> dict[str, Any]:
    report = get_report(house.blobs, trained["report"])
    other = get_report(house.blobs, trained["incumbent_report"]) if trained["incumbent_report"] else None
    found, conditions = report.headline_metric, house.workspace.products[product].gate
    verdict = judge(report, conditions, other)
    with house.store.transaction() as tx:
        candidate = candidates.add_candidate(
            tx,
            product=product,
            rung=rung,
            artifact=trained["artifact"],
            backbone=trained["backbone"],
            dataset_version=version_id,
            seed=report.seed,
            report_blob=trained["report"],
            seconds=trained["seconds"],
        )
        decisions.decide(
            tx,
            candidate=candidate,
            verdict=verdict,
            conditions=conditions,
            incumbent=incumbent["candidate"],
            secret=house.secret("decisions"),
        )
    return {
        "rung": rung,
        "candidate": candidate.id,
        "number": candidate.number,
        "passed": verdict.passed,
        "headline": report.headline,
        "quality": f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})",
        "notes": trained["notes"],
        "latency_p95_ms": f"{report.latency_p95_ms.value:.2f}",
        "cost_per_1000": f"{report.cost_per_1000.value:.6f}",
        "seconds": trained["seconds"],
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "shortfall": [short.text for short in shortfall(verdict)],
    }


def _gather(house: House, product: str) -> dict[str, Any]:
    with house.store.read() as tx:
        live = releases.live(tx, product)
        if live is None:
            raise BadInput(f"{product} has no live release to improve on", hint=f"penstock train {product}")
        candidate = candidates.get_candidate(tx, live.candidate)
        usable = usable_feedback(tx, product)
        amended = amendments.current(tx, product) is not None
    if not usable and not amended:
        raise BadInput(
            f"there are no usable corrections of {product}",
            hint="they come from POST /v1/feedback by customers who consented to training: penstock feedback list",
        )
    return {
        "rung": candidate.rung,
        "parent": candidate.dataset_version,
        "feedback": usable,
    }


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
