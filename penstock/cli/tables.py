"""Tables that fit the screen: cells wrap between words, then columns are left out, then each row stands upright.

It knows words and widths; what a value looks like as words is output.py's matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Row = Mapping[str, str]

_CUT = 10  # what a long word may be cut to where whole words do not fit, ids and the first column excepted
_LINES = 4  # a cell takes no more than about so many lines, as long as that asks for no more than _WIDE
_WIDE = 20
_ID = re.compile(r"[a-z]+_[0-9a-z]{26}")


@dataclass(frozen=True)
class Layout:
    """What to print one after the other, and the columns that found no room."""

    tables: tuple[RenderableType, ...]
    left_out: tuple[str, ...] = ()


def laid_out(
    rows: Sequence[Row], *, right: Collection[str] = (), spare: Sequence[str] = (), title: str = "", width: int
) -> Layout:
    """Rows of the same keys, at least one, on a screen of `width` cells.

    right: the columns that stand to the right. spare: columns that may be left out, in this order, where all of them
    are too wide. A word is cut only where nothing else helps, and what one copies never is: ids and the first column.
    """
    columns = [_column(name, [row[name] for row in rows]) for name in rows[0]]
    if sum(column.natural + 3 for column in columns) <= width:
        return Layout((_grid(rows, {c.name: c.natural for c in columns}, right, title, gap=3),))
    if len(rows) == 1:
        return Layout((_upright(rows[0], title),))
    dropped = [name for name in spare if name in rows[0]]
    for count in range(len(dropped) + 1):
        kept = [column for column in columns if column.name not in dropped[:count]]
        if widths := _widths(kept, [column.whole for column in kept], width):
            return Layout((_grid(rows, widths, right, title, gap=2),), tuple(dropped[:count]))
    if widths := _widths(kept, [column.cut if place else column.whole for place, column in enumerate(kept)], width):
        return Layout((_grid(rows, widths, right, title, gap=2),), tuple(dropped))
    return Layout(tuple(_upright(row, "" if place else title) for place, row in enumerate(rows)))


@dataclass(frozen=True)
class _Column:
    """natural: as wide as its longest cell. whole: wide enough for its words. cut: wide enough for the ids in it."""

    name: str
    natural: int
    whole: int
    cut: int


def _column(name: str, cells: Sequence[str]) -> _Column:
    from rich.cells import cell_len

    lengths = [cell_len(line) for cell in cells for line in cell.splitlines()]
    words = {word: cell_len(word) for cell in (name, *cells) for word in cell.split()}
    few_lines = max((min(_WIDE, -(-length // _LINES)) for length in lengths), default=0)
    cut = [length if _ID.fullmatch(word) else min(length, _CUT) for word, length in words.items()]
    return _Column(
        name=name,
        natural=max([cell_len(name), *lengths]),
        whole=max([few_lines, *words.values()]),
        cut=max([few_lines, *cut]),
    )


def _widths(columns: Sequence[_Column], needed: Sequence[int], width: int) -> dict[str, int] | None:
    """A width for each column, the longest cells wrapped first; None where not even the needed ones fit."""
    room = width - 2 * (len(columns) - 1)
    if sum(needed) > room:
        return None
    widths = [min(column.natural, room) for column in columns]
    while sum(widths) > room:
        slack = [wide - need for wide, need in zip(widths, needed, strict=True)]
        widths[slack.index(max(slack))] -= 1
    return {column.name: wide for column, wide in zip(columns, widths, strict=True)}


def _grid(
    rows: Sequence[Row], widths: Mapping[str, int], right: Collection[str], title: str, *, gap: int
) -> RenderableType:
    """gap: the spaces between two columns, 3 or 2; with 2 there are none at the edges."""
    from rich import box
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=gap == 3,
        padding=(0, 1) if gap == 3 else (0, 1, 0, 0),
        pad_edge=False,
    )
    for name, width in widths.items():
        table.add_column(Text(name), justify="right" if name in right else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*[Text(row[name]) for name in widths])
    return table if gap == 3 else Padding(table, (0, 0, 1, 0), expand=False)


def _upright(row: Row, title: str) -> Table:
    """A row as a name and a value a line: ids stay whole and can be copied."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, box=box.SIMPLE, title_justify="left", pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in row.items():
        if value:
            table.add_row(Text(name), Text(value))
    return table
