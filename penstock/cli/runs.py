"""Runs: every training there was, side by side, and out to other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, print_table, show, shown_progress
from penstock.core.whole import EVERYBODYS, write_whole


def register(app: typer.Typer) -> None:
    runs = typer.Typer(help="Every training: with what, how well, how long, for how much.", no_args_is_help=True)
    runs.command("list")(runs_list)
    runs.command("show")(runs_show)
    runs.command("compare")(runs_compare)
    runs.command("export")(runs_export)
    app.add_typer(runs, name="runs")


RunArg = Annotated[str, typer.Argument(metavar="RUN", help="PRODUCT/NUMBER, or its id.")]
KindOption = Annotated[str | None, typer.Option(help="Only train, trial or compress.")]


def runs_list(
    product: Annotated[str | None, typer.Argument(help="Default: every product.")] = None,
    kind: KindOption = None,
    sort: Annotated[
        str | None, typer.Option(metavar="METRIC", help="The best first: accuracy, cost_per_1000, seconds, cost, …")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many to show.")] = 20,
    before: Annotated[int | None, typer.Option(help="Only runs with a smaller number: the next page.")] = None,
) -> None:
    """A page of a product's runs, or of all, the newest first."""
    from penstock.pipeline.runs.listing import chosen_runs, left_before, run_rows
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    found = chosen_runs(house, product, kind=kind, sort=sort, limit=limit, before=before)
    spare = [name for name in ("cost", "made", "seconds") if name != sort]
    show(found, rows=run_rows(found, also=sort), spare=spare)
    if found and product is not None and sort is None and (left := left_before(house, found[-1], kind)):
        note(f"{left:,} older: add --before {found[-1].number}")


def runs_show(run: RunArg) -> None:
    """One run in full: metrics, parameters, where it came from, what it noted; its curves with --json."""
    from penstock.pipeline.runs.listing import compare_rows, compared, run_facts
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    [found] = compared(house, [run])
    if OPTIONS.json:
        show(run_facts(house, found))
        return
    print_table(compare_rows([found]), title=f"{found.product}, run {found.number}")
    for remark in filter(None, (found.error, *found.notes)):
        note(remark)


def runs_compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN…", help="Two or more runs; or a product with --last.")],
    last: Annotated[int | None, typer.Option(help="The newest so many runs of the product named.")] = None,
    html: Annotated[Path | None, typer.Option(help="Draw the page with the chart into this file.")] = None,
) -> None:
    """Runs side by side: what was measured, and the parameters that differ."""
    from penstock.pipeline.runs.listing import compare_rows, compared, run_facts
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    found = compared(house, runs, last=last)
    if html is not None:
        from penstock.pipeline.runs.pages import runs_html

        write_whole(html, runs_html(house, found).encode(), mode=EVERYBODYS)
        note(f"wrote {html}")
    show([run_facts(house, run) for run in found] if OPTIONS.json else None, rows=compare_rows(found))


def runs_export(
    product: str,
    to: Annotated[str, typer.Option(metavar="DIR|URL", help="A folder, or an MLflow tracking server.")],
    format: Annotated[str, typer.Option(help="tensorboard or mlflow.")],
    kind: KindOption = None,
) -> None:
    """Write a product's runs for TensorBoard, or send them to MLflow; each run once."""
    from penstock.pipeline.runs.export import export_runs
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with shown_progress() as progress:
        done = export_runs(house, product, to=to, form=format, kind=kind, progress=progress)
    show(done)
    if format == "tensorboard":
        note(f"look at them with: tensorboard --logdir {to}")
