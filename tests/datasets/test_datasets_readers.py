"""Reading a data file: what users bring, in every format, and what they are told when it cannot be used."""

import gzip
import io
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.readers import iter_rows, read_most, read_rows
from penstock.datasets.rows import Row
from penstock.tasks.text.data.preparing import prepare_texts
from penstock.workspace.records import Product

ROWS = [("my card is lost", "lost_card"), ("卡丢了，怎么办？", "lost_card"), ('a "quoted",\nbroken text', "other")]


def csv_bytes(rows: list[tuple[str, str]]) -> bytes:
    return ("text,label\n" + "".join('"{}",{}\n'.format(t.replace('"', '""'), n) for t, n in rows)).encode()


def jsonl_bytes(rows: list[tuple[Any, Any]]) -> bytes:
    return "".join(json.dumps({"text": t, "label": n}, ensure_ascii=False) + "\n" for t, n in rows).encode()


def parquet_bytes(rows: list[tuple[Any, Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pa.table({"text": [t for t, _ in rows], "label": [n for _, n in rows]}), out)
    return out.getvalue()


WRITERS: dict[str, Callable[[list[Any]], bytes]] = {"csv": csv_bytes, "jsonl": jsonl_bytes, "parquet": parquet_bytes}


def file_of(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def refusal(path: Path, columns: dict[str, str] | None = None) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_rows(path, columns)
    return caught.value


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path: Path, kind: str, packed: str) -> None:
    rows = read_rows(file_of(tmp_path, f"rows.{kind}{packed}", WRITERS[kind](ROWS)))
    assert [(row.text, row.label) for row in rows] == ROWS
    first = {"csv": 2, "jsonl": 1, "parquet": 1}[kind]
    assert rows[0].origin == f"rows.{kind}{packed}:{first}"


def test_a_row_s_origin_is_the_line_on_which_it_begins(tmp_path: Path) -> None:
    content = b'text,label\n"one\nand\nmore",a\n\ntwo,b\n'
    rows = read_rows(file_of(tmp_path, "r.csv", content))
    assert [row.origin for row in rows] == ["r.csv:2", "r.csv:6"]


def test_columns_may_have_other_names_and_name_a_customer(tmp_path: Path) -> None:
    path = file_of(tmp_path, "r.csv", b"id,intent,message,who\n1,greet,hello,acme\n2,bye,see you,\n")
    columns = {"text": "message", "label": "intent", "customer": "who"}
    assert read_rows(path, columns) == [
        Row("hello", "greet", "r.csv:2", "acme"),
        Row("see you", "bye", "r.csv:3", None),
    ]


@pytest.mark.parametrize("between", ["\t", ";"])
def test_tabs_and_semicolons_are_understood(tmp_path: Path, between: str) -> None:
    path = file_of(tmp_path, "r.csv", f"text{between}label\na, b{between}x\n".encode())
    assert read_rows(path) == [Row("a, b", "x", "r.csv:2")]


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    path = file_of(tmp_path, "r.csv", b"\xef\xbb\xbftext,label\r\nhello,greet\r\n")
    assert read_rows(path) == [Row("hello", "greet", "r.csv:2")]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(("labels", "read"), [([0, 1], ["0", "1"]), ([1.0, 2.0], ["1", "2"]), ([True, False], None)])
def test_numeric_labels_are_names_of_classes(
    tmp_path: Path, kind: str, labels: list[Any], read: list[str] | None
) -> None:
    path = file_of(tmp_path, f"r.{kind}", WRITERS[kind]([("a", labels[0]), ("b", labels[1])]))
    assert [row.label for row in read_rows(path)] == (read or ["true", "false"])


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_text_that_is_null_is_empty_text_for_cleaning_to_count(tmp_path: Path, kind: str) -> None:
    rows = read_rows(file_of(tmp_path, f"r.{kind}", WRITERS[kind]([(None, "x"), ("b", "y")])))
    assert [row.text for row in rows] == ["", "b"]


def test_labels_lose_the_blanks_around_them(tmp_path: Path) -> None:
    assert read_rows(file_of(tmp_path, "r.csv", b"text,label\nhello, greet \n"))[0].label == "greet"


# What cannot be used


@pytest.mark.parametrize(
    ("name", "content", "where", "message"),
    [
        ("r.csv", b"", "r.csv", "the file is empty"),
        ("r.jsonl", b"", "r.jsonl", "the file is empty"),
        ("r.csv", b"text,label\n", "r.csv", "holds no rows"),
        ("r.csv", b"text,label\na,x\nb\n", "r.csv:3", "1 columns, the header 2"),
        ("r.csv", b"text,label\na,b,x\n", "r.csv:2", "3 columns, the header 2"),
        ("r.csv", b"utterance,intent\na,x\n", "r.csv:1", "found are: 'utterance', 'intent'"),
        ("r.csv", b"text,label,text\na,x,b\n", "r.csv:1", "'text' is there twice"),
        ("r.csv", b'text,label\na,x\n"b,y\nc,z\n', "r.csv:3", "never closed"),
        ("r.csv", b'text,label\n"a"b,x\n', "r.csv:2", "after a closing quote"),
        ("r.csv", b"text,label\na,x\nb,\n", "r.csv:3: label", "has no label"),
        ("r.csv", b"text,label\na,NaN\n", "r.csv:2: label", "has no label"),
        ("r.csv", b"text,label\na," + b"x" * 300 + b"\n", "r.csv:2: label", "longer than 200"),
        ("r.csv", b"text,label\na\0b,x\n" + b"c,y\n", "r.csv:2: text", "NUL"),
        ("r.jsonl", b'{"text": "a", "label": "x"}\n{"text": \n', "r.jsonl:2", "is not JSON"),
        ("r.jsonl", b'["a", "x"]\n', "r.jsonl:1", "a list, not an object"),
        ("r.jsonl", b'{"text": "a"}\n', "r.jsonl:1", "no column 'label'; the columns found are: 'text'"),
        ("r.jsonl", b'{"text": "a", "label": NaN}\n', "r.jsonl:1: label", "has no label"),
        ("r.jsonl", b'{"text": "a", "label": null}\n', "r.jsonl:1: label", "has no label"),
        ("r.jsonl", b'{"text": "a", "label": 0.5}\n', "r.jsonl:1: label", "not the float 0.5"),
        ("r.jsonl", b'{"text": ["a"], "label": "x"}\n', "r.jsonl:1: text", "must be text, not a list"),
        ("r.jsonl", b'{"text": "\\ud800", "label": "x"}\n', "r.jsonl:1: text", "half a character"),
        ("r.jsonl", b"[" * 100_000 + b"\n", "r.jsonl:1", "is not JSON"),
        ("r.parquet", b"PAR1 not really", "r.parquet", "not a parquet file"),
        ("r.parquet", b"", "r.parquet", "not a parquet file"),
        ("r.docx", b"PK", "r.docx", "type is unknown"),
        ("r.xlsx", b"PK", "r.xlsx", "no .xlsx workbook that can be read"),
    ],
)
def test_what_cannot_be_used_is_named_with_file_line_and_column(
    tmp_path: Path, name: str, content: bytes, where: str, message: str
) -> None:
    error = refusal(file_of(tmp_path, name, content))
    assert error.where == where
    assert message in error.message


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.csv").message
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.csv").message
    assert "is a folder" in refusal(tmp_path).message


@pytest.mark.parametrize(
    ("encoding", "named"), [("gb18030", "gb18030"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")]
)
def test_another_encoding_is_recognised_and_the_conversion_told(tmp_path: Path, encoding: str, named: str) -> None:
    lines = "text,label\nok,x\n" + "我的卡丢了，该怎么办,lost\n" * 50
    error = refusal(file_of(tmp_path, "r.csv", lines.encode(encoding)))
    assert named in error.message
    assert error.where == ("r.csv:3" if encoding == "gb18030" else "r.csv:1")
    assert error.hint == f"convert it: penstock data convert {tmp_path / 'r.csv'}"


def test_a_field_of_more_than_a_megabyte_is_named_by_its_line(tmp_path: Path) -> None:
    long = b"x" * 1_500_000
    assert refusal(file_of(tmp_path, "r.csv", b"text,label\na,y\n" + long + b",y\n")).where == "r.csv:3"
    assert (
        refusal(file_of(tmp_path, "r.jsonl", b'{"text": "' + long + b'", "label": "y"}\n')).where == "r.jsonl:1: text"
    )


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    error = refusal(file_of(tmp_path, "r.csv.gz", b"text,label\n" + b"x" * 10_000_000))
    assert (error.where, error.message) == ("r.csv.gz:2", "the line is longer than 8 MB")


def test_a_quote_that_swallows_the_file_is_named_where_it_opens(tmp_path: Path) -> None:
    content = b'text,label\nok,x\n"open,y\n' + b"some more text,z\n" * 100_000
    error = refusal(file_of(tmp_path, "r.csv", content))
    assert error.where == "r.csv:3"
    assert "never closed" in str(error.hint)


def test_a_broken_gzip_file_is_named_with_the_line_reached(tmp_path: Path) -> None:
    whole = gzip.compress(csv_bytes([(f"text {i} {i * i}", "x") for i in range(5000)]))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "ends too early" in refusal(cut).message
    plain = tmp_path / "plain.csv.gz"
    plain.write_bytes(b"text,label\na,x\n")
    assert "gzip file is broken" in refusal(plain).message


def test_an_unknown_field_in_the_mapping_names_the_ones_there_are(tmp_path: Path) -> None:
    error = refusal(file_of(tmp_path, "r.csv", b"text,label\na,x\n"), {"txt": "text"})
    assert error.where == "columns.txt"
    assert "text, label, customer" in str(error.hint)


def test_rows_come_one_at_a_time(tmp_path: Path) -> None:
    rows = iter_rows(file_of(tmp_path, "r.csv", b"text,label\na,x\nragged\n"))
    assert next(rows) == Row("a", "x", "r.csv:2")
    with pytest.raises(BadInput):
        next(rows)


def test_the_row_of_commas_that_spreadsheets_write_is_no_row(tmp_path: Path) -> None:
    rows = read_rows(file_of(tmp_path, "r.csv", b"text,label,id\nhello,a,1\n,,\n , ,\n,\nbye,b,2\n"))
    assert [row.text for row in rows] == ["hello", "bye"]


def test_every_row_without_a_label_is_named_at_once(tmp_path: Path) -> None:
    error = refusal(file_of(tmp_path, "r.csv", b"text,label\nhello,a\nwhat,\nbye,b\nwhen,\n"))
    assert error.where == "r.csv:3: label"
    assert "also r.csv:5: label: the row has no label" in (error.hint or "")


def test_a_csv_of_ours_with_its_byte_order_mark_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "标注.csv"
    file.write_bytes("\ufefftext,label\n退款,refund\n".encode())
    assert [(row.text, row.label) for row in read_rows(file)] == [("退款", "refund")]


def test_a_stated_share_of_rows_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    lines = [f'{{"text": "row {number}", "label": "{"ab"[number % 2]}"}}' for number in range(97)]
    (tmp_path / "r.jsonl").write_text("\n".join([*lines, "no json", '{"text": "c", "label": ""}', "[1]"]))
    rows, wrong = read_most(tmp_path / "r.jsonl", {}, 0.03)
    assert len(rows) == 97
    assert [str(error.where).partition(": ")[0] for error in wrong] == [
        "r.jsonl:98",
        "r.jsonl:99",
        "r.jsonl:100",
    ]
    with pytest.raises(BadInput, match="is not JSON") as caught:
        read_most(tmp_path / "r.jsonl", {}, 0.02)
    assert "r.jsonl:99" in str(caught.value) and "r.jsonl:100" in str(caught.value)
    (tmp_path / "r.csv").write_text("text,label\n" + "hello,a\n" * 9 + "too,many,fields\n")
    assert len(read_most(tmp_path / "r.csv", {}, 0.1)[0]) == 9


def test_rows_left_out_are_in_the_report_of_a_product(tmp_path: Path) -> None:
    texts = [f"{sha256(bytes([row])).hexdigest()} {'pay' if row % 2 else 'ship'},{'ab'[row % 2]}" for row in range(100)]
    (tmp_path / "r.csv").write_text("\n".join(["text,label", *texts, "no label at all"]))
    rest = {"task": "text-classification", "data": "r.csv", "gate": {}, "price": {"tiers": [{"unit_price": "0.001"}]}}
    strict = Product.model_validate(rest)
    with pytest.raises(BadInput, match="columns"):
        prepare_texts(strict, tmp_path)
    found = prepare_texts(Product.model_validate({**rest, "options": {"max_unreadable": "1%"}}), tmp_path)
    report = found.report
    assert report.found("unreadable-row") == 1 and report.read_train == 101
    assert report.read_train + report.read_test - report.dropped == report.rows_train + report.rows_test
    assert any("r.csv:102" in sentence for sentence in report.told())
