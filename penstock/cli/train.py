"""Train: climb the ladder until the gate says yes; look at candidates and reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.output import OPTIONS, note, print_table, show, shown_progress
from penstock.core.errors import BadInput
from penstock.core.whole import EVERYBODYS, write_whole

if TYPE_CHECKING:
    from penstock.pipeline.records import TrainResult
    from penstock.runtime.house import House


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(candidates)
    app.command()(report)


def train(
    product: str,
    rung: Annotated[list[str] | None, typer.Option(help="Only this rung (repeatable; default: the ladder).")] = None,
    explore: Annotated[
        bool, typer.Option("--explore", help="Train all rungs, compress the good ones, draw the frontier, choose.")
    ] = False,
    budget_minutes: Annotated[
        float | None,
        typer.Option(help="Of everything; a refused rung's recipe is then searched. --explore: 30 without a budget."),
    ] = None,
    budget_money: Annotated[
        str | None,
        typer.Option(help="The same in money: the minutes it buys of all cores here, at the prices of [costs]."),
    ] = None,
    executor: Annotated[str, typer.Option(help="Where rungs are trained: process or ray.")] = "process",
    workers: Annotated[int, typer.Option(help="How many train together, with --executor ray.")] = 1,
    html: Annotated[Path | None, typer.Option(help="With --explore: draw the frontier into this file.")] = None,
) -> None:
    """Clean, train the cheapest rung, judge it; on a no, the next rung. Exits 3 when no rung passes the gate."""
    from msgspec import structs

    from penstock.pipeline.climb.frontier import frontier_files, frontier_rows, write_frontier
    from penstock.pipeline.climb.train import gate_refused, outcome_rows, rungs_of
    from penstock.pipeline.records import ExploreResult, TrainJob, TrainResult
    from penstock.pipeline.runner import open_workflows
    from penstock.runtime import wire
    from penstock.runtime.house import open_house

    if html is not None and not explore:
        raise BadInput("only an exploration draws a frontier", where="--html", hint="add --explore")
    house = open_house(OPTIONS.workspace)
    asked = TrainJob(
        product=product, rungs=tuple(rung or ()), budget_minutes=budget_minutes, executor=executor, workers=workers
    )
    rungs_of(house, asked)  # what cannot be is said before any work begins
    job = "explore" if explore else "train"
    arguments = wire.plain(structs.replace(asked, budget_minutes=_minutes(house, budget_minutes, budget_money)))
    files = frontier_files(house, product, html) if explore else ()
    with (
        shown_progress() as progress,
        open_workflows(
            house, executor=f"cli-train-{product}", command=[job, arguments], progress=progress
        ) as workflows,
    ):
        answer = workflows.run_or_resume(job, arguments, note)
    result = wire.read(ExploreResult if explore else TrainResult, answer)
    if explore:
        answer = {**answer, "files": [str(file) for file in files]}
    rows = frontier_rows(result.points) if isinstance(result, ExploreResult) else outcome_rows(result.outcomes)
    spare = ("seconds", "margin", "p95 ms", "frontier")
    show(answer, rows=rows, title=f"{product}: data version {result.version}", spare=spare)
    if isinstance(result, ExploreResult):  # after the table: a full disk must not take that too
        write_frontier(house, product, result, html)
    _say_what_came(product, result, files)
    passed = [outcome for outcome in result.outcomes if outcome.passed]
    if not passed:
        raise gate_refused(product, result.outcomes, result.not_tried, result.advice)
    if not explore:
        note(f"passed: candidate {passed[-1].candidate}; next: penstock release {product}")


def _minutes(house: House, minutes: float | None, money: str | None) -> float | None:
    """The fewer of the minutes given and those that the money buys here. The job itself knows minutes only."""
    from penstock.evaluation.latency import machine
    from penstock.pipeline.climb.climbing import minutes_for
    from penstock.training.loop.machine import has_gpu

    if money is None:
        return minutes
    costs, cores, gpu = house.workspace.costs, machine().cores, has_gpu()
    bought = minutes_for(money, costs, cores=cores, gpus=int(gpu))
    note(
        f"{money} {house.workspace.company.currency} buy {bought:.3g} minutes of {cores} cores "
        f"at {costs.cpu_core_hour:f} an hour each" + (f" and a GPU at {costs.gpu_hour:f}" if gpu else "")
    )
    return bought if minutes is None else min(minutes, bought)


def _say_what_came(product: str, result: TrainResult, files: Sequence[Path]) -> None:
    """What cleaning found, what searches found, what was not tried, which files were written, and what was chosen."""
    from penstock.pipeline.records import ExploreResult, Search

    explored = result if isinstance(result, ExploreResult) else None
    for told in result.told:
        note(f"{product}: {told}")
    for outcome in result.outcomes:
        if isinstance(found := outcome.search, Search):
            scores = f", held-out {found.own:.4f} -> {found.best:.4f}" if found.best and found.own is not None else ""
            note(f"{outcome.rung}: searched its recipe in {found.trials} trials{scores}; {found.stopped}")
    for each in result.not_tried:
        note(f"{each.rung}: not tried, {each.why}")
    for last in result.outcomes[-1:]:  # none where no rung was tried
        for remark in last.notes if explored is None else ():
            note(f"{last.rung}: {remark}")
    if len(result.outcomes) > 1:
        note(f"what each training noted: penstock runs show {product}/{last.run}, and before")
    for file in files:
        note(f"wrote {file}")
    if explored is not None and (choice := explored.choice):
        note(f"chosen: {choice.name}: it {choice.text}; next: penstock release {product}")


def candidates(product: Annotated[str | None, typer.Argument(help="Default: every product.")] = None) -> None:
    """Every candidate of a product, or of all, with its last decision."""
    from penstock.pipeline.runs.candidate_list import judged_rows, list_judged
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    found = list_judged(house, product)
    if not found and product is not None:
        product_of(house.workspace, product)
    show(found, rows=judged_rows(found), spare=("candidate", "made", "p95 ms"))


def report(
    reference: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="Its id, or PRODUCT for the newest, or PRODUCT/NUMBER.")
    ],
    candidate: Annotated[str | None, typer.Option(help="With PRODUCT: 3, P/3 or its id.")] = None,
    html: Annotated[Path | None, typer.Option(help="Draw the report into this file.")] = None,
    card: Annotated[Path | None, typer.Option(help="Write the model card (markdown) into this file.")] = None,
) -> None:
    """What evaluation measured, and what the gate said."""
    from penstock.pipeline.runs.reports import candidate_report
    from penstock.runtime.house import open_house

    found = candidate_report(open_house(OPTIONS.workspace), reference, candidate)
    if html is not None:
        write_whole(html, found.html().encode(), mode=EVERYBODYS)
        note(f"wrote {html}")
    if card is not None:
        write_whole(card, found.card().encode(), mode=EVERYBODYS)
        note(f"wrote {card}")
    if OPTIONS.json:
        show(found.facts())
        return
    print_table(found.summary_rows(), title=found.title)
    print_table(found.reason_rows(), title="the gate")
