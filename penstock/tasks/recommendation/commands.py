"""Stock: which items a recommender may recommend now, and new ones; live at once, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.output import OPTIONS, note, show

if TYPE_CHECKING:
    from penstock.tasks.recommendation.stock import Stock

Product = Annotated[str, typer.Argument(help="A product of the task recommendation.")]


def register(app: typer.Typer) -> None:
    stock = typer.Typer(help="A recommender's items: out of stock, back, new.", no_args_is_help=True)
    stock.command("set")(stock_set)
    stock.command("add")(stock_add)
    stock.command("show")(stock_show)
    app.add_typer(stock, name="stock")


def stock_set(
    product: Product,
    out: Annotated[list[str] | None, typer.Option("--out", metavar="ITEM", help="Out of stock (repeatable).")] = None,
    back: Annotated[list[str] | None, typer.Option("--in", metavar="ITEM", help="In stock again (repeatable).")] = None,
) -> None:
    """Stop recommending items that are out of stock, or begin again; gateways follow within a second."""
    from penstock.runtime.house import open_house
    from penstock.tasks.recommendation.stock import change_stock

    _show(change_stock(open_house(OPTIONS.workspace), product, out=out or (), back=back or ()))


def stock_add(product: Product, file: Path) -> None:
    """Recommend the new items of FILE (columns as in the product's items file), judged by their text."""
    from penstock.runtime.house import open_house
    from penstock.tasks.recommendation.stock import add_items

    _show(add_items(open_house(OPTIONS.workspace), product, file))


def stock_show(product: Product) -> None:
    """What is out of stock, and what was added since the last training."""
    from penstock.runtime.house import open_house
    from penstock.tasks.recommendation.stock import stock

    _show(stock(open_house(OPTIONS.workspace), product))


def _show(found: Stock) -> None:
    rows = [{"item": item, "title": "", "state": "out of stock"} for item in found.unavailable]
    rows += [{"item": row["item"], "title": row.get("title", ""), "state": "new"} for row in found.added]
    show(found, rows=rows)
    if not OPTIONS.json:
        amended = "nothing amended" if found.amendment is None else f"amendment {found.amendment}"
        note(f"{found.product}: {len(found.unavailable):,} out of stock, {len(found.added):,} new ({amended})")
