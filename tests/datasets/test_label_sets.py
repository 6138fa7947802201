"""Rows with any number of labels: as files write them, cleaned and split label by label."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import installed
from penstock.core.errors import BadInput
from penstock.core.hashing import digest_of
from penstock.datasets.append import append_rows
from penstock.datasets.guess import separator_in
from penstock.datasets.rows import Prepared, Row
from penstock.datasets.splits import set_aside
from penstock.tasks.text.data.label_sets import Separated, labels_in_rows, prepare_sets, split_sets
from penstock.tasks.text.data.options import read_options
from penstock.tasks.text.data.preparing import prepare_texts
from penstock.workspace.records import Product

WORDS = {"bill": "invoice", "late": "parcel", "login": "password"}
SETS = [("bill",), ("late",), ("login",), ("bill", "late"), ("late", "login"), ()]


def product(data: str = "rows.csv", cleaning: dict[str, Any] | None = None, **options: Any) -> Product:
    stated = {"task": "text-classification", "data": data, "gate": {}, "price": {"tiers": [{"unit_price": "1"}]}}
    options = {"multi_label": True, **options}
    return Product.model_validate({**stated, "cleaning": cleaning or {}, "options": options})


def rows(count: int = 60) -> list[tuple[str, tuple[str, ...]]]:
    """Distinct messages that hold a word of each of their labels."""
    return [
        (f"message {n} of {n * 7919 % 997}: {' '.join(WORDS[label] for label in SETS[n % 6]) or 'hello'}", SETS[n % 6])
        for n in range(count)
    ]


def written(folder: Path, made: list[tuple[str, tuple[str, ...]]], sign: str = "|", name: str = "rows.csv") -> Path:
    lines = ["text,label", *(f'"{text}","{sign.join(labels)}"' for text, labels in made)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def counts(part: Any) -> Counter[str]:
    return Counter(label for row in part for label in row["labels"])


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("late|bill", "bill|late"),
        (" bill | bill |", "bill"),
        ("bill", "bill"),
        ("", ""),
        ("nan", ""),
        (None, ""),
        (float("nan"), ""),
        (["late", "bill"], "bill|late"),
        ([], ""),
        ('["late", "bill"]', "bill|late"),
        ("[sic]", "[sic]"),
        ([3, True], "3|true"),
        (3, "3"),
    ],
)
def test_a_cell_holds_labels_with_the_separator_between_or_a_list(cell: Any, read: str) -> None:
    assert Separated("|").read(cell, "r.csv:2") == read


@pytest.mark.parametrize("cell", [["a|b"], [None], [["a"]], {"a": 1}, "x" * 201])
def test_what_is_no_label_is_refused_with_its_place(cell: Any) -> None:
    with pytest.raises(BadInput) as caught:
        Separated("|").read(cell, "r.csv:2: label")
    assert caught.value.where == "r.csv:2: label"


def test_all_forms_of_a_file_are_the_same_rows(tmp_path: Path) -> None:
    made = rows()
    written(tmp_path, made)
    written(tmp_path, made, "、", "signs.csv")
    objects = [{"text": text, "label": list(labels)} for text, labels in made]
    (tmp_path / "rows.json").write_text(json.dumps(objects))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    found = [prepare_sets(product(name), tmp_path) for name in ("rows.csv", "rows.json", "rows.jsonl")]
    found.append(prepare_sets(product("signs.csv", label_separator="、"), tmp_path))
    plain = [[{**row, "origin": ""} for row in (*one.train, *one.test)] for one in found]
    assert plain[0] == plain[1] == plain[2] == plain[3]
    assert {tuple(row["labels"]) for row in plain[0]} == set(SETS)


def test_each_label_is_counted_and_rows_without_one_are_told(tmp_path: Path) -> None:
    found = prepare_sets(product(), written(tmp_path, rows())).report
    assert [one.label for one in found.classes] == ["bill", "late", "login"]
    assert sum(one.train + one.test for one in found.classes if one.label == "late") == 30
    assert found.found("no-label") == 10 and found.dropped == 0
    assert any("rows with none of the labels" in told for told in found.told())
    assert Counter(labels_in_rows(product(), tmp_path)) == {"bill": 20, "late": 30, "login": 20}


def test_look_alike_labels_are_made_one_within_their_rows(tmp_path: Path) -> None:
    folder = written(tmp_path, [*rows(), *((f"one more {n} invoice", ("Bill", "late")) for n in range(3))])
    kept = prepare_sets(product(), folder).report
    assert [row["example"] for row in kept.table() if "LOOK LIKE" in str(row["what"])] == [
        "rows.csv:62: one more 0 invoice [Bill|late / Bill: bill]"
    ]
    merged = prepare_sets(product(cleaning={"alike_labels": "merge"}), folder)
    assert counts([*merged.train, *merged.test])["bill"] == 23


def test_a_rare_label_is_an_error_by_name_or_leaves_its_rows_which_stay(tmp_path: Path) -> None:
    folder = written(tmp_path, [*rows(), ("a fire in the shop", ("fire", "late"))])
    with pytest.raises(BadInput, match="1 label has too few rows to learn: 'fire'"):
        prepare_sets(product(), folder)
    dropped = prepare_sets(product(cleaning={"rare_labels": "drop"}), folder)
    every = [*dropped.train, *dropped.test]
    assert [row["labels"] for row in every if "fire" in row["text"]] == [["late"]]
    assert dropped.report.dropped == 0 and dropped.report.found("rare-label") == 1
    assert any("[fire|late / fire: 1 rows]" in told for told in dropped.report.told())
    merged = prepare_sets(product(cleaning={"rare_labels": "merge:late"}), folder)
    assert counts([*merged.train, *merged.test]) == {"bill": 20, "late": 31, "login": 20}


def test_equal_texts_with_other_labels_are_a_contradiction(tmp_path: Path) -> None:
    twice = [("the very same", ("bill",)), ("the very same", ("bill", "late")), ("The very same ", ("bill",))]
    report = prepare_sets(product(), written(tmp_path, [*rows(), *twice])).report
    assert report.found("conflict") == 1 and report.found("duplicate") == 1


def test_a_file_with_a_row_for_each_label_is_read_as_one_row_for_each_text(tmp_path: Path) -> None:
    together = rows()
    apart = [(text, (label,)) for text, labels in together for label in labels or ("",)]
    found = prepare_sets(product(), written(tmp_path, apart))
    plain = prepare_sets(product(), written(tmp_path, together))
    bare = [[(row["text"], row["labels"]) for row in part] for part in (found.train, found.test)]
    assert bare == [[(row["text"], row["labels"]) for row in part] for part in (plain.train, plain.test)]
    assert found.report.found("label-a-row") == found.report.dropped == len(apart) - len(together) == 20
    assert found.report.read_train - found.report.dropped == found.report.rows_train + found.report.rows_test
    assert any("rows that add a label to an earlier one: 20" in told for told in found.report.told())


def test_corrections_join_train_and_unknown_labels_wait_until_there_are_more(tmp_path: Path) -> None:
    folder = written(tmp_path, rows())

    def fed(*labels: list[str]) -> Prepared:
        extra = [
            {"text": f"quite another thing {n}", "labels": each, "origin": f"feedback:fb_{n}", "customer": "cus_1"}
            for n, each in enumerate(labels)
        ]
        return prepare_sets(product(), folder, extra)

    alone, known, one, two = fed(), fed(["bill", "late"], []), fed(["bill", "new"]), fed(["new"], ["bill", "new"])
    assert known.test == alone.test == one.test == two.test
    assert sorted(row["labels"] for row in known.train if row["customer"]) == [[], ["bill", "late"]]
    assert one.train == alone.train and one.report.found("rare-label", "feedback") == 1
    assert counts(two.train)["new"] == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sets(st.sampled_from("abcdefg"), max_size=3), min_size=1, max_size=60),
    st.integers(0, 5),
    st.sampled_from([0.05, 0.2, 0.5]),
)
def test_a_split_leaves_what_each_label_needs_and_does_not_depend_on_the_order(
    sets: list[set[str]], seed: int, share: float
) -> None:
    by = Separated("|").labelling()
    made = [Row(f"text {n}", "|".join(sorted(each)), f"r.csv:{n}") for n, each in enumerate(sets)]
    train, test = set_aside(made, share, seed, by)
    assert sorted([*train, *test], key=made.index) == made
    again = set_aside(made[::-1], share, seed, by)
    assert {row.text for row in again[1]} == {row.text for row in test}
    every, left = by.counts(made), by.counts(train)
    assert all(left[label] >= min(2, count) for label, count in every.items())


@pytest.mark.parametrize("seed", [1447, 2553])
def test_two_rows_to_learn_from_come_before_a_row_to_test_with(seed: int) -> None:
    draw, by = random.Random(seed), Separated("|").labelling()
    made = [
        Row(
            f"t{n}",
            "|".join(sorted({draw.choice("abcdefghij"[: draw.randint(3, 10)]) for _ in range(draw.randint(0, 4))})),
            f"r.csv:{n}",
        )
        for n in range(draw.randint(10, 80))
    ]
    train, _ = set_aside(made, 0.2, seed, by)
    assert all(by.counts(train)[label] >= min(2, count) for label, count in by.counts(made).items())


def test_a_label_of_three_rows_has_one_in_test_though_it_never_stands_alone() -> None:
    by = Separated("|").labelling()
    made = [Row(f"text {n}", "common|rare" if n < 3 else "common", f"r.csv:{n}") for n in range(200)]
    for seed in range(20):
        train, test = set_aside(made, 0.2, seed, by)
        assert (by.counts(train)["rare"], by.counts(test)["rare"]) in ((2, 1),)


def test_rows_are_split_by_groups_too(tmp_path: Path) -> None:
    lines = ["text,label,user", *(f"{text},{'|'.join(labels)},u{n // 6}" for n, (text, labels) in enumerate(rows()))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    found = prepare_sets(product(group="user"), tmp_path)
    users = [{int(row["origin"].split(":")[1]) // 6 for row in part} for part in (found.train, found.test)]
    assert len(found.test) > 0 and len(users[0]) > 1


def test_a_split_of_the_version_keeps_labels_and_options(tmp_path: Path) -> None:
    prepared = prepare_sets(product(robust_rows=0), written(tmp_path, rows()))
    split = split_sets(prepared.train, product(robust_rows=0))
    assert len(split) == len(prepared.train) and split.options.robust_rows == 0
    assert set(split.labels) == set(SETS) and split.origins[0].startswith("rows.csv:")


def test_a_version_from_before_or_after_the_option_is_read_or_refused_in_words() -> None:
    before = [{"text": "a", "label": "late"}, {"text": "b", "label": None}]
    assert split_sets(before, product()).labels == (("late",), ())
    with pytest.raises(BadInput, match="several labels"):
        installed.get("text-classification").split([{"text": "a", "labels": ["late"]}], product(multi_label=False))


def test_rows_are_added_to_a_file_whatever_labels_they_have(tmp_path: Path) -> None:
    target = written(tmp_path, rows(6)) / "rows.csv"
    (tmp_path / "more.jsonl").write_text('{"text": "new", "label": ["late", "bill"]}\n{"text": "none", "label": []}\n')
    assert append_rows(target, tmp_path / "more.jsonl", label=Separated("|").read).rows == 2
    assert target.read_text().splitlines()[-2:] == ["new,bill|late", "none,"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"abstain": True}, "abstain does not go with multi_label"),
        ({"class_weights": "balanced"}, "class_weights does not go with multi_label"),
        ({"suspect_labels": "remove"}, "suspect_labels does not go"),
        ({"label_names": True}, "label_names does not go"),
        ({"privacy": {"epsilon": 8}}, "privacy does not go"),
        ({"augment": 0.5}, "augment does not go"),
        ({"ensemble": 3}, "ensemble does not go"),
        ({"label_separator": "and"}, "label_separator is one sign"),
        ({"label_separator": "a"}, "label_separator is one sign"),
        ({"multi_label": False, "label_separator": ";"}, "label_separator needs multi_label"),
        ({"multi_label": "yes"}, "valid boolean"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read_options({"multi_label": True, **options})


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["a|b", "a", "b|c", "c"], "|"),
        (["Refund; card", "card; Fraud", "Refund", "Fraud"], ";"),
        (["价格、服务", "服务", "价格", "服务、物流", "物流"], "、"),
        ([["a"], ["b"]], "|"),
        (['["a", "b"]', "[]"], "|"),
        (["Clothing, Shoes", "Books", "Toys, Games", "Food"], None),
        (["positive", "negative", None], None),
        (["card_arrival", "lost-card"], None),
    ],
)
def test_several_labels_in_a_cell_are_told_from_one_that_has_a_sign(cells: list[Any], sign: str | None) -> None:
    assert separator_in(cells * 3) == sign


# of one label a row, in a file that uses every step of cleaning: were it to change, old data would be new versions
_ONE = "d24c5372eb1f492397b7f0b6424f025ed1ea062afd477e5adf37f7d1b927abba"


def test_rows_with_one_label_come_out_as_they_did_before_there_were_several(tmp_path: Path) -> None:
    words = ["invoice", "card", "parcel", "late", "refund", "password", "login", "courier", "money", "box"]
    labels = ("billing", "Delivery", "delivery", "refund", "account")
    lines = [
        f"{words[n % 5]} {words[n % 5 + 5]} {n * 2654435761 % 2**32:x} {n * 40503 % 65536:x},{labels[n % 5]}"
        for n in range(300)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines, "the only one,rare"]) + "\n")
    one = product(multi_label=False, cleaning={"alike_labels": "merge", "rare_labels": "drop"})
    extra = {"text": "a new one of money", "label": "refund", "origin": "feedback:fb_1", "customer": "cus_1"}
    found = prepare_texts(one, tmp_path, [extra])
    assert digest_of([found.train, found.test, found.report.to_json()]) == _ONE
