"""What is advised where no candidate passed: of the one that came nearest, and only what can be done."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline.climbing import company

from penstock.evaluation.gate import Reason
from penstock.pipeline.climb.refusals import advice, gate_refused
from penstock.pipeline.records import Outcome


def outcome(number: int, rung: str, *failed: str, backbone: str | None = "b1") -> Outcome:
    return Outcome(
        rung=rung,
        candidate=f"cand_{number}",
        number=number,
        made_from=(),
        report="r",
        passed=not failed,
        headline="accuracy",
        measured=("accuracy",),
        quality="",
        latency_p95_ms="",
        cost_per_1000="",
        seconds=1.0,
        reasons=tuple(Reason("condition", metric, metric not in failed, metric) for metric in METRICS),
        shortfall=tuple(f"{metric} lacks some" for metric in failed),
        rows_needed=0,
        run=number,
        notes=(),
        wall_s=2.0,
        measuring_s=1.0,
        backbone=backbone,
    )


METRICS = ("accuracy", "latency_p95_ms", "cost_per_1000", "gross_margin")
WORDS = outcome(1, "ngram-linear.v1", "accuracy", backbone=None)
SLOW = outcome(2, "full.v1", "latency_p95_ms", "cost_per_1000")


def told(folder: Path, *outcomes: Outcome) -> str:
    product = company(folder).workspace.products["router"]
    return "\n".join(advice(product, "router", outcomes, None))


def test_what_only_costs_too_much_is_as_near_as_what_fails_once_and_the_later_one_is_taken(tmp_path: Path) -> None:
    assert "penstock compress router/2 --by int8" in told(tmp_path, WORDS, SLOW)
    refused = gate_refused("router", [WORDS, SLOW])
    assert "penstock report cand_2 --html report.html shows the nearest" in str(refused)


def test_a_part_that_passed_is_not_the_nearest(tmp_path: Path) -> None:
    """As where a compressed model is made again: its source passes, and it does not."""
    refused = gate_refused("router", [outcome(1, "full.v1"), outcome(2, "prune.v1", "accuracy")])
    assert "penstock report cand_2" in str(refused)
    assert "add training rows" in told(tmp_path, outcome(1, "full.v1"), outcome(2, "prune.v1", "accuracy"))


@pytest.mark.parametrize("rung", ["blend.v1", "int8.v1"])
def test_int8_is_not_advised_for_what_it_cannot_take(tmp_path: Path, rung: str) -> None:
    assert "int8" not in told(tmp_path, outcome(1, rung, "gross_margin"))
    assert "a higher price" in told(tmp_path, outcome(1, rung, "gross_margin"))
