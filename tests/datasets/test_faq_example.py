"""The example's two products are read without a complaint, and the Chinese one passes its gate's headline on words."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.tasks.knowledge_answering import TASK
from penstock.training.knowledge import RUNGS
from penstock.training.records import TrainRequest
from penstock.workspace.loader import load

FOLDER = Path(__file__).parent.parent.parent / "examples" / "faq"


@pytest.mark.parametrize(("name", "entries", "asked"), [("ember", 69, 183), ("yun", 43, 126)])
def test_every_row_of_the_example_is_used(name: str, entries: int, asked: int) -> None:
    product = load(FOLDER).products[name]
    prepared = TASK.prepare(product, FOLDER, ())
    assert sum("answer" in row for row in prepared.train) == entries and len(prepared.test) == asked
    assert {finding.kind for finding in prepared.report.findings} <= {"own-question-tested"}


def test_chinese_questions_find_their_entries_by_words() -> None:
    product = load(FOLDER).products["yun"]
    prepared = TASK.prepare(product, FOLDER, ())
    train, test = TASK.split(prepared.train, product), TASK.split(prepared.test, product)
    model = RUNGS[0].train(TrainRequest(train=train, options=product.options)).model
    measured = TASK.measure(model, test, model.predict(TASK.inputs(test)), 0)
    (condition,) = (one for one in product.gate if one.metric == "top1")
    assert condition.holds(measured.quality["top1"].low)
