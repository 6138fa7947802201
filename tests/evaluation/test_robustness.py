"""What is left of a model's accuracy when people write in a hurry, in any script, and how the report shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from evaluation.measured import PRICE
from hypothesis import given
from hypothesis import strategies as st

from penstock import installed
from penstock.tasks.text.perturb import AUGMENTING, KINDS
from penstock.tasks.text.robustness import AS_THEY_ARE, Robustness, robustness
from penstock.workspace.records import Product

TASK = installed.get("text-classification")
ENGLISH = tuple(
    f"please track parcel number {n} for me" if n % 2 else f"i want to pay bill {n} today" for n in range(60)
)
CHINESE = tuple(f"请帮我查一下包裹{n}" if n % 2 else f"我想今天付账单{n}" for n in range(60))


class Exact:
    """Knows a parcel only where it is written in small letters and without a mistake."""

    labels, kind = ("bill", "parcel"), "exact.v1"

    def predict(self, texts: Sequence[str]) -> Any:
        parcels = np.array(["parcel" in text or "包裹" in text for text in texts], dtype=np.float32)
        return np.stack([1 - parcels, parcels], axis=1) * np.float32(0.8) + np.float32(0.1)


def tried(texts: Sequence[str], rows: int = 300, seed: int = 0) -> Robustness | None:
    answered = Exact().predict(texts).argmax(axis=1)
    truth = np.array([n % 2 for n in range(len(texts))], dtype=np.int64)

    def judge(changed: Sequence[str], rows: Any) -> Any:
        return Exact().predict(changed).argmax(axis=1) == truth[rows]

    return robustness(judge, texts, answered == truth, most_rows=rows, seed=seed)


def test_the_lowest_of_the_kinds_speaks_for_the_model() -> None:
    found = tried(ENGLISH)
    assert found is not None
    shares = {row[0]: float(row[2].rstrip("%")) / 100 for row in found.section.rows}
    assert list(shares) == [AS_THEY_ARE, *KINDS]
    assert shares[AS_THEY_ARE] == shares["truncation"] == 1 and shares["case"] < 0.9
    assert found.lowest.value == pytest.approx(min(shares.values()), abs=1e-3)
    assert found.lowest.low < found.lowest.value < found.lowest.high


def test_what_has_no_capitals_is_not_tried_in_capitals() -> None:
    found = tried(CHINESE)
    assert found is not None
    assert [row[0] for row in found.section.rows] == [AS_THEY_ARE, "typos", "word swaps", "truncation"]
    assert found.section.chart is not None and len(found.section.chart.points) == 4


def test_the_same_seed_changes_the_same_texts_and_another_others() -> None:
    assert tried(ENGLISH) == tried(ENGLISH)
    assert tried(ENGLISH) != tried(ENGLISH, seed=1)


def test_few_rows_are_changed_of_a_large_or_a_long_test_and_none_when_none_are_wanted() -> None:
    few, long = tried(ENGLISH * 20, rows=100), tried(tuple(text * 60 for text in ENGLISH * 5))
    assert few is not None and {row[4] for row in few.section.rows} == {"100"}
    assert long is not None and 50 <= int(long.section.rows[0][4]) < 100
    assert tried(ENGLISH, rows=0) is None


def test_texts_that_no_change_alters_have_no_robustness() -> None:
    assert tried(("1", "2", "3")) is None


@given(st.text(min_size=1, max_size=60), st.integers(0, 1000))
def test_any_text_can_be_changed_and_stays_a_text(text: str, seed: int) -> None:
    for change in (*KINDS.values(), *AUGMENTING):
        changed = change(text, np.random.default_rng(seed))
        changed.encode()
        assert changed.strip() or not text.strip() or len(text.split()) <= 1
        assert len(changed) <= 3 * len(text) + 3


def test_chinese_is_changed_by_the_character() -> None:
    draw = np.random.default_rng(0)
    assert sorted(KINDS["word swaps"]("我的订单到哪了", draw)) == sorted("我的订单到哪了")
    assert KINDS["truncation"]("我的订单到哪了", draw) == "我的订单到"
    assert KINDS["truncation"]("tracking number 查不到任何记录", draw) == "tracking number 查不到任"


def test_the_report_of_a_text_product_shows_robustness_and_what_decided_its_errors() -> None:
    rows = [{"text": text, "label": "parcel" if n % 2 else "bill"} for n, text in enumerate(ENGLISH)]
    rows.append({"text": "my parcel bill is wrong", "label": "bill"})
    options = {"robust_rows": 40}
    product = {"task": TASK.name, "data": "x.csv", "gate": {}, "price": PRICE, "options": options}
    test = TASK.split(rows, Product.model_validate(product))
    measured = TASK.measure(Exact(), test, Exact().predict(test.texts), 0)
    hasty, decided = measured.sections
    assert measured.quality["robust_accuracy"].value < measured.quality["accuracy"].value
    assert hasty.rows[0][4] == "40"
    [wrong] = decided.rows
    assert wrong[:3] == ("61", "bill", "parcel") and wrong[3].startswith("parcel +")
    assert {section.title for section in measured.sections} <= set(TASK.chinese)
    assert {row[0] for row in hasty.rows} <= set(TASK.chinese)
