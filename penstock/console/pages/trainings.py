"""A product's runs: every training there was, a page at a time, and the newest side by side. Read only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.core.errors import BadInput
from penstock.evaluation.charts import themed
from penstock.evaluation.run_charts import Trace
from penstock.pipeline.runs.drawings import Drawing, run_picture
from penstock.pipeline.runs.listing import MOST_COMPARED, compared
from penstock.pipeline.runs.pages import runs_page
from penstock.registry.candidates import MOST_DIGITS
from penstock.registry.runs import PAGE, headline_of, list_runs
from penstock.workspace.loader import product_of


def index(request: Request, desk: AtDesk, product: str, before: int | None = None) -> Response:
    """The newest runs, or those before a number."""
    if before is not None and not 1 <= before < 10**MOST_DIGITS:
        raise BadInput(f"{before} is not the number of a run", where="before")
    known = product_of(desk.house.workspace, product)
    with desk.house.store.read() as tx:
        found = list_runs(tx, product, limit=PAGE + 1, before=before)
    facts = {
        "name": product,
        "title": known.title or product,
        "runs": found[:PAGE],
        "older": len(found) > PAGE,
        "before": before,
        "most": min(MOST_COMPARED, len(found)),
        "headline_of": headline_of,
    }
    return render.page(request, "trainings.html", facts)


def side_by_side(request: Request, desk: AtDesk, product: str) -> Response:
    """What `penstock runs compare PRODUCT --last 12 --html` draws."""
    known = product_of(desk.house.workspace, product)
    found = compared(desk.house, [product], last=MOST_COMPARED)
    drawing = False

    def draw(traces: Sequence[Trace], headline: str, locale: str, chinese: Mapping[str, str]) -> str | None:
        nonlocal drawing
        try:
            return run_picture(desk.house, traces, headline, locale, chinese)
        except Drawing:
            drawing = True
            return None

    page = runs_page(desk.house, found, render.language(request), draw)
    facts = {"name": product, "title": known.title or product, "page": page, "say": page.say, "themed": themed}
    facts["drawing"] = drawing
    return render.page(request, "runs.html", facts)


ROUTES = (
    Route("GET", "/products/{product}/runs", index, "operator"),
    Route("GET", "/products/{product}/runs/compared", side_by_side, "operator"),
)
