"""A knowledge file is read whole or refused with the line and field of what is wrong; the split is fair."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.tasks.knowledge.data.cleaning import clean
from penstock.tasks.knowledge.data.entries import Entry, entry_of
from penstock.tasks.knowledge.data.reader import read_entries, read_questions

HEAD = "id,question,answer,paraphrases,tags,locale,valid_until\n"
TODAY = date(2026, 11, 22)


def read(folder: Path, text: str, name: str = "faq.csv") -> list[Entry]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_entries(folder / name, {}, 10_000)


def cleaned(entries: list[Entry], tested: Any = None, extra: Any = (), **options: Any) -> Prepared:
    return clean(entries, tested, [], extra, **{"test_share": 0.2, "seed": 0, "today": TODAY, **options})


def entry(name: str, question: str, *paraphrases: str, answer: str = "Yes.") -> Entry:
    return Entry(name, question, answer, paraphrases, origin=f"faq.csv:{name}")


def asked(question: str, name: str = "", answer: str = "") -> dict[str, str]:
    return {"question": question, "entry": name, "answer": answer, "locale": "", "origin": "test.csv:2"}


@pytest.mark.parametrize(
    ("row", "where", "said"),
    [
        ("a,,Yes.,,,,\n", "faq.csv:2: question", "no question"),
        ("a,Where?,,,,,\n", "faq.csv:2: answer", "no answer"),
        ("a,Where?,  ,,,,\n", "faq.csv:2: answer", "no answer"),
        ("a b,Where?,Here.,,,,\n", "faq.csv:2: id", "is not an id"),
        ("a,Where?,Here.,,,english!,\n", "faq.csv:2: locale", "is not a locale"),
        ("a,Where?,Here.,,,,31.12.2026\n", "faq.csv:2: valid_until", "is not a day"),
        ("a,Where?,Here.,,,,2026-02-30\n", "faq.csv:2: valid_until", "is not a day"),
        ("a,Where?,Here.,,,,2026-12-31T12:00\n", "faq.csv:2: valid_until", "is not a day"),
        ("a,Where?\n", "faq.csv:2", "2 columns, the header 7"),
        ('a,"Where?,Here.,,,,\n', "faq.csv:2", "not valid CSV"),
        (f"a,{'x' * 1_001},Here.,,,,\n", "faq.csv:2: question", "1,001 characters"),
        (f"a,Where?,{'x' * 10_001},,,,\n", "faq.csv:2: answer", "10,001 characters"),
    ],
)
def test_a_wrong_entry_is_refused_at_its_line_and_field(tmp_path: Path, row: str, where: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, HEAD + row)
    assert caught.value.where == where and said in caught.value.message


def test_all_wrong_entries_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, HEAD + "a,,Yes.,,,,\nb,Where?,,,,,\nc,When?,Now.,,,,soon\n")
    assert "faq.csv:3: answer" in str(caught.value) and "faq.csv:4: valid_until" in str(caught.value)


def test_columns_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no column 'answer'; the columns found are: 'question', 'reply'"):
        read(tmp_path, "question,reply\nWhere?,Here.\n")
    (tmp_path / "a.csv").write_text("title,body\nWhere?,Here.\n", encoding="utf-8")
    found = read_entries(tmp_path / "a.csv", {"question": "title", "answer": "body"}, 100)
    assert (found[0].question, found[0].answer) == ("Where?", "Here.")
    with pytest.raises(BadInput, match="unknown field 'text'"):
        read_entries(tmp_path / "a.csv", {"text": "title"}, 100)


def test_csv_and_jsonl_hold_the_same_entries(tmp_path: Path) -> None:
    (csv_entry,) = read(tmp_path, HEAD + "a,Where?,Here.,where is it | and where,shop | help,en,2026-12-31\n")
    line = (
        '{"id":"a","question":"Where?","answer":"Here.","paraphrases":["where is it","and where"],'
        '"tags":["shop","help"],"locale":"en","valid_until":"2026-12-31"}\n'
    )
    (json_entry,) = read(tmp_path, line, "faq.jsonl")
    assert csv_entry.to_json() | {"origin": ""} == json_entry.to_json() | {"origin": ""}
    assert csv_entry.version == json_entry.version and csv_entry.valid_until == date(2026, 12, 31)


def test_an_id_and_a_version_come_from_the_content_alone() -> None:
    one = entry_of({"question": "Where?", "answer": "Here."}, "a:1")
    other = entry_of({"question": "Where?", "answer": "There.", "paraphrases": ["And where?"]}, "b:9")
    assert one.id == other.id and one.version != other.version
    again = entry_of({"question": "Where?", "answer": "Here.", "paraphrases": ["And where?"]}, "b:9")
    assert again.version == one.version  # a paraphrase is not told to anybody


def test_one_question_with_two_answers_names_both_lines(tmp_path: Path) -> None:
    entries = read(tmp_path, HEAD + "a,Where?,Here.,,,,\nb,where?,There.,,,,\n")
    with pytest.raises(BadInput, match=r"the same question as faq.csv:2, with another answer") as caught:
        cleaned(entries)
    assert caught.value.where == "faq.csv:3: question"
    other = read(tmp_path, HEAD + "a,Where?,Here.,x | y | z | w | v,,en,\nb,Where?,There.,,,de,\n")
    assert len(cleaned(other, test_share=0.5).train) == 2  # in another language it is another question


def test_one_id_on_two_entries_names_both_lines() -> None:
    with pytest.raises(BadInput, match=r"the id 'a' is that of faq\.csv:a too"):
        cleaned([entry("a", "Where?"), entry("a", "When?")])


def test_equal_entries_are_joined_and_counted() -> None:
    prepared = cleaned([entry("a", "Where?", "x y"), entry("b", "where?", "z")], [asked("so where", "b")])
    (row,) = prepared.train
    assert (row["id"], row["paraphrases"]) == ("a", ["x y", "z"])
    assert prepared.test[0]["entry"] == "a" and prepared.report.found("duplicate") == 1


def test_a_paraphrase_of_two_entries_teaches_neither() -> None:
    prepared = cleaned([entry("a", "Where?", "and you", "x"), entry("b", "When?", "And you")], [asked("so where", "a")])
    assert [row["paraphrases"] for row in prepared.train] == [["x"], []]
    assert prepared.report.found("ambiguous") == 2


def test_test_questions_leave_train(tmp_path: Path) -> None:
    tested = [asked("X Y", "a"), asked("Where?", "a"), asked("what else"), asked("what else"), asked("  ")]
    prepared = cleaned([entry("a", "Where?", "x y", "z")], tested)
    assert prepared.train[0]["paraphrases"] == ["z"]
    assert [row["entry"] for row in prepared.test] == ["a", "a", None]
    report = prepared.report
    assert report.found("test-in-train") == 1 and report.found("own-question-tested") == 1
    assert report.read_train + report.read_test - report.dropped == report.rows_train + report.rows_test


def test_some_paraphrases_are_set_aside_the_same_ones_whatever_joins() -> None:
    base = [entry(f"e{n}", f"question {n}?", *(f"way {m} to ask {n}" for m in range(5))) for n in range(20)]
    few, many = cleaned(base[:10]), cleaned(base)
    first = {row["question"] for row in few.test}
    assert 3 <= len(first) <= 25 and first <= {row["question"] for row in many.test}
    kept = {text for row in many.train for text in row["paraphrases"]}
    assert not kept & {row["question"] for row in many.test} and len(many.train) == 20


def test_test_rows_name_an_entry_its_answer_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("question,answer\nwhere,Yes.\nwhat,\n", encoding="utf-8")
    rows = read_questions(tmp_path / "t.csv", {})
    assert [row["entry"] for row in cleaned([entry("a", "Where?")], rows).test] == [None, "a"]
    with pytest.raises(BadInput, match="no entry 'zz'"):
        cleaned([entry("a", "Where?")], [asked("so", "zz")])
    with pytest.raises(BadInput, match="no entry has this answer"):
        cleaned([entry("a", "Where?")], [asked("so", "", "Never.")])
    with pytest.raises(BadInput, match="with another entry"):
        cleaned([entry("a", "Where?"), entry("b", "When?")], [asked("so", "a"), asked("So", "b")])
    (tmp_path / "u.csv").write_text("question\nwhere\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no column 'entry' or 'answer'"):
        read_questions(tmp_path / "u.csv", {})


def test_expired_entries_are_counted_and_kept() -> None:
    old = entry_of({"question": "Sale?", "answer": "Yes.", "valid_until": "2026-11-21"}, "faq.csv:2")
    last = entry_of({"question": "Gift?", "answer": "Yes.", "valid_until": "2026-11-22"}, "faq.csv:3")
    report = cleaned([old, last], [asked("any sale", old.id)]).report
    assert report.found("expired") == 1 and report.rows_train == 2


def test_without_a_test_question_it_says_what_to_give() -> None:
    with pytest.raises(BadInput, match="no question to test with") as caught:
        cleaned([entry("a", "Where?")])
    assert "a test file" in str(caught.value.hint)
