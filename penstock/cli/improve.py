"""Improve: what came back from use, and training on it."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show


def register(app: typer.Typer) -> None:
    feedback = typer.Typer(help="Ratings and corrections.", no_args_is_help=True)
    feedback.command("list")(feedback_list)
    app.add_typer(feedback, name="feedback")
    app.command()(retrain)


def feedback_list(product: Annotated[str | None, typer.Argument()] = None) -> None:
    """Everything that customers said of answers."""
    from penstock.identity.customers import list_customers
    from penstock.monitoring.feedback import list_feedback
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        found = list_feedback(tx, product)
        names = {one.id: one.name for one in list_customers(tx)}
    if not found and product is not None:
        product_of(house.workspace, product)
    rows = [
        {
            "at": one.created_at,
            "product": one.product,
            "customer": names.get(one.customer, one.customer),
            "request": f"{one.request_id}[{one.index}]",
            "rating": one.rating,
            "correction": one.correction,
            "comment": one.comment,
            "trained on": one.used_in is not None,
        }
        for one in found
    ]
    show(found, rows=rows)


def retrain(product: str) -> None:
    """Train with the corrections, judge against the live release on the same rows; exits 3 on a no."""
    from penstock.jobs.runner import open_workflows
    from penstock.jobs.train import gate_refused, outcome_rows
    from penstock.runtime.house import open_house
    from penstock.runtime.progress import console_progress

    house = open_house(OPTIONS.workspace)
    with (
        console_progress() as progress,
        open_workflows(house, executor=f"cli-train-{product}", command="retrain", progress=progress) as workflows,
    ):
        result = workflows.run_or_resume("retrain", {"product": product}, note)
    show(result, rows=outcome_rows(result), title=f"{product}: data version {result['version']}")
    if result["release"] is None:
        raise gate_refused(product, result)
    count = "1 row" if result["learned"] == 1 else f"{result['learned']:,} rows"
    note(f"{product}: release {result['release']} is live, trained with {count} that came back from use")
