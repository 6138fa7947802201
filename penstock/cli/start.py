"""Start: init, check, apply, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show, text


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(check)
    app.command()(apply)
    app.command()(doctor)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new workspace's folder.")],
    task: Annotated[str, typer.Option(help="What the product does.")] = "text-classification",
    data: Annotated[Path | None, typer.Option(help="Your data: a csv, jsonl or parquet file, also .gz.")] = None,
    test: Annotated[Path | None, typer.Option(help="A test file of its own (default: a split by content).")] = None,
    name: Annotated[str | None, typer.Option(help="The product's name (default: the data file's).")] = None,
) -> None:
    """Make a workspace: a folder with penstock.toml, ready to train. Without --data and --name, a copy of the task's
    example, data and all."""
    from penstock.jobs.start import make_workspace

    made = make_workspace(folder, task, data=data, test=test, name=name)
    product = next(one for one, known in made.products.items() if known.task == task)
    note(f"made {folder}/penstock.toml\nnext: cd {folder} && penstock check && penstock train {product}")


def check() -> None:
    """Read penstock.toml and the data's headers; say what is wrong, with the line."""
    from penstock.jobs.check import check_workspace
    from penstock.workspace.loader import load

    facts = check_workspace(load(OPTIONS.workspace))
    show(facts, rows=facts, title="penstock.toml is sound")


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Show what differs from what is sold now, and publish it: new prices get new versions, nothing sold changes."""
    from penstock.jobs.apply import apply_workspace, plan_workspace
    from penstock.runtime.house import open_house
    from penstock.workspace.plan import lines

    house = open_house(OPTIONS.workspace)
    changes = plan_workspace(house)
    if OPTIONS.json:
        show([{"kind": c.kind, "key": c.key, "before": c.before, "after": c.after} for c in changes])
    else:
        text("\n".join(lines(changes)))
    if dry_run or not changes:
        return
    for line in apply_workspace(house):
        note(line)


def doctor() -> None:
    """Examine this machine and workspace: versions, database, disk, backbones, ports. Exits 1 if one is bad."""
    from penstock.jobs.doctor import examine

    findings = examine(OPTIONS.workspace)
    facts = [{"verdict": f.verdict, "what": f.what, "found": f.found, "remedy": f.remedy} for f in findings]
    show(facts, rows=[{"": f.verdict, "what": f.what, "found": f.found, "to do": f.remedy} for f in findings])
    if any(f.verdict == "bad" for f in findings):
        raise typer.Exit(1)
