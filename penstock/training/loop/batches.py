"""Which rows make a batch, those of like length together; how large one should be where they learn from each other."""

from __future__ import annotations

import numpy as np

from penstock.training.loop.records import Integers, Problem, Recipe

POOL = 32  # batches whose rows are sorted by length together: enough for little padding, few enough to stay random


def batches_of(problem: Problem, recipe: Recipe, seed: int, epoch: int) -> list[Integers]:
    """The batches of one epoch: shuffled by (seed, epoch), rows of like length together."""
    draw = np.random.default_rng([seed, epoch])
    order = draw.permutation(problem.rows)
    if problem.lengths is None:
        return [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]
    batches: list[Integers] = []
    for start in range(0, len(order), POOL * recipe.batch):
        pool = order[start : start + POOL * recipe.batch]
        pool = pool[np.argsort(problem.lengths[pool], kind="stable")]
        batches += [pool[at : at + recipe.batch] for at in range(0, len(pool), recipe.batch)]
    return [batches[place] for place in draw.permutation(len(batches))]


def even_batch(rows: int, most: int) -> int:
    """The largest size up to `most`, down to three quarters of it, whose last batch of an epoch is at least half full:
    normalising over the batch, or telling its rows apart, learns nothing from a last batch of one."""
    if rows <= most:
        return max(1, rows)
    sizes = range(most, max(1, 3 * most // 4) - 1, -1)
    return next((size for size in sizes if 2 * _last(rows, size) >= size), max(sizes, key=lambda s: _last(rows, s) / s))


def _last(rows: int, size: int) -> int:
    return (rows - 1) % size + 1
