"""Documents: what is one, what is refused with its place, and histories read from files."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import BadInput
from penstock.tasks.opinion.data import clean_documents, document_of, read_documents

NOW = datetime(2026, 11, 15, 8, 0, tzinfo=UTC)
GOOD = {"text": "Harbour Air is late", "time": "2026-11-15T09:00:00+02:00"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": None}, "text"),
        ({"text": "  \n"}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x" * 20_001}, "text"),
        ({"text": "half \ud83d"}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"time": None}, "time"),
        ({"time": 1763190000}, "time"),
        ({"time": True}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-11-15T08:00:00"}, "time"),
        ({"time": "2026-11-15"}, "time"),
        ({"time": "2026-11-15T08:11:00Z"}, "time"),
        ({"time": "2027-01-01T00:00:00Z"}, "time"),
        ({"time": "1969-12-31T00:00:00Z"}, "time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
        ({"time": "9999-12-31T23:59:59-12:00"}, "time"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": None}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"source": ["a"]}, "source"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://x/" + "y" * 2_000}, "url"),
        ({"mood": "bad"}, "mood"),
    ],
)
def test_what_is_no_document_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        document_of({**GOOD, **change}, where="inputs[3]", now=NOW)
    assert refused.value.where == f"inputs[3].{field}"
    str(refused.value).encode()  # the message can be sent


@pytest.mark.parametrize("value", [None, "text", 5, [GOOD], True])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(BadInput) as refused:
        document_of(value, where="inputs[0]", now=NOW)
    assert refused.value.where == "inputs[0]"


def test_missing_fields_are_named() -> None:
    for missing in ("text", "time"):
        with pytest.raises(BadInput) as refused:
            document_of({key: value for key, value in GOOD.items() if key != missing}, where="inputs[0]", now=NOW)
        assert refused.value.where == f"inputs[0].{missing}"


def test_a_sound_document_is_in_utc_and_has_an_id_of_its_content() -> None:
    one, same = (document_of(dict(GOOD), where="x", now=NOW) for _ in range(2))
    assert one.time == datetime(2026, 11, 15, 7, 0, tzinfo=UTC)
    assert one.id == same.id and one.id.startswith("doc_")
    assert document_of({**GOOD, "source": "forum"}, where="x", now=NOW).id != one.id
    assert document_of({**GOOD, "id": "d7"}, where="x", now=NOW).id == "d7"


def test_a_sender_whose_clock_runs_ten_minutes_ahead_is_believed() -> None:
    ahead = {**GOOD, "time": (NOW + timedelta(minutes=10)).isoformat()}
    assert document_of(ahead, where="x", now=NOW).time == NOW + timedelta(minutes=10)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_any_value_in_any_field_is_answered_or_refused_by_that_field(value: Any) -> None:
    for field in ("text", "time", "id", "source", "url"):
        try:
            document_of({**GOOD, field: value}, where="inputs[0]", now=NOW)
        except BadInput as refused:
            assert refused.where == f"inputs[0].{field}"


def test_a_csv_history_is_read_with_its_own_column_names(tmp_path: Path) -> None:
    path = tmp_path / "news.csv.gz"
    lines = 'day;headline;source\n2026-01-02;Boeing rises;reuters\n2026-01-03 10:30;"A; b";\n'
    path.write_bytes(gzip.compress(lines.encode()))
    rows = read_documents(path, {"text": "headline", "time": "day"}, now=NOW, zone="Asia/Shanghai")
    assert [(row.document.text, row.document.source, row.origin) for row in rows] == [
        ("Boeing rises", "reuters", "news.csv.gz:2"),
        ("A; b", "", "news.csv.gz:3"),
    ]
    assert rows[0].document.time == datetime(2026, 1, 1, 16, 0, tzinfo=UTC)


def test_a_jsonl_history_is_read_and_ids_may_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "news.jsonl"
    path.write_text(json.dumps({"id": 7, "text": "a", "time": "2026-01-02T00:00Z", "likes": 3, "url": None}) + "\n")
    [row] = read_documents(path, {}, now=NOW, zone="UTC")
    assert (row.document.id, row.document.url) == ("7", "")


def test_every_undated_or_future_row_is_listed_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text("text,time\nfine,2026-01-02\nundated,\nlater,2030-01-01\n")
    with pytest.raises(BadInput) as refused:
        read_documents(path, {}, now=NOW, zone="UTC")
    assert refused.value.where == "news.csv:3: time"
    assert "news.csv:4: time" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "empty"),
        ("text,when\na,b\n", "no column 'time'"),
        ("text,time\n", "no documents"),
        ('text,time\n"a,2026-01-01\n', "CSV"),
        ("text,time\na,2026-01-01,extra\n", "3 columns"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "news.csv"
    path.write_text(content)
    with pytest.raises(BadInput) as refused:
        read_documents(path, {}, now=NOW, zone="UTC")
    assert what in str(refused.value)


def test_empty_long_and_repeated_documents_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    rows = [
        "id,text,time",
        "1,a,2026-01-01",
        "2,a,2026-01-01",
        "1,b,2026-01-02",
        "3,,2026-01-02",
        f"4,{'x' * 50},2026-01-03",
    ]
    path.write_text("\n".join(rows) + "\n")
    kept, findings = clean_documents(read_documents(path, {}, now=NOW, zone="UTC"), "train", most_chars=40)
    assert [row.origin for row in kept] == ["news.csv:2"]
    assert {finding.kind: finding.dropped for finding in findings} == {"empty": 1, "too-long": 1, "duplicate": 2}
