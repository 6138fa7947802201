"""Start: init, check, apply, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show, text
from penstock.core.errors import NotFound, Unavailable


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(check)
    app.command()(apply)
    app.command()(matrix)
    app.command()(doctor)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new workspace's folder.")],
    task: Annotated[str, typer.Option(help="What the product does; all: an example of each.")] = "text-classification",
    data: Annotated[
        Path | None, typer.Option(help="Your data: csv, tsv, jsonl, json, parquet (also .gz) or xlsx, in any encoding.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="A test file of its own (default: a split by content).")] = None,
    name: Annotated[str | None, typer.Option(help="The product's name (default: the data file's).")] = None,
    text_column: Annotated[str | None, typer.Option(help="Of the texts (default: a guess, which is told).")] = None,
    label_column: Annotated[str | None, typer.Option(help="Of the labels, or of a table's target.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=NAME of other tasks: question, answer, user, item, time.")
    ] = None,
    rare_labels: Annotated[
        str | None, typer.Option(help="Labels with too few rows: drop, or merge:NAME (default: refuse).")
    ] = None,
) -> None:
    """Make a workspace: a folder with penstock.toml, ready to train. The data are looked at: what was taken for what is
    told, and what check would refuse is refused here. Without --data and --name, a copy of the task's example."""
    from penstock.pipeline.start import make_workspace
    from penstock.runtime.house import open_house

    label = "target" if task.startswith("tabular") else "label"
    columns = {field: given for field, given in (("text", text_column), (label, label_column)) if given is not None}
    for pair in column or ():
        field, _, given = pair.partition("=")
        columns[field.strip()] = given.strip()
    made = make_workspace(
        folder, task, data=data, test=test, name=name, columns=columns, rare_labels=rare_labels, say=note
    )
    open_house(folder, create=True).close()
    product = next(iter(made.products))  # an example names first what others build on
    note(f"made {folder}/penstock.toml\nnext: cd {folder} && penstock check && penstock train {product}")


def check() -> None:
    """Read penstock.toml and the data's headers; say what is wrong, with the line."""
    from penstock.pipeline.check import check_workspace
    from penstock.pipeline.privacy.stated import gate_of
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import load

    workspace = load(OPTIONS.workspace)
    try:
        house = open_house(OPTIONS.workspace)
    except (NotFound, Unavailable):
        house = None  # the file can be checked without
    facts = check_workspace(workspace, house)
    rows = [{key: value for key, value in fact.items() if key != "told"} for fact in facts]
    data = [{**fact, "gate": gate_of(workspace.products[fact["product"]])} for fact in facts]
    show(data, rows=rows, title="penstock.toml is sound")
    for fact in facts:
        for told in fact["told"]:
            note(f"{fact['product']}: {told}")


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Show what differs from what is sold now, and publish it as new versions; each says from when it is in force."""
    from penstock.pipeline.apply import apply_workspace, plan_workspace, preview_apply
    from penstock.runtime.house import open_house
    from penstock.workspace.plan import lines

    house = open_house(OPTIONS.workspace, create=True)
    changes = plan_workspace(house)
    if OPTIONS.json:
        show([{"kind": c.kind, "key": c.key, "before": c.before, "after": c.after} for c in changes])
    else:
        text("\n".join(lines(changes)))
    if not changes:
        return
    if dry_run:
        note("a dry run publishes nothing; `penstock apply` would say:")
    for line in preview_apply(house) if dry_run else apply_workspace(house):
        note(line)
    if dry_run:
        return
    note("a gateway or office that runs read this file when it started: restart `penstock up` for options to change")


def matrix(
    period: Annotated[str | None, typer.Option(help="The month of use and revenue, e.g. 2026-11.")] = None,
) -> None:
    """Every product at a glance: what it stands on, how good it is, what it costs, charges and earned."""
    from penstock.analytics.matrix import matrix as rows_of
    from penstock.analytics.overview import overview
    from penstock.evaluation.words import figure
    from penstock.pipeline.money import month
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    chosen = month(house, period)
    with house.store.read() as tx:
        found = rows_of(overview(tx, house.workspace, chosen))
    rows = [
        {
            "product": row.product,
            "task": row.task,
            "backbone": "" if row.backbone is None else row.backbone + (" (shared)" if row.shared_with else ""),
            "data": row.data_version,
            "live": row.release,
            "gate": row.gate,
            "quality": "" if row.quality is None else f"{row.headline} {figure(row.headline, row.quality.value)}",
            "95%": "" if row.quality is None else figure(row.headline, row.quality.low, row.quality.high),
            "p95 ms": None if row.latency_p95_ms is None else f"{row.latency_p95_ms.value:.3g}",
            "cost/1000": None if row.cost_per_1000 is None else f"{row.cost_per_1000:.6f}",
            "price/1000": None if row.price_per_1000 is None else f"{row.price_per_1000:f}",
            "margin": "" if row.gross_margin is None else figure("gross_margin", row.gross_margin.value),
            "used": row.units,
            "invoiced": row.revenue,
            "not yet": row.unbilled,
            "feedback": row.open_feedback,
        }
        for row in found
    ]
    show(list(found), rows=rows, title=f"the product matrix, {chosen.name}")


def doctor() -> None:
    """Examine this machine and workspace: versions, database, disk, backbones, ports. Exits 1 if one is bad."""
    from penstock.pipeline.doctor import examine

    findings = examine(OPTIONS.workspace)
    facts = [{"verdict": f.verdict, "what": f.what, "found": f.found, "remedy": f.remedy} for f in findings]
    show(facts, rows=[{"": f.verdict, "what": f.what, "found": f.found, "to do": f.remedy} for f in findings])
    if any(f.verdict == "bad" for f in findings):
        raise typer.Exit(1)
