"""The frontier of an exploration as points, table rows and files; and which candidate a release should take.

What was explored together is what one run of a workflow recorded: its runs' operations begin with its id.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import UNSET

from penstock import installed
from penstock.core.errors import BadInput
from penstock.core.whole import EVERYBODYS, write_whole
from penstock.evaluation.choice import Choice, choose, option
from penstock.evaluation.frontier import Judged, Point, frontier
from penstock.evaluation.frontier_page import Page, frontier_html, frontier_svg
from penstock.evaluation.intervals import Metric
from penstock.evaluation.words import plain_number
from penstock.pipeline.artifacts import get_report
from penstock.pipeline.records import ExploreResult, Outcome
from penstock.registry import runs
from penstock.registry.candidates import Candidate
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.workspace.records import Product


def frontier_of(house: House, product: str, outcomes: Sequence[Outcome]) -> tuple[tuple[Point, ...], Choice | None]:
    """The outcomes' points, cheapest first, and the choice by the product's rule."""
    numbers = {outcome.candidate: outcome.number for outcome in outcomes}
    judged = [
        Judged(
            candidate=outcome.candidate,
            number=outcome.number,
            rung=_named(outcome, numbers),
            report=get_report(house.blobs, outcome.report),
            passed=outcome.passed,
        )
        for outcome in outcomes
    ]
    sold = house.workspace.products[product]
    points, chosen = frontier(judged, error_cost=sold.error_cost, within=sold.within)
    return tuple(points), chosen


def frontier_rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    """A table row per candidate, cheapest first."""
    profits = any(point.profit is not None for point in points)
    rows = []
    for point in points:
        cost, margin = point.cost, point.margin
        row = {
            "candidate": point.number,
            "rung": point.rung,
            point.headline: f"{point.quality.value:.4f} ({point.quality.low:.4f} to {point.quality.high:.4f})",
            "cost/1000": _interval(cost, 3),
            "p95 ms": plain_number(point.latency_p95_ms.value),
            "margin": "" if margin is None else f"{margin.value:.1%}",
        }
        if profits:
            row["profit/1000"] = "" if point.profit is None else _interval(point.profit, 4)
        row["gate"] = "yes" if point.passed else "no"
        row["frontier"] = "yes" if point.best else "no"
        row["chosen"] = "chosen" if point.chosen else ""
        rows.append(row)
    return rows


def frontier_files(house: House, product: str, html: Path | None) -> tuple[Path, Path]:
    """Where the page and its chart go: html, or frontier-PRODUCT.html in the workspace. Raises BadInput where no file
    can be written, which is asked before an hour of work."""
    page = html if html is not None else house.folder / f"frontier-{product}.html"
    files = (page, page.with_suffix(".svg"))
    wrong = ""
    if page.suffix.lower() != ".html":
        wrong = "the name of a page ends in .html"
    elif not page.parent.is_dir():
        wrong = "cannot write here: there is no such folder"
    elif any(file.exists() and not (file.is_file() and os.access(file, os.W_OK)) for file in files):
        wrong = "cannot write here: what is there may not be replaced"
    elif not os.access(page.parent, os.W_OK):
        wrong = "cannot write here: the folder is read-only"
    if wrong:
        raise BadInput(wrong, where=str(page), hint="choose with --html")
    return files


def write_frontier(house: House, product: str, result: ExploreResult, html: Path | None) -> tuple[Path, Path]:
    """Write the page and, beside it, the chart; answer both paths. html: where to, as in `frontier_files`. Raises
    BadInput where it cannot be written."""
    page_path, chart_path = frontier_files(house, product, html)
    page, chinese = _page(house, product, result), installed.of(house.workspace.products[product]).chinese
    try:
        write_whole(page_path, frontier_html(page, chinese).encode(), mode=EVERYBODYS)
        write_whole(chart_path, frontier_svg(page, chinese).encode(), mode=EVERYBODYS)
    except OSError as error:
        raise BadInput(
            f"cannot write here: {error.strerror}", where=str(page_path), hint="choose with --html"
        ) from None
    return page_path, chart_path


def chosen_among(
    house: House, tx: Transaction, product: Product | None, newest: Candidate, others: Sequence[Candidate]
) -> tuple[Candidate, str]:
    """The candidate to release, and why: the product's choice among those that the workflow which made `newest` made
    too. others: all that passed and were never released, `newest` among them."""
    if product is None:  # no longer in the workspace, so nothing says how to choose
        return newest, "is the newest that passed"
    recorded = runs.runs_of_candidates(tx, newest.product)
    stems = {candidate: run.operation.partition(" ")[0] for candidate, run in recorded.items()}
    together = [one for one in others if one.id in stems and stems[one.id] == stems.get(newest.id)]
    options = [
        option(f"candidate {one.number}", get_report(house.blobs, one.report_blob), passed=True) for one in together
    ]
    chosen = choose(options, error_cost=product.error_cost, within=product.within) if len(together) > 1 else None
    if chosen is None:
        return newest, "is the newest that passed"
    found = next(one for one, its in zip(together, options, strict=True) if its.name == chosen.name)
    return found, chosen.text


def _interval(found: Metric, digits: int) -> str:
    value, low, high = (plain_number(each, digits) for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _named(outcome: Outcome, numbers: Mapping[str, int]) -> str:
    """The rung, what was set, and of which candidates it was made."""
    made_from = [str(numbers[each]) for each in outcome.made_from if each in numbers]
    told = () if outcome.set is UNSET else (f"{name}={value}" for name, value in outcome.set.items())
    named = " ".join([outcome.rung, *told])
    return f"{named} of {' and '.join(made_from)}" if made_from else named


def _page(house: House, product: str, result: ExploreResult) -> Page:
    sold, company = house.workspace.products[product], house.workspace.company
    rows = get_report(house.blobs, result.outcomes[0].report).rows
    return Page(
        title=sold.title or product,
        version=result.version,
        rows=rows,
        points=result.points,
        choice=result.choice,
        gate=sold.gate,
        not_tried=[(each.rung, each.why) for each in result.not_tried],
        currency=company.currency,
        locale=company.locale,
    )
