"""Cleaning: every defect of the rows is counted with an example, and what remains is fit to learn from."""

import json

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.cleaning import Cleaned, clean
from penstock.datasets.compare import bare
from penstock.datasets.report import CleaningReport, Contamination, Finding
from penstock.datasets.rows import Row
from penstock.workspace.records import Cleaning

PLAIN = ["where is parcel red", "has the box left", "lost in the post", "delivery is late", "track my order"]
OTHER = ["pay the rent bill", "invoice is wrong", "change my card", "two charges today", "send a receipt"]


def rows(*pairs: tuple[str, str], file: str = "a.csv") -> list[Row]:
    return [Row(text, label, f"{file}:{line}") for line, (text, label) in enumerate(pairs, 2)]


def base() -> list[Row]:
    return rows(*((text, "parcel") for text in PLAIN), *((text, "bill") for text in OTHER))


def more(*pairs: tuple[str, str]) -> list[Row]:
    return base() + rows(*pairs, file="more.csv")


TEST = rows(("has my parcel come", "parcel"), ("how do I pay", "bill"), file="test.csv")


def cleaned(train: list[Row], test: list[Row] | None = TEST, **options: object) -> Cleaned:
    return clean(train, test, Cleaning.model_validate(options), seed=0)


def finding(result: Cleaned, kind: str) -> Finding:
    (found,) = [each for each in result.report.findings if each.kind == kind]
    return found


def texts(found: tuple[Row, ...]) -> list[str]:
    return [row.text for row in found]


def test_sound_rows_pass_untouched() -> None:
    result = cleaned(base())
    assert (list(result.train), list(result.test)) == (base(), TEST)
    assert result.report.dropped == 0


def test_empty_and_over_long_texts_go() -> None:
    result = cleaned(more(("", "bill"), (" \u3000\t", "bill"), ("x" * 101, "bill")), max_chars=100)
    assert list(result.train) == base()
    assert finding(result, "empty").dropped == 2
    assert finding(result, "too-long").examples[0].origin == "more.csv:4"


def test_repeats_are_seen_through_case_width_and_blanks() -> None:
    result = cleaned(more(("WHERE  is parcel red ", "parcel"), ("ｈａｓ the box left", "parcel")))
    assert list(result.train) == base()
    duplicates = finding(result, "duplicate")
    assert duplicates.found == 2
    assert [example.other for example in duplicates.examples] == ["a.csv:2", "a.csv:3"]


def test_training_rows_that_are_test_rows_leave_train_and_are_shouted() -> None:
    result = cleaned(more(("HAS my parcel come", "bill")))
    assert list(result.train) == base()
    assert list(result.test) == TEST
    assert finding(result, "test-in-train").examples[0].other == "test.csv:2 parcel"
    assert any(row["what"] == "TRAINING ROWS THAT ARE ALSO TEST ROWS (train)" for row in result.report.table())


def test_of_contradicting_labels_the_majority_stays_and_a_tie_goes() -> None:
    result = cleaned(
        more(("tie", "bill"), ("TIE", "parcel"), ("most", "bill"), ("most", "bill"), ("most", "parcel")),
    )
    assert texts(result.train)[10:] == ["most"]
    assert result.train[10].label == "bill"
    conflict = finding(result, "conflict")
    assert (conflict.found, conflict.dropped) == (2, 3)


DISGUISED = ("Has my parcel come !!", "> has my parcel come", "has my\u200b parcel come", "ｈａｓ　my parcel, come?")


@pytest.mark.parametrize("text", DISGUISED)
def test_a_test_row_does_not_stay_in_train_by_punctuation_width_or_what_nobody_sees(text: str) -> None:
    result = cleaned(more((text, "bill")))
    assert list(result.train) == base()
    assert finding(result, "test-in-train").found == 1
    assert result.report.contamination == Contamination(removed=1, kept=0, rows_test=2)


