"""Products: how each stands, its candidates with the gate's reasons, its releases, and the forms that move it on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock import installed
from penstock.analytics.overview import overview
from penstock.console import render, runs
from penstock.console.admin.models import document
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field, months
from penstock.core.errors import NotFound
from penstock.datasets.versions import list_versions
from penstock.evaluation.report import Report
from penstock.evaluation.words import SHARES, reason_in_words, speaker
from penstock.pipeline.privacy.lineage import standing_releases
from penstock.pipeline.runs.reports import candidate_report
from penstock.registry import candidates, decisions, releases
from penstock.storage.engine import Transaction
from penstock.workspace.loader import product_of

MOST_CANDIDATES = 50  # each opens a report; older ones are in `penstock candidates`


@dataclass(frozen=True)
class Rung:
    """A candidate on the ladder: its report's figures, the newest decision, whether it serves now.

    fits: it passed, and was compared with what is live now, so it can be released.
    """

    candidate: candidates.Candidate
    report: Report | None
    decision: decisions.Decision | None
    serves: bool
    fits: bool


@dataclass(frozen=True)
class Scale:
    """The axis of the pictures of quality: from `low` to `high`, in 150 steps."""

    low: float
    high: float

    def at(self, value: float) -> int:
        return round(4 + 142 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low))


def index(request: Request, desk: AtDesk, period: str | None = None) -> Response:
    """All products in one table."""
    chosen = months(desk, period)
    with desk.house.store.read() as tx:
        found = overview(tx, desk.house.workspace, chosen.shown)
    return render.page(request, "products.html", {"months": chosen, "view": found})


def show(request: Request, desk: AtDesk, product: str) -> Response:
    """One product."""
    known = product_of(desk.house.workspace, product)
    chosen = months(desk, None)
    with desk.house.store.read() as tx:
        view = overview(tx, desk.house.workspace, chosen.shown)
        ladder = _ladder(tx, desk, product)
        facts = {
            "name": product,
            "product": known,
            "figures": next(one for one in view.products if one.name == product),
            "ladder": ladder,
            "versions": list_versions(tx, product)[:20],
            "releases": list(reversed(standing_releases(tx, product))),
            "history": list(reversed(releases.history(tx, product)))[:20],
        }
    lang, headline = render.language(request), installed.of(known).quality[0]
    extra = {
        "months": chosen,
        "scale": _scale(ladder),
        "threshold": next((c.threshold for c in known.gate if c.metric == headline), None),
        "say": lambda reason: reason_in_words(reason, lang, speaker(lang, installed.of(known).chinese)),
        "jobs": [job for job in runs.jobs(desk) if job.subject == product],
        "failures": runs.failures(desk, product=product),
    }
    return render.page(request, "product.html", {**facts, **extra})


def report(request: Request, desk: AtDesk, product: str, number: int) -> Response:
    """The report of a candidate, in the reader's language."""
    known, lang = product_of(desk.house.workspace, product), render.language(request)
    found = candidate_report(desk.house, f"{product}/{number}")
    with desk.house.store.read() as tx:
        all_releases = releases.list_releases(tx, product)
        newest = max((one.number for one in candidates.list_candidates(tx, product)), default=number)
    facts = {
        "name": product,
        "title": known.title or product,
        "candidate": found.candidate,
        "page": found.page(desk.house, lang),
        "say": speaker(lang, installed.of(known).chinese),
        "releases": [one for one in all_releases if one.candidate == found.candidate.id],
        "newest": newest,
    }
    return render.page(request, "report.html", facts)


def report_file(desk: AtDesk, product: str, number: int) -> Response:
    """The same as one self-contained file to keep or send, as `penstock report --html` writes it."""
    product_of(desk.house.workspace, product)
    drawn = document(candidate_report(desk.house, f"{product}/{number}").html(desk.house))
    drawn.headers["Content-Disposition"] = f'attachment; filename="{product}-candidate-{number}.html"'
    return drawn


def train(request: Request, desk: AtDesk, product: str) -> Response:
    product_of(desk.house.workspace, product)
    runs.begin(desk, "train", {"product": product, "rungs": []})
    return back(f"/products/{product}", "training")


def retrain(request: Request, desk: AtDesk, product: str) -> Response:
    product_of(desk.house.workspace, product)
    runs.begin(desk, "retrain", {"product": product})
    return back(f"/products/{product}", "training")


def release(request: Request, desk: AtDesk, product: str) -> Response:
    chosen = field(form_of(request), "candidate")
    with desk.house.store.transaction() as tx:
        if candidates.get_candidate(tx, chosen).product != product:
            raise NotFound(f"{product} has no candidate {chosen!r}")
        releases.release(tx, chosen, desk.house.secret("decisions"), actor=desk.who)
    return back(f"/products/{product}", "released")


def rollback(request: Request, desk: AtDesk, product: str) -> Response:
    with desk.house.store.transaction() as tx:
        releases.rollback(tx, product, actor=desk.who)
    return back(f"/products/{product}", "rolled-back")


def _ladder(tx: Transaction, desk: Desk, product: str) -> list[Rung]:
    found = sorted(candidates.list_candidates(tx, product), key=lambda one: one.number, reverse=True)
    verdicts = {one.candidate: one for one in decisions.list_decisions(tx, product)}  # the newest stays
    live = releases.live(tx, product)
    serving = live.candidate if live else None
    rungs = []
    for one in found[:MOST_CANDIDATES]:
        judged = verdicts.get(one.id)
        fits = judged is not None and judged.passed and judged.incumbent == serving and one.id != serving
        rungs.append(Rung(one, _report(desk, one.report_blob), judged, one.id == serving, fits))
    return rungs


def _report(desk: Desk, digest: str) -> Report | None:
    try:
        data: Any = json.loads(desk.house.blobs.get(digest))
    except NotFound:  # a blob that was cleaned away must not hide the rest of the page
        return None
    return Report.from_json(data)


def _scale(ladder: Sequence[Rung]) -> Scale:
    """A little wider than what the reports hold; for shares it ends at 1."""
    found = [rung.report for rung in ladder if rung.report is not None]
    if not found or found[0].headline in SHARES:
        return Scale(max(0.0, min([*(report.headline_metric.low for report in found), 0.9]) - 0.05), 1.0)
    low = min(report.headline_metric.low for report in found)
    high = max(report.headline_metric.high for report in found)
    margin = 0.1 * (high - low) or 0.05
    return Scale(low - margin, high + margin)


ROUTES = (
    Route("GET", "/products", index, "operator"),
    Route("GET", "/products/{product}", show, "operator"),
    Route("GET", "/products/{product}/candidates/{number}", report, "operator"),
    Route("GET", "/products/{product}/candidates/{number}/report.html", report_file, "operator"),
    Route("POST", "/products/{product}/train", train, "operator", page=show, right="train"),
    Route("POST", "/products/{product}/retrain", retrain, "operator", page=show, right="train"),
    Route("POST", "/products/{product}/release", release, "operator", page=show, right="train"),
    Route("POST", "/products/{product}/rollback", rollback, "operator", page=show, right="train"),
)
