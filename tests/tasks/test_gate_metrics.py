"""What a product's gate may name is what evaluation measures."""

from __future__ import annotations

import pytest

from penstock import tasks
from penstock.evaluation.report import METRICS


@pytest.mark.parametrize("name", tasks.names())
def test_a_gate_may_name_exactly_what_is_measured(name: str) -> None:
    assert tasks.get(name).gate_metrics == METRICS