def test_rows_set_aside_for_the_test_leave_no_disguised_copy_in_train() -> None:
    data = [
        Row(row.text + end, row.label, f"{row.origin}{end}") for row in base() for end in ("", " !!", "\u200b", " ?")
    ]
    result = cleaned(data, None, test_share=0.4)
    left = {bare(row.text) for row in result.train}
    assert result.test and not left & {bare(row.text) for row in result.test}


@pytest.mark.parametrize(("one", "other"), [("1 2", "12"), ("$5", "€5"), (":)", ":("), ("ab 👍", "ab 👎")])
def test_what_carries_meaning_is_not_folded(one: str, other: str) -> None:
    assert bare(one) != bare(other)


def test_near_repeats_of_test_rows_leave_train_and_others_only_on_request() -> None:
    long = "could you please tell me when my parcel with the two blue lamps will be at my door"
    train = more((long, "parcel"), (long + " x", "parcel"), ("how do I pay it then, how do I pay it", "bill"))
    test = [*TEST, Row("how do I pay it then, how do I pay it x", "bill", "test.csv:9")]
    plain, dropped = cleaned(train, test), cleaned(train, test, drop_near_duplicates=True)
    kept = cleaned(train, test, drop_near_test=False)
    for result, repeats, leaks in ((plain, 0, 1), (dropped, 1, 1), (kept, 0, 0)):
        assert (finding(result, "near-duplicate").found, finding(result, "near-duplicate").dropped) == (1, repeats)
        assert (finding(result, "near-test").found, finding(result, "near-test").dropped) == (1, leaks)
        assert result.report.contamination == Contamination(removed=leaks, kept=1 - leaks, rows_test=3)
        assert list(result.test) == test
    assert texts(plain.train) == [*texts(tuple(base())), long, long + " x"]
    assert texts(dropped.train) == [*texts(tuple(base())), long]
    assert list(kept.train) == train
    assert kept.report.contamination.share == pytest.approx(1 / 3)


def test_nearly_equal_texts_with_different_labels_are_kept_and_shown() -> None:
    text = "the card that I ordered from you three weeks ago has still not come"
    result = cleaned(more((text, "parcel"), (text + "!", "bill")), drop_near_duplicates=True)
    assert len(result.train) == 12
    assert finding(result, "near-conflict").examples[0].other == "more.csv:2 parcel"


def test_test_rows_with_a_label_never_seen_stay_and_are_told() -> None:
    strange = Row("hello", "greeting", "test.csv:9")
    result = cleaned(base(), [*TEST, strange])
    assert list(result.test) == [*TEST, strange]
    assert (finding(result, "unseen-label").found, finding(result, "unseen-label").dropped) == (1, 0)
    assert "count as wrong" in finding(result, "unseen-label").action


def test_a_label_without_test_rows_is_told() -> None:
    result = cleaned(base(), TEST[:1])
    assert finding(result, "untested-class").examples[0].label == "bill"


def test_all_labels_with_too_few_rows_are_named_at_once_with_the_remedies() -> None:
    once = r"2 labels have too few rows to learn: 'bil' \(1 row\), 'parcl' \(1 row\)"
    with pytest.raises(BadInput, match=once) as caught:
        cleaned(more(("typo", "bil"), ("another", "parcl")))
    assert caught.value.where == "more.csv:2"
    for remedy in ("correct those that are slips", 'rare_labels = "drop"', "merge:other", "penstock data labels"):
        assert remedy in str(caught.value.hint)


def test_a_label_that_cleaning_emptied_is_an_error_too() -> None:
    with pytest.raises(BadInput, match=r"'gone' \(no row to train on\)"):
        cleaned(more(("", "gone"), ("has my parcel come", "gone")))


def test_a_label_of_two_rows_can_be_learned_and_is_not_tested() -> None:
    result = cleaned(more(("hello there", "hi"), ("good morning", "hi")), None)
    assert [row.label for row in result.train].count("hi") == 2
    assert "hi" in {example.label for example in finding(result, "untested-class").examples}


def test_a_label_with_one_training_row_is_refused_however_many_test_it() -> None:
    tested = [*TEST, *(Row(f"hello {n}", "hi", f"test.csv:{n}") for n in range(4, 9))]
    with pytest.raises(BadInput, match=r"'hi' \(1 row to train on, 5 to test\)"):
        cleaned(more(("good morning", "hi")), tested)


