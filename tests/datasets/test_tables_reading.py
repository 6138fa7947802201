"""What owners find out about their tables: what each column is, what is left out, and what is wrong where."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.tasks.tabular.data.options import ClassificationOptions, RegressionOptions
from penstock.tasks.tabular.data.preparing import prepare
from penstock.tasks.tabular.data.schema import schema_of, split_of
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


def prepared(folder: Path, text: str, *, name: str = "t.csv", labels: bool = True, **options: Any) -> Prepared:
    content = text.encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    product = Product(task="tabular-classification", data=name, gate={}, price=PRICE, seed=1)  # type: ignore[arg-type]
    made = (ClassificationOptions if labels else RegressionOptions)(**options)
    return prepare(product, folder, [], made, labels=labels)


def table(rows: int = 60, **columns: Any) -> str:
    """A csv of `rows` lines; each column is a function of the row's number."""
    names = list(dict.fromkeys(["x", *columns, "target"]))
    made: dict[str, Any] = {"x": lambda i: i * 7 % 23, "target": lambda i: "yes" if i % 3 else "no", **columns}
    return "\n".join([",".join(names), *(",".join(str(made[name](i)) for name in names) for i in range(rows))])


def kinds(found: Prepared) -> dict[str, str]:
    return {column.name: column.kind for column in schema_of(split_of(found.train).inputs).columns}


def test_numbers_categories_and_dates_are_told_apart(tmp_path: Path) -> None:
    days = [f"2024-03-{day:02d}" for day in range(1, 29)]
    text = table(job=lambda i: ["clerk", "nurse"][i % 2], since=lambda i: days[i % 28], flag=lambda i: i % 2)
    found = prepared(tmp_path, text)
    assert kinds(found) == {"x": "number", "job": "category", "since": "date", "flag": "number"}
    assert len(found.train) + len(found.test) == 60


@pytest.mark.parametrize("word", ["", " "])
def test_empty_cells_are_missing_values(tmp_path: Path, word: str) -> None:
    found = prepared(tmp_path, table(age=lambda i: word if i % 5 == 0 else 20 + i))
    values = [row["values"]["age"] for row in [*found.train, *found.test]]
    assert values.count(None) == 12
    assert kinds(found)["age"] == "number"


@pytest.mark.parametrize("word", ["NA", "n/a", "NULL", "?", "nan", "none", "-"])
def test_words_for_nothing_among_numbers_are_refused_until_the_options_name_them(tmp_path: Path, word: str) -> None:
    text = table(age=lambda i: word if i % 5 == 0 else 20 + i)
    with pytest.raises(BadInput, match=r"'age' holds numbers, and .* in 12 of 60 rows") as caught:
        prepared(tmp_path, text)
    assert f'missing = {{ age = ["{word}"] }}' in str(caught.value)
    for missing in ([word], {"age": [word]}):
        found = prepared(tmp_path, text, missing=missing)
        assert [row["values"]["age"] for row in [*found.train, *found.test]].count(None) == 12
        assert kinds(found)["age"] == "number"


@pytest.mark.parametrize("word", ["none", "null", "NA", "-"])
def test_a_class_or_category_called_like_a_missing_value_is_kept_and_pointed_out(tmp_path: Path, word: str) -> None:
    text = table(
        600, target=lambda i: word if i % 5 < 2 else "sold", claims=lambda i: word if i % 4 == 0 else "ab"[i % 2]
    )
    found = prepared(tmp_path, text)
    rows = [*found.train, *found.test]
    assert len(rows) == 600
    assert sum(row["target"] == word for row in rows) == 240
    assert sum(row["values"]["claims"] == word for row in rows) == 150
    (finding,) = [f for f in found.report.findings if f.kind == "markers"]
    assert {e.origin: e.text for e in finding.examples} == {
        "target": f"'{word}' in 240 of 600 rows",
        "claims": f"'{word}' in 150 of 600 rows",
    }
    told = prepared(tmp_path, text, missing={"claims": [word]})
    assert sum(row["values"]["claims"] is None for row in [*told.train, *told.test]) == 150
    assert {row["target"] for row in told.train} == {word, "sold"}
    assert prepared(tmp_path, text, missing=[word], target="claims", drop=["target"]).report.found("no-target") == 150


def test_identifiers_free_text_and_constants_are_left_out_and_said_so(tmp_path: Path) -> None:
    text = table(
        customer=lambda i: f"C-{i:05d}",
        row_id=lambda i: 1000 + i,
        country=lambda i: "SG",
        note=lambda i: f"said {i} things",
    )
    found = prepared(tmp_path, text)
    assert kinds(found) == {"x": "number"}
    (finding,) = [f for f in found.report.findings if f.kind == "no-input"]
    assert {e.origin for e in finding.examples} == {"customer", "row_id", "country", "note"}


