"""Files that are no UTF-8 csv: workbooks, lists and Label Studio exports are read or converted, within bounds."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from penstock.cli.root import run
from penstock.core.errors import BadInput, Conflict
from penstock.datasets import lines, objects
from penstock.datasets.convert import beside, convert, write_converted
from penstock.datasets.readers import read_rows
from penstock.tasks.knowledge.data.reader import read_entries
from penstock.tasks.recommendation.data.files import read_columns
from penstock.tasks.tabular.data.reading import read_table
from penstock.tasks.text.data.label_sets import Separated

PAIRS = [("hello there", "greet"), ("我的订单", "parcel")]


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in read_rows(path)]


def test_a_workbook_is_read_with_its_rows_numbers(tmp_path: Path) -> None:
    rows = [[], ["text", "label", "n"], *([*pair, 1] for pair in PAIRS), [None, None, None], ["bye", 7.0, 2]]
    path = book(tmp_path / "a.xlsx", Sheet1=rows, Empty=[])
    found = read_rows(path)
    assert [(row.text, row.label, row.origin) for row in found] == [
        ("hello there", "greet", "a.xlsx:3"),
        ("我的订单", "parcel", "a.xlsx:4"),
        ("bye", "7", "a.xlsx:6"),
    ]


def test_of_several_sheets_one_must_be_chosen_by_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path / "my book.xlsx", One=[["text", "label"], ["a", "x"]], Two=[["text", "label"], ["b", "y"]])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="several sheets hold rows: 'One', 'Two'") as caught:
        read_rows(path)
    assert caught.value.hint == "choose one: penstock data convert 'my book.xlsx' --sheet \"One\""
    assert run(["data", "convert", "my book.xlsx", "--sheet", "Two"]) == 0
    assert pairs(tmp_path / "my book-utf8.csv") == [("b", "y")]
    with pytest.raises(BadInput, match="no sheet 'Three'"):
        convert(path, sheet="Three")


def test_json_lists_are_read_and_objects_around_them(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in PAIRS]
    for name, content in (("a.json", rows), ("b.json", {"version": 1, "rows": rows})):
        (tmp_path / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        assert pairs(tmp_path / name) == PAIRS
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    assert pairs(tmp_path / "c.json.gz") == PAIRS
    (tmp_path / "d.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(BadInput, match="is not JSON: Extra data") as caught:
        read_rows(tmp_path / "d.json")
    assert ".jsonl" in str(caught.value.hint)


def test_every_reader_takes_workbooks_and_lists(tmp_path: Path) -> None:
    table = [["age", "day", "risk"], [31, date(2026, 1, 2), "low"], [45.5, date(2026, 1, 3), "high"]]
    records = read_table(book(tmp_path / "t.xlsx", S=table), "risk")
    assert [dict(each.cells) for each in records] == [
        {"age": 31.0, "day": "2026-01-02", "risk": "low"},
        {"age": 45.5, "day": "2026-01-03", "risk": "high"},
    ]
    took = book(tmp_path / "i.xlsx", S=[["user", "item"], ["u", 7]])
    assert list(read_columns(took, {"user": "user", "item": "item"})) == [("i.xlsx:2", {"user": "u", "item": 7})]
    (tmp_path / "k.json").write_text(json.dumps([{"question": "Where?", "answer": "Here."}]))
    assert [entry.answer for entry in read_entries(tmp_path / "k.json", {}, 1_000)] == ["Here."]


def export(path: Path, *made: tuple[str, list[list[str]]], cancelled: bool = False) -> Path:
    tasks = [
        {
            "id": number,
            "data": {"ref": f"r{number}", "message": text},
            "annotations": [
                {
                    "was_cancelled": cancelled,
                    "result": [{"type": "choices", "from_name": "l", "value": {"choices": choices}}],
                }
                for choices in given
            ],
        }
        for number, (text, given) in enumerate(made)
    ]
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_label_studio_export_becomes_rows_and_what_is_skipped_is_counted_by_why(tmp_path: Path) -> None:
    path = export(
        tmp_path / "export.json",
        ("where is my parcel", [["parcel"]]),
        ("both agree on this", [["bill"], ["bill"]]),
        ("they do not agree", [["bill"], ["parcel"]]),
        ("two at once here", [["bill", "parcel"]]),
        ("nobody looked at it", []),
        ("我的订单在哪里", [["parcel"]]),
    )
    with pytest.raises(BadInput, match="is a Label Studio export") as caught:
        read_rows(path)
    assert caught.value.hint == f"convert it: penstock data convert {path}"
    found = convert(path)
    write_converted(found, tmp_path / "out.csv")
    assert pairs(tmp_path / "out.csv") == [
        ("where is my parcel", "parcel"),
        ("both agree on this", "bill"),
        ("我的订单在哪里", "parcel"),
    ]
    assert set(found.notes) == {
        "3 labelled texts of 6 tasks of a Label Studio export",
        "skipped: 1 tasks on which annotators disagree",
        "skipped: 1 tasks with several choices at once",
        "skipped: 1 tasks without an annotation",
    }
    with pytest.raises(BadInput, match=r"no task .* is a labelled text: 1 skipped by their annotators"):
        convert(export(tmp_path / "none.json", ("a", [["b"]]), cancelled=True))


def test_choices_of_which_several_may_be_made_become_lists(tmp_path: Path) -> None:
    path = export(
        tmp_path / "export.json",
        ("late and billed twice", [["parcel", "bill"], ["bill", "parcel"]]),
        ("where is it", [["parcel"]]),
        ("wrong and locked out", [["bill", "login"]]),
        ("they do not agree", [["bill"], ["bill", "parcel"]]),
        ("nothing fits", [[]]),
    )
    found = convert(path)
    write_converted(found, tmp_path / "out.csv")
    rows = read_rows(tmp_path / "out.csv", label=Separated("|").read)
    assert [(row.text, row.label) for row in rows] == [
        ("late and billed twice", "bill|parcel"),
        ("where is it", "parcel"),
        ("wrong and locked out", "bill|login"),
        ("nothing fits", ""),
    ]
    assert "tasks have several choices at once: the labels are lists" in found.notes
    assert "skipped: 1 tasks on which annotators disagree" in found.notes


def test_curly_quotes_of_windows_come_out_whole_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = "text,label\n“Where’s my order?”,parcel\nIt’s late,parcel\n"
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "my data.csv"
    path.write_bytes(content.encode("cp1252"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="it reads as cp1252") as caught:
        read_rows(Path("in") / "my data.csv")
    command = str(caught.value.hint).removeprefix("convert it: penstock ")
    assert command == "data convert 'in/my data.csv'"
    assert run(["data", "convert", "in/my data.csv"]) == 0
    assert (tmp_path / "in" / "my data-utf8.csv").read_text(encoding="utf-8") == content
    assert "read as cp1252 (a guess: look at it)" in capsys.readouterr().err
    assert run(["data", "convert", "in/my data.csv"]) == 1  # there already
    assert run(["data", "convert", "in/my data.csv", "--overwrite"]) == 0
    assert run(["data", "convert", "in/my data.csv", "--out", "b.csv", "--from", "utf-8"]) == 2
    assert "my data.csv:2: the line is not utf-8" in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "utf-8-sig"])
def test_chinese_text_is_converted_from_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    content = "text,label\n" + "我的卡丢了，该怎么办,lost\n" * 5
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode(encoding))
    assert convert(path).content == content


def test_a_converted_file_is_not_written_over_another(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\na,b\n"))
    assert beside(path, ".csv") == tmp_path / "a-utf8.csv"
    (tmp_path / "a-utf8.csv").write_text("mine")
    with pytest.raises(Conflict, match="there is such a file already"):
        write_converted(convert(path), beside(path, ".csv"))
    assert (tmp_path / "a-utf8.csv").read_text() == "mine"


# bounds


def test_a_gzip_bomb_is_left_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_SMALL_BYTES", 1_000_000)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"aaaaaaaaaaaaaaaaaaa,b\n" * 500_000))
    with pytest.raises(BadInput, match="unpacks to more than"), monkeypatch.context() as unread:
        unread.setattr(gzip.GzipFile, "readline", None)  # its own length, at its end, is believed when it is too much
        read_rows(path)
    path.write_bytes(path.read_bytes() + gzip.compress(b"a,b\n"))  # but not when it is little
    with pytest.raises(BadInput, match="unpacks to more than"):
        read_rows(path)
    honest = tmp_path / "honest.csv.gz"
    honest.write_bytes(gzip.compress(("text,label\n" + "".join(f"row {n},b\n" for n in range(200_000))).encode()))
    assert len(read_rows(honest)) == 200_000


def test_a_workbook_that_is_a_bomb_or_damaged_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SMALL_BYTES", 1_000_000)
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"0" * 20_000_000)
    with pytest.raises(BadInput, match=r"unpacks to 20 MB; at most"):
        read_rows(bomb)
    whole = book(tmp_path / "whole.xlsx", S=[["text", "label"], *[[f"row {n}", "b"] for n in range(50)]])
    content = bytearray(whole.read_bytes())
    for at in range(200, len(content) - 200, 997):
        broken = tmp_path / "broken.xlsx"
        broken.write_bytes(bytes(content[:at]) + bytes(40) + bytes(content[at + 40 :]))
        try:
            read_rows(broken)
        except BadInput as error:
            assert error.where is not None and error.where.startswith("broken.xlsx")
