"""Texts that no label fits: read from any file, set aside in two halves, never learned from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.tasks.text.data.preparing import prepare_texts
from penstock.workspace.records import Product

LABELS = ("refund", "track")
THINGS = ("lamp", "chair", "sofa", "carpet", "shelf", "mirror", "kettle", "blanket", "bicycle", "guitar", "umbrella")
TASK = installed.get("text-classification")


def product(**options: Any) -> Product:
    price = {"unit": "prediction", "tiers": [{"unit_price": "0.01"}]}
    stated = {"task": TASK.name, "data": "rows.csv", "gate": {}, "price": price, "options": options}
    return Product.model_validate(stated)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [f"{label} {one} {other},{label}" for label in LABELS for one, other in pairwise(THINGS)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    others = [f"{one}s and {other}s, do you sell them?" for one, other in pairwise(THINGS)]
    others += ["LAMPS and chairs, do you sell them?", "Refund lamp chair", " "]
    (tmp_path / "other.csv").write_text("\n".join(["text", *(f'"{each}"' for each in others)]), encoding="utf-8")
    return tmp_path


def test_half_of_the_texts_calibrates_and_half_tests(folder: Path) -> None:
    prepared = prepare_texts(product(abstain=True, out_of_scope="other.csv"), folder)
    halves = [{row["text"] for row in part if row["label"] is None} for part in (prepared.train, prepared.test)]
    assert len(halves[0] | halves[1]) == 10 and not halves[0] & halves[1]
    assert min(map(len, halves)) >= 3
    found = {(one.kind, one.part): one.found for one in prepared.report.findings if "scope" in one.kind}
    assert found == {
        ("in-scope", "train"): 1,
        ("out-of-scope", "train"): len(halves[0]),
        ("out-of-scope", "test"): len(halves[1]),
    }
    split = TASK.split(prepared.train, product(abstain=True))
    assert set(split.outside) == halves[0] and not halves[0] & set(split.inputs)


def test_without_the_option_the_rows_are_what_they_were(folder: Path) -> None:
    plain, abstaining = prepare_texts(product(), folder), prepare_texts(product(abstain=True), folder)
    assert (plain.train, plain.test) == (abstaining.train, abstaining.test)


def test_options_that_need_abstain_say_so(folder: Path) -> None:
    with pytest.raises(BadInput, match="out_of_scope needs abstain = true"):
        prepare_texts(product(out_of_scope="other.csv"), folder)
    with pytest.raises(BadInput, match="would cost privacy"):
        prepare_texts(product(abstain=True, privacy={"epsilon": 8}), folder)


def test_a_file_without_texts_of_its_own_is_refused(folder: Path) -> None:
    (folder / "other.csv").write_text("text\nrefund lamp chair\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no out-of-scope texts are left") as caught:
        prepare_texts(product(abstain=True, out_of_scope="other.csv"), folder)
    assert caught.value.where == "other.csv"
