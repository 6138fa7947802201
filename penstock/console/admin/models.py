"""Verbs of the models: train, retrain, candidates, reports, releases, and the runs that do the work."""

from __future__ import annotations

from starlette.responses import Response

from penstock.console import runs
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.headers import DOCUMENT_POLICY
from penstock.console.wire import answer
from penstock.pipeline.privacy.lineage import standing_releases
from penstock.pipeline.runs.candidate_list import list_judged
from penstock.pipeline.runs.reports import candidate_report, passed_candidate
from penstock.registry import releases
from penstock.workspace.loader import product_of


def train(desk: AtDesk, product: str, body: bodies.Training) -> Response:
    """Start the climb up a product's ladder; answers the run's id at once."""
    return _begun(desk, "train", {"product": product, "rungs": body.rungs})


def retrain(desk: AtDesk, product: str) -> Response:
    """Start training with the corrections; answers the run's id at once."""
    return _begun(desk, "retrain", {"product": product})


def jobs_list(desk: AtDesk) -> Response:
    """The unfinished runs of this office."""
    found = runs.running(desk)
    return answer([{"id": run.id, "name": run.name, "arguments": run.arguments, "at": run.begun_at} for run in found])


def job_show(desk: AtDesk, job: str) -> Response:
    """Where a run is: running, done with its result, or failed with its error."""
    return answer(runs.outcome(desk, job))


def candidates(desk: AtDesk, product: str) -> Response:
    """Every candidate of a product with its last decision, newest first."""
    product_of(desk.house.workspace, product)
    return answer(list_judged(desk.house, product))


def report(desk: AtDesk, candidate: str) -> Response:
    """What evaluation measured of a candidate, and what the gate said."""
    return answer(candidate_report(desk.house, candidate).facts())


def report_html(desk: AtDesk, candidate: str) -> Response:
    """The same, drawn."""
    return document(candidate_report(desk.house, candidate).html(desk.house))


def releases_list(desk: AtDesk, product: str | None = None) -> Response:
    """Every release, live and retired."""
    with desk.house.store.read() as tx:
        return answer(standing_releases(tx, product))


def release(desk: AtDesk, product: str, body: bodies.WhichCandidate) -> Response:
    """Make a candidate the live release."""
    with desk.house.store.transaction() as tx:
        chosen, _ = passed_candidate(desk.house, tx, product, body.candidate)
        made = releases.release(tx, chosen.id, desk.house.secret("decisions"), actor=desk.who)
    return answer(made, 201)


def rollback(desk: AtDesk, product: str) -> Response:
    """Put the previous release live again."""
    with desk.house.store.transaction() as tx:
        made = releases.rollback(tx, product, actor=desk.who)
    return answer(made)


def document(html: str) -> Response:
    """A drawn report: shown by itself, with its own style and nothing else."""
    return Response(html, headers={"Content-Security-Policy": DOCUMENT_POLICY}, media_type="text/html")


def _begun(desk: AtDesk, name: str, arguments: dict[str, object]) -> Response:
    product_of(desk.house.workspace, str(arguments["product"]))
    run = runs.begin(desk, name, arguments)
    response = answer({"id": run.id, "name": run.name, "arguments": run.arguments, "begun_at": run.begun_at}, 202)
    response.headers["Location"] = f"/admin/v1/jobs/{run.id}"
    return response


ROUTES = (
    Route("POST", "/admin/v1/products/{product}/train", train, "admin", 202, right="train"),
    Route("POST", "/admin/v1/products/{product}/retrain", retrain, "admin", 202, right="train"),
    Route("GET", "/admin/v1/jobs", jobs_list, "admin"),
    Route("GET", "/admin/v1/jobs/{job}", job_show, "admin"),
    Route("GET", "/admin/v1/products/{product}/candidates", candidates, "admin"),
    Route("GET", "/admin/v1/candidates/{candidate}/report", report, "admin"),
    Route("GET", "/admin/v1/candidates/{candidate}/report.html", report_html, "admin"),
    Route("GET", "/admin/v1/releases", releases_list, "admin"),
    Route("POST", "/admin/v1/products/{product}/release", release, "admin", 201, right="train"),
    Route("POST", "/admin/v1/products/{product}/rollback", rollback, "admin", right="train"),
)
