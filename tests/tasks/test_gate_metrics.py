"""What a product's gate may name is what evaluation measures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evaluation.measured import PRICE, report
from serving.support import TinyModel

from penstock import installed
from penstock.evaluation.intervals import Metric
from penstock.task import FACTS
from penstock.workspace.records import Product


@pytest.mark.parametrize("name", installed.names())
def test_a_gate_may_name_exactly_what_is_measured(name: str) -> None:
    task = installed.get(name)
    measured = replace(report(), quality={metric: Metric(0.5, 0.4, 0.6) for metric in task.quality})
    assert task.gate_metrics == (*measured.metrics, *FACTS)


def test_a_text_classifier_is_measured_by_what_its_gate_may_name() -> None:
    task = installed.get("text-classification")
    model = TinyModel(("a", "b"), seed=0)
    rows = [
        {"text": "the first text", "label": "a"},
        {"text": "another one", "label": "b"},
        {"text": "none of them", "label": None},
    ]
    stated = {"task": task.name, "data": "x.csv", "gate": {}, "price": PRICE, "options": {"abstain": True}}
    test = task.split(rows, Product.model_validate(stated))
    measured = task.measure(model, test, model.predict(task.inputs(test)), 0)
    assert tuple(measured.quality) == task.quality
