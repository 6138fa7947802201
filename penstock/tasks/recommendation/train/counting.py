"""Counts what follows what: dense matrices over the items with enough of a past. Numpy alone."""

from __future__ import annotations

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.tasks.recommendation.train.log import Log

MOST_LEARNED = 6_000  # items that get weights of their own: 36 million numbers, 140 MB; the others have their text
MOST_SEARCHED = 3_000  # items while settings are chosen: the best known ones decide, in a quarter of the time
FEWEST_KNOWN = 3  # users of an item that gets them. On MovieLens 2, 3 and 5 do alike (.093, .092, .093)
LEAST_SHARE = 0.01  # of a neighbour's weight: what is further apart is not counted
FURTHEST = 60  # interactions between two that are counted together
_AT_ONCE = 8_000_000
_USERS_AT_ONCE = 2_000


def learned_items(log: Log, most: int = MOST_LEARNED) -> Integers:
    """The items with weights of their own (k,): known to three users or more, the best known ones, by position."""
    counts = log.counts
    fewest = FEWEST_KNOWN if (counts >= FEWEST_KNOWN).sum() >= 10 else 1
    order = np.argsort(-counts, kind="stable")[:most]
    return np.sort(order[counts[order] >= fewest]).astype(np.int64)


def columns_of(learned: Integers, size: int) -> Integers:
    """The column of each item (size,), -1 for those that have none."""
    columns = np.full(size, -1, dtype=np.int64)
    columns[learned] = np.arange(len(learned))
    return columns


def sequence_counts(log: Log, learned: Integers, decay: float) -> tuple[Floats, Floats]:
    """(together, follows), both (k, k). together: how often two items are near each other in a history, symmetric,
    its diagonal the items' counts; follows[i, j]: how often j comes after i. A step apart costs one `decay`.

    Interactions of one moment have no order: they count half each way.
    """
    k = len(learned)
    columns = columns_of(learned, log.size)[log.items]
    owners = log.owners
    follows = np.zeros(k * k, dtype=np.float32)
    furthest = FURTHEST if decay >= 1 else min(FURTHEST, int(np.log(LEAST_SHARE) / np.log(decay)) + 1)
    codes: list[Integers] = []
    shares: list[Floats] = []
    for apart in range(1, furthest + 1):
        both = (owners[:-apart] == owners[apart:]) & (columns[:-apart] >= 0) & (columns[apart:] >= 0)
        earlier, later = columns[:-apart][both], columns[apart:][both]
        tied = log.times[:-apart][both] == log.times[apart:][both]
        share = (np.where(tied, 0.5, 1.0) * decay ** (apart - 1)).astype(np.float32)
        codes += [earlier * k + later, later[tied] * k + earlier[tied]]
        shares += [share, share[tied]]
        if sum(map(len, codes)) > _AT_ONCE or apart == furthest:
            follows += np.bincount(np.concatenate(codes), np.concatenate(shares), minlength=k * k).astype(np.float32)
            codes, shares = [], []
    forward = follows.reshape(k, k)
    together = (forward + forward.T) * np.float32(decay)
    np.fill_diagonal(together, together.diagonal() + np.bincount(columns[columns >= 0], minlength=k))
    return together, forward


def co_counts(log: Log, learned: Integers) -> Floats:
    """How many users know both of two items (k, k); the diagonal is how many know one."""
    k = len(learned)
    columns = columns_of(learned, log.size)[log.items]
    owners = log.owners
    together = np.zeros((k, k), dtype=np.float32)
    for first in range(0, log.users, _USERS_AT_ONCE):
        mine = (owners >= first) & (owners < first + _USERS_AT_ONCE) & (columns >= 0)
        known = np.zeros((min(_USERS_AT_ONCE, log.users - first), k), dtype=np.float32)
        known[owners[mine] - first, columns[mine]] = 1.0
        together += known.T @ known
    return together