def test_an_infinite_number_is_refused_at_its_line_and_column(tmp_path: Path) -> None:
    text = table(income=lambda i: "inf" if i == 30 else i * 100)
    with pytest.raises(BadInput, match="inf cannot be used") as caught:
        prepared(tmp_path, text)
    assert caught.value.where == "t.csv:32: income"


def test_a_word_among_numbers_is_a_slip_and_no_category(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'12k' is no number") as caught:
        prepared(tmp_path, table(income=lambda i: "12k" if i == 4 else i * 100))
    assert caught.value.where == "t.csv:6: income"
    found = prepared(tmp_path, table(zip=lambda i: 10_000 + i % 10), types={"zip": "category"})
    assert kinds(found)["zip"] == "category"


def test_zeros_far_below_all_else_are_suspected_and_read_as_missing_when_told(tmp_path: Path) -> None:
    text = table(pressure=lambda i: 0 if i % 10 == 0 else 60 + i % 30, visits=lambda i: i % 11)
    (finding,) = prepared(tmp_path, text).report.findings
    assert (finding.kind, [e.origin for e in finding.examples]) == ("zeros", ["pressure"])
    told = prepared(tmp_path, text, missing_zero=["pressure"])
    assert told.report.findings == ()
    assert 0.0 not in [row["values"]["pressure"] for row in told.train]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv", "t.jsonl"])
def test_other_formats_hold_the_same_rows(tmp_path: Path, name: str) -> None:
    plain = prepared(tmp_path, table(job=lambda i: "ab"[i % 2]))
    text = table(job=lambda i: "ab"[i % 2])
    if name == "t.tsv":
        text = text.replace(",", "\t")
    if name == "t.jsonl":
        lines = [line.split(",") for line in text.splitlines()[1:]]
        text = "\n".join(f'{{"x": {x}, "job": "{job}", "target": "{target}"}}' for x, job, target in lines)
    other = prepared(tmp_path, text, name=name)
    assert [row["values"] for row in other.train] == [row["values"] for row in plain.train]


def test_parquet_keeps_its_own_types(tmp_path: Path) -> None:
    import datetime

    import pyarrow as pa
    from pyarrow import parquet

    days = [datetime.date(2026, 1, 1) + datetime.timedelta(days=i % 40) for i in range(60)]
    columns = {"x": [i * 7 % 23 for i in range(60)], "ok": [i % 2 == 0 for i in range(60)], "day": days}
    parquet.write_table(pa.table({**columns, "target": [i % 3 == 0 for i in range(60)]}), tmp_path / "t.parquet")
    product = Product(task="tabular-classification", data="t.parquet", gate={}, price=PRICE)  # type: ignore[arg-type]
    found = prepare(product, tmp_path, [], ClassificationOptions(), labels=True)
    assert kinds(found) == {"x": "number", "ok": "category", "day": "date"}
    assert {row["target"] for row in found.train} == {"true", "false"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"target": "outcome"}, "no column 'outcome' to predict"),
        ({"drop": ["nothing"]}, "drop names 'nothing', which is no column"),
        ({"drop": ["x"]}, "no column is left"),
        ({"positive": "maybe"}, "positive = 'maybe' is no label"),
        ({"monotone": {"job": "+"}}, "'job' cannot be monotone"),
        ({"time": "No"}, "time names 'No', which is no column\n  leave `time` out where there is none"),
        ({"time": "job"}, "'a' is neither a date nor a number\n  is 'job' the column of times"),
    ],
)
def test_options_that_do_not_fit_the_table_are_refused(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    text = table() if options.get("drop") == ["x"] else table(job=lambda i: "ab"[i % 2])
    with pytest.raises(BadInput) as caught:
        prepared(tmp_path, text, **options)
    assert why in str(caught.value)


def test_a_target_of_words_is_no_number_to_predict(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the target 'no' is no number") as caught:
        prepared(tmp_path, table(), labels=False)
    assert caught.value.where == "t.csv:2: target"


def test_rows_without_a_target_are_dropped_and_counted(tmp_path: Path) -> None:
    found = prepared(tmp_path, table(target=lambda i: "" if i % 10 == 0 else "ab"[i % 2]))
    assert found.report.found("no-target") == 6
    assert found.report.rows_train + found.report.rows_test == 54
