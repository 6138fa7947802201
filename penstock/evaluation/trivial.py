"""What needs no model: always the same answer, a guess in the labels' shares. A model has to be better than that.

The constants are the best ones in hindsight, of the test rows themselves: no answer given without looking at the input
does better, whatever train holds. It compares figures of the same rows; it judges nothing (see gate.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Floats, Integers, Metric, binomial_cdf, bootstrap_rows, metric
from penstock.evaluation.measured import Trivial
from penstock.evaluation.pairing import paired

Scores: TypeAlias = Floats | Sequence[float]

COMMONEST = "always the commonest label"
SAME_SET = "always the same set of labels"
EVERY_LABEL = "always every label"
BY_SHARE = "guessing labels by their share"
BY_CHANCE = "ranking by chance"
PRIOR = "the labels' shares for every row"
SAME_DECISION = "always the same decision"
MEAN = "always the mean"
MEDIAN = "always the median"
SAME_ENTRY = "always the entry asked for most"
POPULAR = "the popular items for everybody"
ANY_ITEMS = "any items"
RANDOM_ALARMS = "as many alarms at random"

CHINESE: Mapping[str, str] = {
    COMMONEST: "总是回答最常见的类别",
    SAME_SET: "总是回答同一组标签",
    EVERY_LABEL: "总是回答全部标签",
    BY_SHARE: "按类别比例猜测",
    BY_CHANCE: "随机排序",
    PRIOR: "每行都给出类别比例",
    SAME_DECISION: "总是作同一决策",
    MEAN: "总是回答平均值",
    MEDIAN: "总是回答中位数",
    SAME_ENTRY: "总是回答被问得最多的条目",
    POPULAR: "对所有人推荐热门物品",
    ANY_ITEMS: "随意推荐物品",
    RANDOM_ALARMS: "同样多的随机警报",
}


def compared(name: str, how: str, own: Scores, other: Scores, *, value: float) -> Trivial:
    """A metric that is a mean over rows. own, other: per row (n,), higher is better. value: the metric of `other`.

    Rights and wrongs are compared by McNemar's exact test, one-sided; graded ones by resampling their differences.
    """
    ours, theirs = np.asarray(own, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if np.isin(ours, (0.0, 1.0)).all() and np.isin(theirs, (0.0, 1.0)).all():
        found = paired(ours.tolist(), theirs.tolist())
        return Trivial(name, how, value, found.difference, _more_often(found.better, found.worse))
    return Trivial(name, how, value, *_resampled(ours - theirs))


def by_interval(name: str, how: str, found: Metric, value: float) -> Trivial:
    """A metric whose trivial value is a fixed number: the whole 95% interval must lie beyond it."""
    difference = metric(found.value - value, found.low - value, found.high - value)
    return Trivial(name, how, value, difference, None)


def of_classes(truth: Integers, predicted: Integers, macro_f1: Metric) -> tuple[Trivial, ...]:
    """Accuracy against the commonest label; macro-F1 against the most that answers without looking can reach.

    truth, predicted: label indices (n,). Guessing each label by its share has an F1 equal to that share, so a macro-F1
    of 1 / classes; always the commonest label reaches less.
    """
    commonest = int(np.bincount(truth).argmax())
    right, same = (truth == predicted).astype(np.float64), (truth == commonest).astype(np.float64)
    classes = len(np.union1d(truth, predicted))
    return (
        compared("accuracy", COMMONEST, right, same, value=float(same.mean())),
        by_interval("macro_f1", BY_SHARE, macro_f1, 1 / classes),
    )


def by_user(values: Floats, users: Sequence[str]) -> Floats:
    """The mean of each user's rows (users,): a user's rows stand or fall together."""
    names = {user: row for row, user in enumerate(dict.fromkeys(users))}
    owner: NDArray[np.int64] = np.array([names[user] for user in users], dtype=np.int64)
    return np.asarray(np.bincount(owner, values) / np.bincount(owner), dtype=np.float64)


def _more_often(better: int, worse: int) -> float:
    """One-sided exact p-value that both are right equally often (McNemar 1947, binomial form)."""
    return float(binomial_cdf(better + worse, 0.5)[worse]) if better else 1.0


def _resampled(differences: Floats) -> tuple[Metric, float]:
    """The mean of differences (n,) with its interval, and the share of resamples in which it is not above 0."""
    means: list[Floats] = []

    def statistic(rows: NDArray[np.int64]) -> Floats:
        means.append(differences[rows].mean(axis=1))
        return means[-1]

    found = metric(float(differences.mean()), *bootstrap_rows(differences, statistic, _SEED))
    drawn = np.concatenate(means)
    return found, (int((drawn <= 0).sum()) + 1) / (len(drawn) + 1)


_SEED = 0  # a decision must come out the same when it is checked again
