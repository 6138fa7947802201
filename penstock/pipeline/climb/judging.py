"""Judges what was trained or compressed: candidate, signed decision and run, recorded in one transaction; failures too.

It trains and measures nothing: it takes what the worker answered (see measuring.keep_and_measure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from penstock.core.errors import Conflict, PenstockError
from penstock.core.hashing import digest_of, sha256_of_file
from penstock.datasets.versions import find_version, load_rows
from penstock.evaluation.gate import Verdict, judge, shortfall
from penstock.evaluation.latency import Machine, machine
from penstock.evaluation.report import Report, rows_digest
from penstock.evaluation.words import plain_number
from penstock.pipeline.artifacts import get_report
from penstock.pipeline.privacy.stated import gate_of
from penstock.pipeline.records import Incumbent, Measurement, Outcome
from penstock.registry import candidates, decisions, releases, runs
from penstock.registry.runs import Settings
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


def incumbent_of(house: House, product: str) -> Incumbent:
    """The live release to compare with. Where its model or report is lost it is named, and nothing is compared."""
    with house.store.read() as tx:
        live = releases.live(tx, product)
        if live is None:
            return Incumbent(candidate=None, report=None, artifact=None)
        judged = candidates.get_candidate(tx, live.candidate)
        if not (house.blobs.has(judged.report_blob) and house.blobs.has(judged.artifact)):
            return Incumbent(candidate=judged.id, report=None, artifact=None, lost=True)
        # what was judged, not what was trained again since: that has seen the test rows
        return Incumbent(candidate=judged.id, report=judged.report_blob, artifact=judged.artifact)


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


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What is recorded of an attempt at a rung or a compression, however it ends."""

    # the product's name
    product: str
    # the rung's registered name, or the compression's
    rung: str
    # the id of the dataset version
    version_id: str
    # names the work, e.g. "RUN_ID full.v1": doing it again records nothing twice but the decision
    operation: str
    # which of the two it is
    kind: runs.Kind = "train"
    # ids of the candidates that are compressed
    made_from: Sequence[str] = ()


@dataclass(frozen=True)
class Judged:
    """What came of judging: the candidate as it is recorded now."""

    # the candidate
    candidate: candidates.Candidate
    # what evaluation measured of it
    report: Report
    # what the gate said
    verdict: Verdict
    # its run
    run: runs.Run


def judge_candidate(house: House, attempt: Attempt, measured: Measurement, incumbent: Incumbent) -> Judged:
    """Register the candidate, sign the gate's answer and record the run.

    incumbent: from `incumbent_of`, taken before the training.
    """
    report = get_report(house.blobs, measured.report)
    conditions = gate_of(house.workspace.products[attempt.product])
    verdict = verdict_on(house, attempt.product, attempt.version_id, measured)
    workers = measured.workers  # each burns as much as the one that answered
    cpu_s, gpu_s = workers * measured.cpu_s, workers * measured.seconds if measured.gpu else 0.0
    with house.store.transaction() as tx:
        candidate = candidates.add_candidate(
            tx,
            product=attempt.product,
            rung=attempt.rung,
            artifact=measured.artifact,
            backbone=measured.backbone,
            dataset_version=attempt.version_id,
            seed=report.seed,
            seconds=measured.seconds,
            parameters=measured.parameters,
            report_blob=measured.report,
            made_from=attempt.made_from,
        )
        decisions.decide(
            tx,
            candidate=candidate,
            verdict=verdict,
            conditions=conditions,
            incumbent=incumbent.candidate,
            incumbent_lost=incumbent.lost,
            secret=house.secret("decisions"),
        )
        record = runs.NewRun(
            operation=attempt.operation,
            product=attempt.product,
            kind=attempt.kind,
            rung=attempt.rung,
            state="done",
            dataset_version=attempt.version_id,
            candidate=candidate.id,
            parameters=measured.parameters,
            metrics={name: found for name, found in report.metrics.items() if found is not None},
            curves_blob=measured.curves,
            machine=machine_with(report.latency.machine, measured.gpu),
            code=code_version(),
            seed=report.seed,
            seconds=measured.seconds,
            cost=cost_of(cpu_s, house.workspace.costs, gpu_s=gpu_s),
            notes=measured.notes,
        )
        return Judged(candidate, report, verdict, runs.add_run(tx, record))


def verdict_on(house: House, product: str, version_id: str, measured: Measurement) -> Verdict:
    """What the gate says of what a worker measured; records nothing."""
    report = get_report(house.blobs, measured.report)
    other = get_report(house.blobs, measured.incumbent_report) if measured.incumbent_report else None
    with house.store.read() as tx:
        contamination = find_version(tx, product, version_id).report.contamination
    return judge(report, gate_of(house.workspace.products[product]), other, contamination)


def outcome_of(judged: Judged, measured: Measurement) -> Outcome:
    """What people and later steps are told of an attempt."""
    candidate, report, verdict = judged.candidate, judged.report, judged.verdict
    found, short = report.headline_metric, shortfall(verdict)
    return Outcome(
        rung=candidate.rung,
        candidate=candidate.id,
        number=candidate.number,
        made_from=tuple(candidate.made_from),
        report=candidate.report_blob,
        passed=verdict.passed,
        headline=report.headline,
        measured=tuple(report.quality),
        quality=f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})",
        latency_p95_ms=f"{report.latency_p95_ms.value:.2f}",
        cost_per_1000=plain_number(report.cost_per_1000.value),
        seconds=candidate.seconds,
        reasons=verdict.reasons,
        shortfall=tuple(each.text for each in short),
        rows_needed=max((each.rows_needed or 0 for each in short), default=0),
        run=judged.run.number,
        notes=measured.notes,
        wall_s=measured.wall_s,
        measuring_s=measured.measuring_s,
        backbone=measured.backbone,
    )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How an attempt ended with an error."""

    # what ended it
    error: PenstockError
    # wall time until then
    seconds: float
    # the core-seconds that it burnt, which a success is priced by too. None or 0: nobody knows, as where it ran on
    # other machines; it is then priced as one core for all its seconds
    cpu_s: float | None
    # what it was to be made with
    parameters: Settings
    # its curves until then
    curves: runs.Curves


def record_failed(house: House, attempt: Attempt, failure: Failure) -> None:
    """Record a training that ended with an error, so that it can be found and compared, with its curves until then."""
    record = runs.NewRun(
        operation=f"{attempt.operation} failed",  # a resumed training may still succeed under its own name
        product=attempt.product,
        kind=attempt.kind,
        rung=attempt.rung,
        state="failed",
        dataset_version=attempt.version_id,
        parameters=failure.parameters,
        metrics={},
        curves_blob=runs.put_curves(house.blobs, failure.curves),
        machine=asdict(machine()),
        code=code_version(),
        seed=house.workspace.products[attempt.product].seed,
        seconds=failure.seconds,
        cost=cost_of(failure.cpu_s or failure.seconds, house.workspace.costs),
        error=failure.error.message,
    )
    with house.store.transaction() as tx:
        runs.add_run(tx, record)


def machine_with(made: Machine, gpu: str) -> Settings:
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
    root = Path(__file__).parents[2]
    packages = ("datasets", "models", "tasks", "training", "evaluation", "pipeline")
    sources = sorted(file for package in packages for file in (root / package).rglob("*.py"))
    known = [[str(file.relative_to(root)), sha256_of_file(file)] for file in sources]
    digest = digest_of([known, [_version_of(name) for name in _LIBRARIES]])
    return f"{version('penstock')} {digest[:12]}"
