"""Rows that belong together, or came in time: pointed out, and split by where the options say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.evaluation.words import finding_in_words, speaker
from penstock.tasks.text.data.preparing import prepare_texts
from penstock.workspace.records import Product

THINGS = ("lamp", "chair", "sofa", "carpet", "shelf", "mirror", "kettle", "blanket", "bicycle", "guitar")
PLACES = ("garden", "kitchen", "attic", "cellar", "office", "hallway")
VERBS = {"refund": "give money back for", "track": "tell me where is"}


def product(task: str = "text-classification", **options: Any) -> Product:
    price = {"unit": "prediction", "tiers": [{"unit_price": "0.01"}]}
    stated = {"task": task, "data": "rows.csv", "gate": {}, "price": price, "options": options}
    return Product.model_validate(stated)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """120 rows of 30 users, on 60 days; `channel` is no group."""
    lines = ["text,label,userId,day,channel"]
    number = 0
    for thing in THINGS:
        for place in PLACES:
            for label, verb in VERBS.items():
                user = f"u-{(number // 2 + number % 2 * 11) % 30}"
                day = f"2026-{1 + number // 56:02}-{1 + number // 2 % 28:02}"
                channel = ("web", "mail")[number // 3 % 2]
                lines.append(f"{verb} the {thing} of my {place},{label},{user},{day},{channel}")
                number += 1
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def column(folder: Path, name: str) -> dict[str, str]:
    header, *lines = (folder / "rows.csv").read_text(encoding="utf-8").splitlines()
    place = header.split(",").index(name)
    return {f"rows.csv:{number}": line.split(",")[place] for number, line in enumerate(lines, 2)}


def sides(prepared: Prepared, cells: dict[str, str]) -> tuple[set[str], set[str]]:
    first, second = ({cells[row["origin"]] for row in part} for part in (prepared.train, prepared.test))
    return first, second


def test_users_on_both_sides_and_mixed_dates_are_pointed_out(folder: Path) -> None:
    prepared = prepare_texts(product(), folder)
    first, second = sides(prepared, column(folder, "userId"))
    told = "\n".join(prepared.report.told())
    assert f"userId: {len(first & second)} of 30 values are on both sides of the split" in told
    assert 'options.group = "userId" would keep each value on one side' in told
    assert "day: dates, in train and test mixed" in told
    assert "channel" not in told


def test_no_user_stands_on_both_sides_of_a_split_by_user(folder: Path) -> None:
    prepared = prepare_texts(product(group="userId"), folder)
    first, second = sides(prepared, column(folder, "userId"))
    assert first and second and not first & second
    assert 0.05 < len(prepared.test) / 120 < 0.45
    [told] = [line for line in prepared.report.told() if "split by" in line]
    assert f"userId: {len(first)} groups to train on, {len(second)} others to test with" in told
    assert not prepared.report.found("group-column")


def test_the_latest_rows_are_tested_in_a_split_by_time(folder: Path) -> None:
    prepared = prepare_texts(product(time="day"), folder)
    first, second = sides(prepared, column(folder, "day"))
    assert max(first) < min(second)
    assert 0.1 < len(prepared.test) / 120 < 0.3


def test_feedback_joins_train_and_moves_no_test_row(folder: Path) -> None:
    extra = [{"text": "please return what I paid", "label": "refund", "origin": "feedback:1", "customer": "c"}]
    plain, joined = (
        prepare_texts(product(group="userId"), folder),
        prepare_texts(product(group="userId"), folder, extra),
    )
    assert joined.test == plain.test and len(joined.train) == len(plain.train) + 1
    assert [f.examples for f in joined.report.findings if f.kind == "split-by"] == [
        f.examples for f in plain.report.findings if f.kind == "split-by"
    ]


def test_a_row_that_may_be_unreadable_does_not_keep_from_splitting(folder: Path) -> None:
    with (folder / "rows.csv").open("a", encoding="utf-8") as stream:
        stream.write("\nfour, commas, too, many, in, this, row")
    prepared = prepare_texts(product(group="userId", max_unreadable=0.05), folder)
    first, second = sides(prepared, column(folder, "userId"))
    assert first and second and not first & second


def test_what_cannot_be_split_by_is_refused_with_its_place(folder: Path) -> None:
    with pytest.raises(BadInput, match="'nobody'"):
        prepare_texts(product(group="nobody"), folder)
    with pytest.raises(BadInput, match="neither a date nor a number") as caught:
        prepare_texts(product(time="channel"), folder)
    assert str(caught.value.where).endswith(": channel")
    with pytest.raises(BadInput, match="leave one of them out"):
        prepare_texts(product(group="userId", time="day"), folder)
    with pytest.raises(BadInput, match="a product with a test file is not split"):
        prepare_texts(product(group="userId").model_copy(update={"test": "rows.csv"}), folder)


def test_tables_are_looked_at_too(folder: Path) -> None:
    table = product("tabular-classification", target="label", drop=["text"])
    told = "\n".join(installed.get(table.task).prepare(table, folder, ()).report.told())
    assert "userId: " in told and "values are on both sides of the split" in told


def test_the_remark_is_read_in_chinese_too(folder: Path) -> None:
    prepared = prepare_texts(product(), folder)
    [group] = [each for each in prepared.report.findings if each.kind == "group-column"]
    assert "个取值同时出现在划分的两侧" in finding_in_words(group, speaker("zh-CN", {}), str)
