"""What a threshold makes of answers: how many are given, how many of those are right, and what other levels would give.

It sees top scores and which answers are right; it knows no task.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Floats, Metric, wilson
from penstock.evaluation.measured import Chart, Point, Section

UNSURE = ("coverage", "precision", "out_of_scope_recall")
"""coverage: the share of the labelled test rows that is answered. precision: how many of those answers are right.
out_of_scope_recall: the share of the test's out-of-scope inputs that is not answered; only where it has such."""
STEPS = 20
TITLE = "Answered, and how rightly"
OTHERS = "What other thresholds would give on these questions; the one in use was set on training questions."
OF_TEXTS = (
    "What other thresholds would give on the test rows; the one in use was set on rows held out from training. Share "
    "answered and precision are of the labelled rows."
)
NEVER_SURE = (
    "Answers nothing: the target precision is not reached on held-out rows; give more rows or lower target_precision."
)

CHINESE: Mapping[str, str] = {
    "coverage": "回答率",
    "precision": "回答的正确率",
    "out_of_scope_recall": "超范围识别率",
    "out of scope recall": "超范围识别率",
    "out-of-scope recall": "超范围识别率",
    TITLE: "回答率与正确率",
    OF_TEXTS: "其他阈值在测试行上的结果；所用的阈值由训练时留出的行确定。回答率与正确率按有标签的行计算。",
    NEVER_SURE: "什么都不回答：留出的行达不到目标正确率；请增加数据行，或降低 target_precision。",
    "threshold": "阈值",
    "share answered": "回答率",
    "in use": "使用中",
    "none": "无",
}


def measure_unsure(
    inside: Floats, right: NDArray[np.bool_], outside: Floats, threshold: float | None
) -> tuple[dict[str, Metric], Section]:
    """The metrics UNSURE and the table of thresholds. inside: top scores of labelled rows (n,); right: whether each is
    right; outside: top scores of inputs out of scope. threshold: None for a model that always answers."""
    level = 0.0 if threshold is None else threshold
    answered = inside >= level
    quality = {
        "coverage": wilson(int(answered.sum()), len(answered)),
        "precision": wilson(int((right & answered).sum()), int(answered.sum())),
    }
    if len(outside):
        quality["out_of_scope_recall"] = wilson(int((outside < level).sum()), len(outside))
    return quality, trade(inside, right, level, outside=outside, note=NEVER_SURE if level > 1 else OF_TEXTS)


def trade(
    top: Floats, right: NDArray[np.bool_], threshold: float, *, note: str, outside: Floats | None = None
) -> Section:
    """Coverage and precision at the threshold in use and at others; with `outside`, how many of those are refused.

    An answer with the score 0 is none.
    """
    levels = sorted({*np.linspace(0, 1, STEPS + 1)[1:-1].round(2).tolist(), threshold})
    rows, points = [], []
    for level in levels:
        answered = (top >= level) & (top > 0)
        share, precision = (
            wilson(int(answered.sum()), len(answered)),
            wilson(int((right & answered).sum()), int(answered.sum())),
        )
        shown = f"{precision.value:.1%}" if answered.any() else "none"
        refused = () if outside is None or not len(outside) else (f"{float((outside < level).mean()):.1%}",)
        mark = "in use" if level == threshold else ""
        rows.append((f"{level:.3f}", f"{share.value:.1%}", shown, *refused, mark))
        if answered.any():
            points.append(Point(share.value, precision.value, precision.low, precision.high, "precision"))
    scope = () if outside is None or not len(outside) else ("out-of-scope recall",)
    return Section(
        title=TITLE,
        note=note,
        header=("threshold", "share answered", "precision", *scope, "in use"),
        rows=tuple(rows),
        chart=Chart("lines", "share answered", "precision", tuple(points)) if len(points) > 1 else None,
        numbers_from=0,
    )
