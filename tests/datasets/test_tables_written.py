"""How numbers, dates and codes are written is decided on a whole column, or refused by name; never a lost column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.dates import date_text
from penstock.datasets.numbers import NumberForm, Unsettled, form_from, form_of, number_of
from penstock.datasets.rows import Prepared
from penstock.tasks.tabular.data.options import ClassificationOptions, RegressionOptions
from penstock.tasks.tabular.data.preparing import prepare
from penstock.tasks.tabular.data.schema import schema_of, split_of
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


def prepared(folder: Path, column: list[str], *, labels: bool = True, **options: Any) -> Prepared:
    """A table of 60 rows whose column `v` repeats these cells, semicolons between fields."""
    lines = [f"{i * 7 % 23};{column[i % len(column)]};{'yes' if i // 3 % 3 else 'no'}" for i in range(60)]
    (folder / "t.csv").write_text("\n".join(["x;v;target", *lines]), encoding="utf-8")
    product = Product(task="tabular-classification", data="t.csv", gate={}, price=PRICE, seed=1)  # type: ignore[arg-type]
    made = (ClassificationOptions if labels else RegressionOptions)(**options)
    return prepare(product, folder, [], made, labels=labels)


def values(found: Prepared) -> set[Any]:
    return {row["values"]["v"] for row in [*found.train, *found.test]}


@pytest.mark.parametrize(
    ("cells", "form", "numbers"),
    [
        (["1,234", "1,230", "567"], "1,234.5", [1234, 1230, 567]),
        (["1,234,567", "1,000"], "1,234.5", [1_234_567, 1000]),
        (["$1,000.00", "$5.25", "-$3"], "$1,234.5", [1000, 5.25, -3]),
        (["($1,000.50)", "$5"], "$1,234.5", [-1000.5, 5]),
        (["12%", "3.5 %"], "1234.5%", [12, 3.5]),
        (["3,14", "2,5", "7"], "1234,5", [3.14, 2.5, 7]),
        (["1.234,50", "3,5"], "1.234,5", [1234.5, 3.5]),
        (["1 234,5", "12"], "1 234,5", [1234.5, 12]),
        (["1’234.50", "3"], "1'234.5", [1234.5, 3]),
        (["￥１，２００", "¥5.5"], "¥1,234.5", [1200, 5.5]),
        (["EUR 1.234,50", "3,5 EUR"], "EUR 1.234,5", [1234.5, 3.5]),
        (["1,00,000", "5,000.5"], "1,234.5", [100_000, 5000.5]),
        (["1.5", "1e3", "-.5", "1.234"], "1234.5", [1.5, 1000, -0.5, 1.234]),
    ],
)
def test_numbers_are_read_as_the_whole_column_writes_them(cells: list[str], form: str, numbers: list[float]) -> None:
    found = form_of(dict.fromkeys(cells, 1))
    assert isinstance(found, NumberForm)
    assert str(found) == form
    assert form_from(form) == found
    assert [number_of(cell, found) for cell in cells] == numbers


@pytest.mark.parametrize(
    "cells", [["1,234", "5,678"], ["3,14", "3.14"], ["12%", "3"], ["$1", "€2"], ["1,234.5", "1.234,5"]]
)
def test_numbers_that_can_be_read_in_two_ways_are_not_guessed(cells: list[str]) -> None:
    found = form_of(dict.fromkeys(cells, 1))
    assert isinstance(found, Unsettled)
    assert set(found.cells) == set(cells)


@pytest.mark.parametrize("text", ["1_000", "٣", "5²", "", "-", "1.2.3", "12k", "--5", "$", "1,23,4"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert number_of(text) is None
    assert number_of(text, NumberForm(".", ",")) is None


def test_a_column_of_numbers_keeps_its_form_for_the_model(tmp_path: Path) -> None:
    found = prepared(tmp_path, ["$1,000.00", "$12.50", "$2,345.10", "$7"])
    assert values(found) == {1000.0, 12.5, 2345.1, 7.0}
    schema = schema_of(split_of(found.train).inputs, split_of(found.train).forms)
    assert [(c.name, c.kind, c.form) for c in schema.columns] == [("v", "number", "$1,234.5"), ("x", "number", "")]
    (finding,) = [f for f in found.report.findings if f.kind == "written-as"]
    assert [(e.origin, e.text) for e in finding.examples] == [("v", "$1,234.5")]


def test_what_the_cells_do_not_tell_is_refused_with_the_option_that_tells(tmp_path: Path) -> None:
    cells = ["1,234", "5,678", "2,345"]
    with pytest.raises(BadInput, match=r"the numbers of 'v' cannot be read: .*'1,234'") as caught:
        prepared(tmp_path, cells)
    assert caught.value.where == "t.csv: v"
    assert 'numbers = { v = "1,234.5" }' in str(caught.value)
    assert values(prepared(tmp_path, cells, numbers={"v": "1,234.5"})) == {1234.0, 5678.0, 2345.0}
    assert values(prepared(tmp_path, cells, numbers="1234,5")) == {1.234, 5.678, 2.345}


def test_dots_are_doubted_where_the_file_has_decimal_commas(tmp_path: Path) -> None:
    lines = [f"{i % 7 + 1}.{i % 9 + 100};{i % 7},{i % 10}5;{'yes' if i % 3 else 'no'}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["sum;rate;target", *lines]))
    product = Product(task="tabular-classification", data="t.csv", gate={}, price=PRICE)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"the numbers of 'sum'"):
        prepare(product, tmp_path, [], ClassificationOptions(), labels=True)
    told = prepare(product, tmp_path, [], ClassificationOptions(numbers={"sum": "1.234,5"}), labels=True)  # type: ignore[arg-type]
    assert min(row["values"]["sum"] for row in told.train) >= 1000


@pytest.mark.parametrize("notation", ["12", "1.234.5", "", "a1,234.5"])
def test_a_notation_that_shows_nothing_is_refused(notation: str) -> None:
    with pytest.raises(ValueError, match="does not show how numbers are written"):
        ClassificationOptions(numbers=notation)  # type: ignore[arg-type]


def test_an_amount_to_predict_is_read_too(tmp_path: Path) -> None:
    lines = [f"{i * 7 % 23};$1,{i:03d}.50" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x;target", *lines]))
    product = Product(task="tabular-regression", data="t.csv", gate={}, price=PRICE)  # type: ignore[arg-type]
    found = prepare(product, tmp_path, [], RegressionOptions(), labels=False)
    assert {row["target"] for row in [*found.train, *found.test]} == {1000.5 + i for i in range(60)}


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["12/31/2025", "01/02/2025"], {"2025-12-31", "2025-01-02"}),
        (["31/12/2025", "01/02/2025"], {"2025-12-31", "2025-02-01"}),
        (["31-12-2025 14:30", "1-2-2025 08:05:30"], {"2025-12-31T14:30:00", "2025-02-01T08:05:30"}),
        (["12/31/25 2:30 PM", "1/2/25 8:05 AM"], {"2025-12-31T14:30:00", "2025-01-02T08:05:00"}),
        (["Dec 31, 2025", "2 January 2025"], {"2025-12-31", "2025-01-02"}),
        (["2025-12-31", "12/30/2025", "31.01.2025"], {"2025-12-31", "2025-12-30", "2025-01-31"}),
    ],
)
def test_dates_are_read_in_the_order_that_the_column_shows(tmp_path: Path, cells: list[str], first: set[str]) -> None:
    assert values(prepared(tmp_path, cells)) == first


def test_dates_of_unknown_order_are_refused_with_the_option_that_tells(tmp_path: Path) -> None:
    cells = ["05/11/2025", "01/02/2025"]
    with pytest.raises(BadInput, match="month or day first in '05/11/2025'") as caught:
        prepared(tmp_path, cells)
    assert 'dates = { v = "DD/MM/YYYY" }' in str(caught.value)
    assert values(prepared(tmp_path, cells, dates={"v": "DD/MM/YYYY"})) == {"2025-11-05", "2025-02-01"}
    assert values(prepared(tmp_path, cells, dates="MM/DD/YYYY")) == {"2025-05-11", "2025-01-02"}


def test_dates_of_both_orders_are_refused_with_their_cells(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="months and days change places: '31/12/2025', '12/30/2025'"):
        prepared(tmp_path, ["12/30/2025", "31/12/2025"])


def test_impossible_days_are_no_dates() -> None:
    assert date_text("02/30/2025", "MM/DD/YYYY") is None
    assert date_text("13:61 1/1/2025", "MM/DD/YYYY") is None
    assert date_text("05/11/2025") is None


def test_digits_with_leading_zeros_stay_codes(tmp_path: Path) -> None:
    found = prepared(tmp_path, ["00501", "10115", "02139", "94103"])
    assert values(found) == {"00501", "10115", "02139", "94103"}
    (finding,) = [f for f in found.report.findings if f.kind == "codes"]
    assert [e.origin for e in finding.examples] == ["v"]
    assert values(prepared(tmp_path, ["00501", "10115"], types={"v": "number"})) == {501.0, 10115.0}


def test_a_single_leading_zero_among_numbers_is_a_slip(tmp_path: Path) -> None:
    lines = [f"{'007' if i == 30 else i};{'yes' if i % 3 else 'no'}" for i in range(400)]
    (tmp_path / "t.csv").write_text("\n".join(["x;target", *lines]))
    product = Product(task="tabular-classification", data="t.csv", gate={}, price=PRICE)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="'007' have leading zeros"):
        prepare(product, tmp_path, [], ClassificationOptions(), labels=True)


def test_all_columns_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    lines = [f"{i % 9 + 1},{i % 10}45|NA|05/0{i % 8 + 1}/2025|{'yes' if i % 3 else 'no'}" for i in range(60)]
    text = "\n".join(["sum;age;day;target", *lines]).replace("|", ";").replace("NA;", "NA;", 1)
    (tmp_path / "t.csv").write_text(text.replace("NA;", "41;").replace("41;", "NA;", 3))
    product = Product(task="tabular-classification", data="t.csv", gate={}, price=PRICE)  # type: ignore[arg-type]
    with pytest.raises(BadInput) as caught:
        prepare(product, tmp_path, [], ClassificationOptions(), labels=True)
    assert all(f"t.csv: {name}: " in str(caught.value) for name in ("sum", "age", "day"))


def test_rows_are_ordered_in_time_by_dates_of_any_form(tmp_path: Path) -> None:
    cells = [f"{month}/28/2025" for month in range(1, 11)]
    found = prepared(tmp_path, cells, time="v")
    assert len(found.test) == 12
    assert {int(row["origin"].split(":")[1]) % 10 for row in found.test} == {0, 1}
