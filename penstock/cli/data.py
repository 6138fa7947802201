"""Data: look at a product's rows, clean them into a version, list the versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, print_table, show

if TYPE_CHECKING:
    from penstock.pipeline.privacy.lineage import Held

SHOWN_LABELS = 12


def register(app: typer.Typer) -> None:
    data = typer.Typer(help="A product's data: inspect, clean, add, versions, lineage.", no_args_is_help=True)
    data.command("inspect")(inspect)
    data.command("clean")(clean)
    data.command("add")(add)
    data.command("labels")(labels)
    data.command("convert")(convert)
    data.command("versions")(versions)
    data.command("lineage")(lineage)
    app.add_typer(data, name="data")


def inspect(product: str) -> None:
    """Clean the data in memory and show what was found; nothing is kept."""
    from penstock import installed
    from penstock.workspace.loader import load, product_of

    workspace = load(OPTIONS.workspace)
    chosen = product_of(workspace, product)
    _show_report(installed.of(chosen).prepare(chosen, workspace.folder, ()).report)


def clean(product: str) -> None:
    """Clean the data and keep the result as a dataset version (the same content is the same version)."""
    from penstock import installed
    from penstock.datasets.versions import add_version
    from penstock.pipeline.privacy.consent import check_made
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    chosen = product_of(house.workspace, product)
    prepared = installed.of(chosen).prepare(chosen, house.folder, ())
    with house.store.transaction() as tx:
        check_made(tx, house.blobs, product, prepared.train)
        version = add_version(tx, house.blobs, product=product, prepared=prepared, source=chosen.data)
    _show_report(prepared.report)
    note(f"{product}: data version {version.number} ({version.rows_train:,} to train, {version.rows_test:,} to test)")


def add(
    product: str,
    file: Path,
    again: Annotated[bool, typer.Option("--again", help="Also where the data hold every row of FILE already.")] = False,
) -> None:
    """Append the rows of FILE to the product's data file, after checking that they can be read. A file that was added
    before is refused."""
    from penstock import installed
    from penstock.datasets.append import append_rows
    from penstock.workspace.loader import load, product_of

    workspace = load(OPTIONS.workspace)
    chosen = product_of(workspace, product)
    reader = installed.of(chosen).label_reader
    label = None if reader is None else reader(chosen)
    added = append_rows(workspace.folder / chosen.data, file, chosen.columns, again=again, label=label)
    if added.repeats:
        note(f"{added.repeats:,} of them repeat rows that were there already; cleaning drops repeats")
    note(f"{product}: {added.rows:,} rows added to {chosen.data}; next: penstock train {product}")


def convert(
    file: Annotated[Path, typer.Argument(help="Text in any encoding (.csv, .tsv, .jsonl), .xlsx, .json; also .gz.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it (default: NAME-utf8.csv beside FILE).")] = None,
    encoding: Annotated[str | None, typer.Option("--from", help="E.g. cp1252 (default: a guess).")] = None,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook with several.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")] = False,
) -> None:
    """Make a UTF-8 csv file of FILE: another encoding, a workbook's sheet, a list of objects, a Label Studio export."""
    from penstock.datasets.convert import beside, write_converted
    from penstock.datasets.convert import convert as converted

    found = converted(file, encoding=encoding, sheet=sheet)
    target = out or beside(file, found.extension)
    write_converted(found, target, overwrite=overwrite)
    for told in found.notes:
        note(told)
    show({"file": str(target), "notes": list(found.notes)}, rows=[{"wrote": str(target)}])


def labels(
    product: str,
    rare: Annotated[bool, typer.Option("--rare", help="Only those with too few rows to learn.")] = False,
) -> None:
    """Every label of the data with its rows: those with too few to learn first, and those that look like another."""
    from penstock.pipeline.labels import label_rows
    from penstock.workspace.loader import load, product_of

    workspace = load(OPTIONS.workspace)
    product_of(workspace, product)
    rows = label_rows(workspace, product, rare=rare)
    show(rows, rows=rows)
    few = sum(row["too_few"] for row in rows)
    if few:
        note(
            f"{few:,} have too few rows to learn; in penstock.toml, "
            'cleaning = { rare_labels = "drop" } drops them, "merge:other" makes them one label'
        )


def versions(product: Annotated[str | None, typer.Argument(help="Default: every product.")] = None) -> None:
    """Every dataset version of a product, or of all, with its parent."""
    from penstock.datasets.versions import list_versions
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        found = list_versions(tx, product)
    if not found and product is not None:
        product_of(house.workspace, product)
    rows = [
        {
            "product": v.product,
            "version": v.number,
            "train": v.rows_train,
            "test": v.rows_test,
            "parent": v.parent,
            "source": v.source,
            "id": v.id[:12],
            "made": v.created_at,
        }
        for v in found
    ]
    names = ("product", "number", "id", "rows_train", "rows_test", "parent", "source", "created_at")
    show([{name: getattr(v, name) for name in names} for v in found], rows=rows)


def lineage(
    product: str,
    customer: Annotated[str | None, typer.Option(help="Only this customer: id, name or e-mail.")] = None,
) -> None:
    """Whose rows are in which data versions, candidates and releases; with consent then and now.

    Exits 1 where rows to train on were taken without consent.
    """
    from penstock.identity.customers import get_customer
    from penstock.pipeline.privacy.lineage import lineage as trace
    from penstock.pipeline.privacy.stated import spent, spent_in_words
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    product_of(house.workspace, product)
    with house.store.read() as tx:
        only = None if customer is None else get_customer(tx, customer).id
        trainings = spent(tx, product)
    found = trace(house, product, only)
    show([{**asdict(one), "taken": one.taken, "outlived": one.outlived} for one in found], rows=_held_rows(found))
    for told in spent_in_words(trainings):
        note(told)
    for name in sorted({one.name for one in found if one.outlived}):
        again = f"penstock retrain {product}, or penstock train {product} && penstock release {product}"
        note(f"the live release learned from {name}, which consents no more: {again}")
    if taken := [one for one in found if one.taken]:
        note(f"taken without consent: rows of {', '.join(sorted({one.name for one in taken}))}")
        raise typer.Exit(1)


def _held_rows(found: Sequence[Held]) -> list[dict[str, Any]]:
    return [
        {
            "customer": one.name,
            "version": one.version,
            "made": one.made_at,
            "train": one.rows_train,
            "test": one.rows_test,
            "consent then": one.consented_then,
            "consent now": one.consents_now,
            "candidates": ", ".join(map(str, one.candidates)),
            "releases": ", ".join(map(str, one.releases)),
            "live": one.live,
        }
        for one in found
    ]


def _show_report(report: object) -> None:
    from penstock.datasets.cleaning import CleaningReport

    if not isinstance(report, CleaningReport):
        raise TypeError(report)
    if OPTIONS.json:
        show(report.to_json())
    else:
        if report.table():
            print_table(report.table())
        labels = ", ".join(f"{one.label} {one.train:,}" for one in report.classes[:SHOWN_LABELS])
        more = f" and {len(report.classes) - SHOWN_LABELS} more" if len(report.classes) > SHOWN_LABELS else ""
        note(f"{report.rows_train:,} rows to train, {report.rows_test:,} to test")
        if report.classes:
            note(f"{len(report.classes)} labels, with rows to train: {labels}{more}")