def test_rare_labels_are_dropped_on_request_and_their_test_rows_count_as_wrong() -> None:
    tested = [*TEST, Row("hello", "hi", "test.csv:9")]
    result = cleaned(more(("good morning", "hi"), ("bye", "end")), tested, rare_labels="drop")
    assert list(result.train) == base()
    assert list(result.test) == tested
    assert (finding(result, "rare-label").dropped, finding(result, "unseen-label").found) == (2, 1)


def test_rare_labels_are_made_one_on_request_in_both_parts_and_in_feedback() -> None:
    tested = [*TEST, Row("hello", "hi", "test.csv:9")]
    train = more(("good morning", "hi"), ("bye", "end"))
    options = Cleaning.model_validate({"rare_labels": "merge:other"})
    result = clean(train, tested, options, 0, extra=[Row("hi there", "hi", "feedback:1")])
    assert [(row.text, row.label) for row in result.train[10:]] == [
        ("good morning", "other"),
        ("bye", "other"),
        ("hi there", "other"),
    ]
    assert result.test[-1].label == "other"
    assert (finding(result, "rare-label").found, finding(result, "rare-label").dropped) == (2, 0)


def test_what_is_merged_may_still_be_too_few() -> None:
    with pytest.raises(BadInput, match=r"'other' \(1 row\)"):
        cleaned(more(("good morning", "hi")), rare_labels="merge:other")


def test_a_row_whose_label_is_rare_only_by_leaks_counts_by_what_is_left() -> None:
    train = more(("has my parcel come", "hi"), ("good morning", "hi"))
    with pytest.raises(BadInput, match=r"'hi' \(1 row\)"):
        cleaned(train)
    assert list(cleaned(train, rare_labels="drop").train) == base()


def test_the_owner_can_ask_for_more_rows_per_label() -> None:
    with pytest.raises(
        BadInput, match=r"2 labels have too few rows to learn: 'bill' \(\d rows to train on, \d to test\)"
    ):
        cleaned(base(), None, min_class_rows=6)


@pytest.mark.parametrize(
    "other", ["Parcel", "PARCEL ", "ｐａｒｃｅｌ", "par\u200bcel", "pa\u0301rcel", "Retour-Sendung"]
)
def test_labels_that_look_alike_are_told_and_made_one_on_request(other: str) -> None:
    usual = {"pa\u0301rcel": "p\u00e1rcel", "Retour-Sendung": "retour_sendung"}.get(other, "parcel")
    first = [Row(row.text, usual if row.label == "parcel" else "bill", row.origin) for row in base()]
    train = first + rows(("my parcel is late again", other), ("no parcel in the box", other), file="more.csv")
    tested = [Row("has my parcel come", usual, "test.csv:2"), TEST[1]]
    kept, merged = cleaned(train, tested), cleaned(train, tested, alike_labels="merge")
    example = finding(kept, "alike-label").examples[0]
    assert (example.label, example.other, example.origin) == (other, usual, "more.csv:2")
    assert {row.label for row in kept.train} == {usual, other, "bill"}
    assert {row.label for row in merged.train} == {usual, "bill"}
    assert len(merged.train) == len(train)
    assert any("LABELS THAT LOOK LIKE ANOTHER" in str(row["what"]) for row in kept.report.table())


def test_feedback_and_test_rows_take_the_usual_spelling_when_labels_are_merged() -> None:
    options = Cleaning(alike_labels="merge")
    tested = [TEST[0], Row("how do I pay", "BILL", "test.csv:3")]
    result = clean(base(), tested, options, 0, extra=[Row("cash on delivery", "Bill", "feedback:1")])
    assert {row.label for row in [*result.train, *result.test]} == {"parcel", "bill"}


def test_a_single_label_cannot_be_learned() -> None:
    with pytest.raises(BadInput, match="all rows have the label 'parcel'"):
        cleaned(base()[:5], TEST[:1])


