"""Adding rows to a data file: it keeps its format and its other columns, and is never left half written."""

import json
from pathlib import Path

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.append import Added, append_rows
from penstock.datasets.readers import read_rows


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in read_rows(path)]


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text('text,label\n"c, with comma",x\nd,y\n')
    return path


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet", "a.tsv", "a.json", "a.json.gz"]
)
def test_rows_join_a_file_of_any_format_or_make_it(tmp_path: Path, new: Path, name: str) -> None:
    assert append_rows(tmp_path / name, new) == Added(2, 0)
    assert append_rows(tmp_path / name, new, again=True) == Added(2, 2)
    assert pairs(tmp_path / name) == [("c, with comma", "x"), ("d", "y")] * 2


def test_other_columns_stay_and_a_missing_last_line_end_is_mended(tmp_path: Path, new: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("id;label;text\n1;x;a")
    append_rows(target, new)
    assert target.read_text() == "id;label;text\n1;x;a\n;x;c, with comma\n;y;d\n"


def test_a_broken_file_on_either_side_changes_nothing(tmp_path: Path, new: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("text,label\na\n")
    for target, file in ((broken, new), (new, broken)):
        before = target.read_bytes()
        with pytest.raises(BadInput, match="1 columns"):
            append_rows(target, file)
        assert target.read_bytes() == before


def test_labels_that_do_not_fit_a_parquet_column_are_refused(tmp_path: Path, new: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    target = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"text": ["a"], "label": [1]}), target)
    with pytest.raises(BadInput, match="do not fit the column's type int64"):
        append_rows(target, new)
    assert pairs(target) == [("a", "1")]


def test_a_file_that_was_added_before_is_refused_unless_asked_for(tmp_path: Path, new: Path) -> None:
    target = tmp_path / "a.csv"
    append_rows(target, new)
    before = target.read_bytes()
    with pytest.raises(BadInput, match=r"all of its 2 rows are in a\.csv already; nothing was added") as caught:
        append_rows(target, new)
    assert "--again" in str(caught.value.hint)
    assert target.read_bytes() == before


def test_repeats_among_new_rows_are_counted_and_other_labels_are_none(tmp_path: Path, new: Path) -> None:
    target = tmp_path / "a.csv"
    append_rows(target, new)
    new.write_text("text,label\nD ,y\nd,z\ne,y\n")
    assert append_rows(target, new) == Added(3, 1)


def test_a_list_of_objects_keeps_what_stands_beside_and_in_its_rows(tmp_path: Path, new: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text('{"from": "the shop", "rows": [{"text": "é", "label": "x", "id": 7}]}')
    append_rows(target, new)
    whole = json.loads(target.read_text(encoding="utf-8"))
    assert whole["from"] == "the shop" and whole["rows"][0] == {"text": "é", "label": "x", "id": 7}
    assert pairs(target) == [("é", "x"), ("c, with comma", "x"), ("d", "y")]


def test_a_workbook_is_refused_with_the_way_out(tmp_path: Path, new: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for cells in (("text", "label"), ("a", "x")):
        book.active.append(cells)
    book.save(target := tmp_path / "a.xlsx")
    before = target.read_bytes()
    with pytest.raises(BadInput, match="cannot be added to a workbook") as caught:
        append_rows(target, new)
    assert "penstock data convert" in (caught.value.hint or "") and target.read_bytes() == before
