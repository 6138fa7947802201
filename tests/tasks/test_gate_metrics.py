"""What a product's gate may name is what evaluation measures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evaluation.measured import report

from penstock import tasks
from penstock.evaluation.intervals import Metric


@pytest.mark.parametrize("name", tasks.names())
def test_a_gate_may_name_exactly_what_is_measured(name: str) -> None:
    task = tasks.get(name)
    measured = replace(report(), quality={metric: Metric(0.5, 0.4, 0.6) for metric in task.quality})
    assert task.gate_metrics == tuple(measured.metrics)


def test_a_text_classifier_is_measured_by_what_its_gate_may_name() -> None:
    assert tuple(report().metrics) == tasks.get("text-classification").gate_metrics