def test_a_test_file_equal_to_the_data_leaves_nothing_to_learn() -> None:
    with pytest.raises(BadInput, match="no training rows are left"):
        cleaned(base(), base())


def test_a_test_file_of_other_labels_only_is_refused_with_both_named() -> None:
    with pytest.raises(BadInput, match="no test row has a label of the data") as caught:
        cleaned(base(), [Row("hello", "Bill", "test.csv:2")])
    assert caught.value.where == "test.csv:2"
    assert "the test has 'Bill'; the data have 'parcel', 'bill'" in str(caught.value.hint)


def test_personal_data_are_counted_and_masked_only_on_request() -> None:
    train = more(("call 13812345678 or write to li.wei@example.com", "parcel"))
    kept, masked = cleaned(train), cleaned(train, mask_personal_data=True)
    assert kept.train[-1].text == train[-1].text
    assert masked.train[-1].text == "call <phone> or write to <email>"
    for result in (kept, masked):
        assert result.report.found("personal-phone") == result.report.found("personal-email") == 1
        assert "13812345678" not in json.dumps(finding(result, "personal-phone").examples[0].text)


def test_rows_that_differ_only_in_a_masked_number_are_one() -> None:
    train = more(("call 13812345678", "parcel"), ("call 13912345678", "parcel"))
    assert len(cleaned(train, mask_personal_data=True).train) == 11


def test_a_planted_wrong_label_heads_the_suspects_and_stays() -> None:
    train = rows(
        *((f"my parcel number {i} has not been delivered", "parcel") for i in range(40)),
        *((f"invoice {i} shows the wrong amount to pay", "bill") for i in range(40)),
        ("another parcel of mine has not been delivered", "bill"),
    )
    result = cleaned(train)
    first = finding(result, "suspect").examples[0]
    assert (first.origin, first.label, first.other) == ("a.csv:82", "bill", "parcel")
    assert train[-1] in result.train


# Feedback


def test_feedback_joins_train_and_never_changes_the_test() -> None:
    extra = [
        Row("when will it be delivered", "parcel", "feedback:1", "acme"),
        Row("How do I PAY", "parcel", "feedback:2", "acme"),
    ]
    before, after = cleaned(base()), clean(base(), TEST, Cleaning(), 0, extra=extra)
    assert after.test == before.test
    assert after.train == (*before.train, extra[0])
    assert [f.part for f in after.report.findings if f.kind == "test-in-train"] == ["feedback"]
    assert after.report.read_feedback == 2


def test_feedback_leaves_the_split_by_content_as_it_was() -> None:
    before = clean(base(), None, Cleaning(), 0)
    extra = [Row(row.text.upper(), row.label, f"feedback:{i}") for i, row in enumerate(before.test)]
    after = clean(base(), None, Cleaning(), 0, extra=extra)
    assert (after.train, after.test) == (before.train, before.test)


def test_one_feedback_row_with_a_new_label_waits_and_breaks_nothing() -> None:
    extra = [Row("hallo", "greeting", "feedback:1"), Row("where is parcel red", "geeting", "feedback:2")]
    result = clean(base(), TEST, Cleaning(), 0, extra=extra)
    assert list(result.train) == base()
    assert finding(result, "rare-label").dropped == 2


def test_a_new_label_with_rows_enough_is_learned() -> None:
    extra = [Row("hallo", "greeting", "feedback:1"), Row("good morning", "greeting", "feedback:2")]
    assert clean(base(), TEST, Cleaning(), 0, extra=extra).train[-2:] == tuple(extra)


def test_a_customer_votes_once_however_often_it_sends_the_same() -> None:
    same = [Row("pay the rent bill", "parcel", f"feedback:{i}", "acme") for i in range(5)]
    result = clean(base(), TEST, Cleaning(), 0, extra=same)
    assert "pay the rent bill" not in texts(result.train)  # one against one: a tie


def test_the_report_survives_json() -> None:
    report = cleaned(more(("", "bill"), ("pay the rent bill", "bill")), None).report
    assert CleaningReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    with pytest.raises(BadInput, match="not a cleaning report"):
        CleaningReport.from_json({"rows": 1})
