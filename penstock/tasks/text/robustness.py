"""How much of a text classifier's accuracy is left when texts are written hastily: typos, case, word order, cut short.

The same rows with and without each change, drawn by the seed. It changes texts and asks whether they are answered
rightly; training is not its.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Metric, metric, wilson
from penstock.evaluation.measured import Chart, Point, Section
from penstock.tasks.text.perturb import KINDS

MOST_CHARS = 120_000  # of all texts of one kind: 300 of 400, or 120 of a page; a large encoder reads them in 10 s
_LEAST_ROWS = 50
_READ_CHARS = 1_500  # encoders cut longer texts, so that they cost no more
_EXAMPLE_CHARS = 60

TITLE = "Robustness"
NOTE = "The same test rows as they are, and changed as people in a hurry write; the line is the 95% interval."
AS_THEY_ARE = "as they are"


@dataclass(frozen=True)
class Robustness:
    """lowest: the accuracy under the worst change; its interval holds for whichever is the worst."""

    lowest: Metric
    section: Section


def robustness(
    judge: Callable[[Sequence[str], NDArray[np.int64]], NDArray[np.bool_]],
    texts: Sequence[str],
    right: NDArray[np.bool_],
    *,
    most_rows: int,
    seed: int,
    measure: str = "Accuracy",
) -> Robustness | None:
    """right: which rows (n,) are answered rightly as they are. judge(texts, rows): the same of these texts in their
    place. measure: what the share of them is called. None where no change changes any text (numbers in words, single
    letters), or no rows are wanted."""
    rows = _chosen(texts, most_rows, seed)
    if not len(rows):
        return None
    lines = [_line(AS_THEY_ARE, texts, texts, rows, right[rows])]
    found: list[Metric] = []
    for number, (kind, change) in enumerate(KINDS.items()):
        draw = np.random.default_rng([seed, number])
        changed = [change(texts[row], draw) for row in rows]
        if all(new == texts[row] for new, row in zip(changed, rows, strict=True)):
            continue
        still = judge(changed, rows)
        found.append(wilson(int(still.sum()), len(rows)))
        lines.append(_line(kind, texts, dict(zip(rows.tolist(), changed, strict=True)), rows, still))
    if not found:
        return None
    lowest = metric(
        min(each.value for each in found), min(each.low for each in found), min(each.high for each in found)
    )
    points = tuple(point for point, _ in lines)
    chart = Chart("bars", measure, "", points)
    header = ("Texts", "Example", measure, "95% interval", "Rows", "Rows changed")
    return Robustness(lowest, Section(TITLE, NOTE, header, tuple(row for _, row in lines), chart, numbers_from=2))


def _chosen(texts: Sequence[str], most: int, seed: int) -> NDArray[np.int64]:
    """Rows drawn at random, fewer where they are long."""
    order = np.random.default_rng(seed).permutation(len(texts))[:most]
    read = np.cumsum([min(len(texts[row]), _READ_CHARS) for row in order])
    affordable = int(np.searchsorted(read, MOST_CHARS, side="right"))
    return np.sort(order[: max(affordable, _LEAST_ROWS)])


def _line(
    kind: str,
    texts: Sequence[str],
    changed: Sequence[str] | dict[int, str],
    rows: NDArray[np.int64],
    right: NDArray[np.bool_],
) -> tuple[Point, tuple[str, ...]]:
    """A bar and a table row. changed: by row number."""
    share = wilson(int(right.sum()), len(rows))
    other = [row for row in rows.tolist() if changed[row] != texts[row]]
    shown = min(other or rows.tolist(), key=lambda row: abs(len(texts[row]) - _EXAMPLE_CHARS // 2))
    example = changed[shown] if len(changed[shown]) <= _EXAMPLE_CHARS else f"{changed[shown][:_EXAMPLE_CHARS]}…"
    cells = (f"{share.value:.1%}", f"{share.low:.1%} – {share.high:.1%}", str(len(rows)), str(len(other)))
    return Point(kind, share.value, share.low, share.high), (kind, example, *cells)
