"""Train: climb the ladder until the gate says yes; look at candidates and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, print_table, show


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(candidates)
    app.command()(report)


def train(
    product: str,
    rung: Annotated[list[str] | None, typer.Option(help="Only this rung (repeatable; default: the ladder).")] = None,
) -> None:
    """Clean, train the cheapest rung, judge it; on a no, the next rung. Exits 3 when no rung passes the gate."""
    from penstock.jobs.runner import open_workflows
    from penstock.jobs.train import gate_refused, outcome_rows
    from penstock.runtime.house import open_house
    from penstock.runtime.progress import console_progress

    house = open_house(OPTIONS.workspace)
    arguments = {"product": product, "rungs": list(rung or [])}
    with (
        console_progress() as progress,
        open_workflows(house, executor=f"cli-train-{product}", progress=progress) as workflows,
    ):
        result = workflows.run_or_resume("train", arguments, note)
    rows = outcome_rows(result)
    show(result, rows=rows, title=f"{product}: data version {result['version']}")
    passed = [outcome for outcome in result["outcomes"] if outcome["passed"]]
    if not passed:
        raise gate_refused(product, result)
    note(f"passed: candidate {passed[-1]['candidate']}; next: penstock release {product}")


def candidates(product: str) -> None:
    """Every candidate of a product with its last decision."""
    from penstock.jobs.train import candidate_rows
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    rows = candidate_rows(house, product)
    if not rows:
        product_of(house.workspace, product)
    show(rows, rows=rows)


def report(
    candidate: Annotated[str, typer.Argument(help="Its id, or PRODUCT for the newest, or PRODUCT/NUMBER.")],
    html: Annotated[Path | None, typer.Option(help="Draw the report into this file.")] = None,
    card: Annotated[Path | None, typer.Option(help="Write the model card (markdown) into this file.")] = None,
) -> None:
    """What evaluation measured, and what the gate said."""
    from penstock.jobs.reports import candidate_report
    from penstock.runtime.house import open_house

    found = candidate_report(open_house(OPTIONS.workspace), candidate)
    if html is not None:
        html.write_text(found.html(), encoding="utf-8")
        note(f"wrote {html}")
    if card is not None:
        card.write_text(found.card(), encoding="utf-8")
        note(f"wrote {card}")
    if OPTIONS.json:
        show(found.facts())
        return
    print_table(found.summary_rows(), title=found.title)
    print_table(found.reason_rows(), title="the gate")
