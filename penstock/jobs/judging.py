"""Judges what was trained or compressed: candidate, signed decision and run, recorded in one transaction; failures too.

It trains and measures nothing: it takes what the child process answered (see measuring.keep_and_measure).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from penstock.core.errors import Conflict, PenstockError
from penstock.core.hashing import digest_of, sha256_of_file
from penstock.datasets.versions import find_version, load_rows
from penstock.evaluation.gate import Verdict, judge, shortfall
from penstock.evaluation.latency import Machine, machine
from penstock.evaluation.report import Report, rows_digest
from penstock.evaluation.words import plain_number
from penstock.jobs.artifacts import get_report
from penstock.jobs.privacy import gate_of
from penstock.registry import candidates, decisions, releases, runs
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.workspace.records import Costs

_SECONDS_PER_HOUR = 3600
_LIBRARIES = (  # what trains or searches: another version may make another model of the same rows
    *(
        "bm25s",
        "lightgbm",
        "numpy",
        "onnx",
        "onnxruntime",
        "opacus",
        "optuna",
        "peft",
        "pillow",
        "scikit-learn",
        "scipy",
    ),
    *("tokenizers", "torch", "transformers"),
)


def incumbent_of(house: House, product: str) -> dict[str, Any]:
    """The live release to compare with: its candidate, report and artifact, each None where nothing is live."""
    with house.store.read() as tx:
        live = releases.live(tx, product)
        if live is None:
            return {"candidate": None, "report": None, "artifact": None}
        judged = candidates.get_candidate(tx, live.candidate)
        # what was judged, not what was trained again since: that has seen the test rows
        return {"candidate": judged.id, "report": judged.report_blob, "artifact": judged.artifact}


def check_uses(house: House, product: str, version_id: str) -> int:
    """How many candidates this version's test split has judged. Raises Conflict when they are as many as it may."""
    with house.store.read() as tx:
        found = find_version(tx, product, version_id)
        _, test = load_rows(house.blobs, found)
        most = house.workspace.products[product].most_test_uses
        return check_test(tx, product, rows_digest(test), most, where=f"data version {found.number}")


def check_test(tx: Transaction, product: str, digest: str, most: int, *, where: str) -> int:
    """How many candidates the test split of this digest has judged. Raises Conflict when they are `most`."""
    uses = decisions.uses_of_test(tx, digest)
    if uses >= most:
        raise Conflict(
            f"the test split of {product} has judged {uses:,} candidates, and may judge {most:,}: the more it judges, "
            "the likelier one passes by luck",
            where=where,
            hint="give a fresh test split (new rows in its `test` file), or raise most_test_uses in penstock.toml",
        )
    return uses


def judge_candidate(
    house: House,
    *,
    product: str,
    rung: str,
    version_id: str,
    trained: Mapping[str, Any],
    incumbent: Mapping[str, Any],
    operation: str,
    kind: runs.Kind = "train",
    made_from: Sequence[str] = (),
) -> dict[str, Any]:
    """Register the candidate, sign the gate's answer and record the run; answer the outcome as JSON values.

    trained: what the child answered. incumbent: from `incumbent_of`, taken before the training. operation: names the
    work, e.g. "RUN_ID full.v1"; doing it again records nothing twice but the decision. made_from: candidates' ids.
    """
    report = get_report(house.blobs, trained["report"])
    conditions = gate_of(house.workspace.products[product])
    verdict = verdict_on(house, product, version_id, trained)
    same: dict[str, Any] = {"product": product, "rung": rung, "dataset_version": version_id, "seed": report.seed}
    same |= {"seconds": trained["seconds"], "parameters": trained["parameters"]}
    workers = trained.get("workers", 1)  # each burns as much as the one that answered
    cpu_s, gpu_s = workers * trained["cpu_s"], workers * trained["seconds"] if trained["gpu"] else 0.0
    with house.store.transaction() as tx:
        candidate = candidates.add_candidate(
            tx,
            artifact=trained["artifact"],
            backbone=trained["backbone"],
            report_blob=trained["report"],
            made_from=made_from,
            **same,
        )
        decisions.decide(
            tx,
            candidate=candidate,
            verdict=verdict,
            conditions=conditions,
            incumbent=incumbent["candidate"],
            secret=house.secret("decisions"),
        )
        run = runs.add_run(
            tx,
            operation=operation,
            kind=kind,
            state="done",
            candidate=candidate.id,
            metrics={name: found for name, found in report.metrics.items() if found is not None},
            curves_blob=trained["curves"],
            machine=machine_with(report.latency.machine, trained["gpu"]),
            code=code_version(),
            cost=cost_of(cpu_s, house.workspace.costs, gpu_s=gpu_s),
            notes=trained["notes"],
            **same,
        )
    return {**_outcome(candidate, report, verdict), "run": run.number, "notes": trained["notes"]}


