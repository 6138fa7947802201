"""Tables on screens of all widths: what one copies stays whole, and no line is wider than the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from penstock.cli.output import print_table
from penstock.cli.tables import laid_out
from penstock.core.ids import random_ids

MADE = "2026-11-22 15:27Z"


def drawn(rows: Sequence[Mapping[str, str]], width: int, *spare: str) -> tuple[list[str], tuple[str, ...]]:
    """The lines as printed, and the columns left out."""
    layout = laid_out(rows, spare=spare, width=width)
    console = Console(width=width)
    with console.capture() as captured:
        for table in layout.tables:
            console.print(table)
    return captured.get().splitlines(), layout.left_out


def test_a_long_cell_wraps_between_words_before_any_word_is_cut() -> None:
    rows = [
        {"run": "helpdesk/3", "rung": "frozen-linear.v1", "made": MADE},
        {"run": "helpdesk/2", "rung": "", "made": ""},
    ]
    lines, left_out = drawn(rows, 42)
    assert any(line.split() == ["helpdesk/3", "frozen-linear.v1", "2026-11-22"] for line in lines) and left_out == ()


def test_a_narrow_screen_goes_without_the_columns_that_may_be_left_out() -> None:
    rows = [{"run": f"helpdesk/{n}", "cost": "0.00115", "quality": "0.8530"} for n in (2, 1)]
    lines, left_out = drawn(rows, 20, "cost")
    assert any(line.split() == ["helpdesk/2", "0.8530"] for line in lines) and left_out == ("cost",)


def test_where_nothing_fits_each_row_stands_upright_with_its_ids_whole() -> None:
    ids = [random_ids("cand") for _ in range(4)]
    rows = [{"candidate": one, "made of": other, "rung": ""} for one, other in (ids[:2], ids[2:])]
    lines, left_out = drawn(rows, 50, "rung")
    told = [line.split() for line in lines if line.strip()]
    assert told == [["candidate", ids[0]], ["made", "of", ids[1]], ["candidate", ids[2]], ["made", "of", ids[3]]]
    assert left_out == ()


def test_the_names_of_the_first_column_are_never_cut() -> None:
    rows = [
        {"": name, **{f"helpdesk/{n}": "frozen-linear.v1" for n in range(5)}} for name in ("robust_accuracy", "ece")
    ]
    lines, _ = drawn(rows, 80)
    assert any(line.startswith("robust_accuracy") for line in lines) and any("frozen-line " in line for line in lines)


@given(st.lists(st.text("ab 客服\n", max_size=60), min_size=3, max_size=9), st.integers(1, 3), st.integers(20, 120))
def test_no_line_is_wider_than_the_screen_and_no_letter_is_lost(cells: list[str], columns: int, width: int) -> None:
    names = [f"column {n}" for n in range(columns)]
    rows = [
        dict(zip(names, cells[at : at + columns], strict=True)) for at in range(0, len(cells) - columns + 1, columns)
    ]
    lines, left_out = drawn(rows, width)
    assert max(cell_len(line) for line in lines) <= width and left_out == ()
    for letter in "ab客服":
        said = sum(value.count(letter) for row in rows for value in row.values())
        assert sum(line.count(letter) for line in lines) == said


def test_what_is_left_out_is_named_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_table([{"run": f"helpdesk/{n}", "cost": "0.00115", "quality": 0.853} for n in (2, 1)], spare=("cost",))
    out, err = capsys.readouterr()
    assert "cost" not in out and "too narrow for: cost; --json has all" in err
