"""Interactions as arrays, user by user and oldest first, and the users held out to choose settings by.

It knows positions of users and items, not what they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penstock.core.errors import BadInput
from penstock.models.protocol import Floats, Integers
from penstock.tasks.recommendation.data.preparing import Records
from penstock.tasks.recommendation.model.histories import Histories, Times

MOST_JUDGED = 2_000  # held-out users: the standard error of a hit rate of 10% is then 0.7 points
SHORTEST_JUDGED = 3  # interactions of a user that is held out: one to guess, two to guess by


@dataclass(frozen=True, eq=False)
class Log:
    """starts: (users + 1,); items, times, weights: (all,), each user's oldest first. size: how many items there are."""

    starts: Integers
    items: Integers
    times: Times
    weights: Floats
    size: int

    @property
    def users(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> Integers:
        """The user of each interaction (all,)."""
        return np.repeat(np.arange(self.users), np.diff(self.starts))

    @property
    def counts(self) -> Integers:
        """How many users know each item (size,)."""
        return np.bincount(self.items, minlength=self.size).astype(np.int64)

    def where(self, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Log:
        """Only the interactions of the mask (all,); users may become empty."""
        counts = np.bincount(self.owners[kept], minlength=self.users)
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return replace(self, starts=starts, items=self.items[kept], times=self.times[kept], weights=self.weights[kept])


@dataclass(frozen=True, eq=False)
class Held:
    """users: (n,) whose last item, targets (n,), was taken out of `log`."""

    log: Log
    users: Integers
    targets: Integers


def read_log(records: Records) -> tuple[Log, tuple[str, ...], tuple[str, ...]]:
    """(log, items, users): ids by position. Raises BadInput when there is nothing to learn."""
    if not records.interactions:
        raise BadInput("there are no interactions to train on", where="train")
    named = {*records.items, *(row.item for row in records.interactions)}
    items = tuple(sorted(named, key=lambda item: (len(item), item)))
    users = tuple(sorted({row.user for row in records.interactions}, key=lambda user: (len(user), user)))
    item_at = {item: place for place, item in enumerate(items)}
    user_at = {user: place for place, user in enumerate(users)}
    ordered = sorted(records.interactions, key=lambda row: (user_at[row.user], *row.order))
    counts = np.bincount([user_at[row.user] for row in ordered], minlength=len(users))
    weights = np.maximum(np.array([row.weight for row in ordered], dtype=np.float64), 0.0)
    log = Log(
        starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        items=np.array([item_at[row.item] for row in ordered], dtype=np.int64),
        times=np.array([row.time for row in ordered], dtype=np.float64),
        weights=(weights / (weights.mean() or 1.0)).astype(np.float32),
        size=len(items),
    )
    return log, items, users


def hold_out(log: Log, seed: int) -> Held:
    """The last interaction of up to 2,000 users taken out: what settings are chosen by. The test is never looked at."""
    long = np.flatnonzero(np.diff(log.starts) >= SHORTEST_JUDGED)
    if len(long) > MOST_JUDGED:
        long = np.sort(np.random.default_rng(seed).permutation(long)[:MOST_JUDGED])
    last = log.starts[long + 1] - 1
    kept = np.ones(len(log.items), dtype=bool)
    kept[last] = False
    return Held(log.where(kept), long.astype(np.int64), log.items[last])


def histories_of(log: Log, users: tuple[str, ...], power: float) -> Histories:
    """The log as a model keeps it. power: of the weights; 0 counts every interaction alike."""
    return Histories(
        users={user: row for row, user in enumerate(users)},
        starts=log.starts,
        items=log.items.astype(np.int32),
        times=log.times,
        weights=np.power(log.weights, np.float32(power)).astype(np.float32) if power else np.ones_like(log.weights),
    )


def taken_of(records: Records, items: tuple[str, ...], users: tuple[str, ...]) -> Histories | None:
    """What known users have besides what is learned from, as a model keeps it; None where there is nothing."""
    item_at = {item: place for place, item in enumerate(items)}
    user_at = {user: place for place, user in enumerate(users)}
    known = [row for row in records.taken if row.user in user_at and row.item in item_at]
    if not known:
        return None
    ordered = sorted(known, key=lambda row: (user_at[row.user], *row.order))
    counts = np.bincount([user_at[row.user] for row in ordered], minlength=len(users))
    return Histories(
        users=user_at,
        starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        items=np.array([item_at[row.item] for row in ordered], dtype=np.int32),
        times=np.array([row.time for row in ordered], dtype=np.float64),
        weights=np.ones(len(ordered), dtype=np.float32),
    )