def verdict_on(house: House, product: str, version_id: str, trained: Mapping[str, Any]) -> Verdict:
    """What the gate says of what the child answered; records nothing."""
    report = get_report(house.blobs, trained["report"])
    other = get_report(house.blobs, trained["incumbent_report"]) if trained["incumbent_report"] else None
    with house.store.read() as tx:
        contamination = find_version(tx, product, version_id).report.contamination
    return judge(report, gate_of(house.workspace.products[product]), other, contamination)


def _outcome(candidate: candidates.Candidate, report: Report, verdict: Verdict) -> dict[str, Any]:
    """What people and later steps are told of an attempt."""
    found, short = report.headline_metric, shortfall(verdict)
    return {
        "rung": candidate.rung,
        "candidate": candidate.id,
        "number": candidate.number,
        "made_from": list(candidate.made_from),
        "report": candidate.report_blob,
        "passed": verdict.passed,
        "headline": report.headline,
        "measured": list(report.quality),
        "quality": f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})",
        "latency_p95_ms": f"{report.latency_p95_ms.value:.2f}",
        "cost_per_1000": plain_number(report.cost_per_1000.value),
        "seconds": candidate.seconds,
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "shortfall": [each.text for each in short],
        "rows_needed": max((each.rows_needed or 0 for each in short), default=0),
    }


def record_failed(
    house: House,
    *,
    product: str,
    rung: str,
    version_id: str,
    error: PenstockError,
    operation: str,
    seconds: float,
    cpu_s: float | None = None,
    kind: runs.Kind = "train",
    parameters: Mapping[str, Any] | None = None,
    curves: runs.Curves | None = None,
) -> None:
    """Record a training that ended with an error, so that it can be found and compared, with its curves until then.

    cpu_s: the core-seconds that it burnt, which a success is priced by too. None or 0: nobody knows, as where it ran on
    other machines; it is then priced as one core for all its seconds.
    """
    with house.store.transaction() as tx:
        runs.add_run(
            tx,
            operation=f"{operation} failed",  # a resumed training may still succeed under its own name
            product=product,
            kind=kind,
            rung=rung,
            state="failed",
            dataset_version=version_id,
            parameters=parameters or {},
            metrics={},
            curves_blob=runs.put_curves(house.blobs, curves or {}),
            machine=asdict(machine()),
            code=code_version(),
            seed=house.workspace.products[product].seed,
            seconds=seconds,
            cost=cost_of(cpu_s or seconds, house.workspace.costs),
            error=error.message,
        )


def machine_with(made: Machine, gpu: str) -> dict[str, Any]:
    """The machine as a run keeps it, with the GPU's name where one was used."""
    return {**asdict(made), **({"gpu": gpu} if gpu else {})}


def cost_of(cpu_s: float, costs: Costs, *, gpu_s: float = 0.0) -> Decimal:
    """What so many core-seconds and GPU-seconds cost, in the company's currency."""
    hourly = Decimal(f"{cpu_s:.3f}") * costs.cpu_core_hour + Decimal(f"{gpu_s:.3f}") * costs.gpu_hour
    return (hourly / _SECONDS_PER_HOUR).quantize(Decimal("1e-9"))


def _version_of(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None  # an extra that is not installed


@cache
def code_version() -> str:
    """Names the code that trains and measures, without loading any of it: Penstock's version, and a digest of its
    sources and of the versions of the libraries that it trains with."""
    root = Path(__file__).parents[1]
    rooms = ("datasets", "models", "tasks", "training", "evaluation", "jobs")
    sources = sorted(file for room in rooms for file in (root / room).rglob("*.py"))
    known = [[str(file.relative_to(root)), sha256_of_file(file)] for file in sources]
    digest = digest_of([known, [_version_of(name) for name in _LIBRARIES]])
    return f"{version('penstock')} {digest[:12]}"
