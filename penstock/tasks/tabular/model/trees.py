"""A member of gradient-boosted trees, answering in numpy alone, with exact Shapley values of its answers.

A split sends a vector left when its feature is at most the threshold; missing numbers go where training sent them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import Broken
from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.model.shapley import Paths, paths_of

Integers = NDArray[np.int32]
MOST_DEPTH = 6
NAMES = ("feature", "threshold", "missing", "left", "right", "cover", "leaf_value", "leaf_cover", "root", "output")


@dataclass(frozen=True, eq=False)
class Trees:
    """All trees of a member in one set of arrays.

    Of nodes (nodes,): feature; threshold (float64: in float32 a row on the edge would fall on the other side);
    missing: 0 NaN is read as 0.0, 1 it goes left, 2 right; left, right: the next node, or -1 - leaf; cover: training
    rows. Of leaves: leaf_value, leaf_cover. Of trees (trees,): root (or -1 - leaf), output: the score it adds to.
    """

    feature: Integers
    threshold: Doubles
    missing: Integers
    left: Integers
    right: Integers
    cover: Doubles
    leaf_value: Doubles
    leaf_cover: Doubles
    root: Integers
    output: Integers
    outputs: int

    def scores(self, vector: Doubles) -> Doubles:
        """(outputs,): each output's trees summed in their order."""
        leaves = self._leaves(vector)
        values = self.leaf_value[leaves]
        if self.outputs == 1:
            return np.array([values.sum()])
        return np.array([values[trees].sum() for trees in self._by_output])

    def contributions(self, vector: Doubles) -> Doubles:
        """(outputs, features): what each feature adds to the scores, by path-dependent TreeSHAP (Lundberg, Erion and
        Lee 2018). With `base` they add up to the scores."""
        return self.paths.contributions(self._goes_left(vector), self.outputs, len(vector))

    @cached_property
    def base(self) -> Doubles:
        """The mean scores (outputs,) of training rows."""
        return self.paths.base(self.outputs)

    @cached_property
    def paths(self) -> Paths:
        """Every way from a root to a leaf, with its Shapley table; made when first asked for."""
        return paths_of(self)

    @cached_property
    def _by_output(self) -> tuple[NDArray[np.int64], ...]:
        return tuple(np.flatnonzero(self.output == number) for number in range(self.outputs))

    @cached_property
    def _children(self) -> Integers:
        """(2 * nodes,): where a node leads, right then left, so that one look-up follows a decision."""
        return np.stack([self.right, self.left], axis=1).ravel()

    def _goes_left(self, vector: Doubles) -> NDArray[np.bool_]:
        """Every node's decision (nodes,), at once: there are a few thousand."""
        values = vector[self.feature]
        lost = np.isnan(values)
        if not lost.any():
            return np.asarray(values <= self.threshold)
        read = np.where(lost, 0.0, values) <= self.threshold
        return np.where(lost & (self.missing > 0), self.missing == 1, read)

    def _leaves(self, vector: Doubles) -> Integers:
        """The leaf of every tree (trees,)."""
        step = self._goes_left(vector)
        at = self.root
        for _ in range(MOST_DEPTH + 1):
            inside = at >= 0
            if not inside.any():
                break
            here = np.where(inside, at, 0)
            at = np.where(inside, self._children[2 * here + step[here]], at)
        return -1 - at

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in NAMES}


def read_trees(tensors: Mapping[str, NDArray[Any]], features: int, outputs: int, where: str) -> Trees:
    """Raises Broken when the arrays are no trees of that many features and outputs, at most six splits deep."""
    if set(NAMES) - set(tensors):
        raise Broken("the trees lack some of their arrays", where=where)
    trees = Trees(**{name: tensors[name] for name in NAMES}, outputs=outputs)
    nodes, leaves = len(trees.feature), len(trees.leaf_value)
    per_node = (trees.threshold, trees.missing, trees.left, trees.right, trees.cover)
    fits = all(len(each) == nodes for each in per_node) and len(trees.leaf_cover) == leaves
    fits = fits and len(trees.root) == len(trees.output)
    links = np.concatenate([trees.left, trees.right, trees.root])
    fits = fits and bool(np.all((links < nodes) & (links >= -leaves)))
    fits = fits and bool(np.all((trees.feature >= 0) & (trees.feature < features)))
    fits = fits and bool(np.all((trees.output >= 0) & (trees.output < outputs)))
    after = np.concatenate([trees.left, trees.right])
    fits = fits and bool(np.all((after < 0) | (after > np.tile(np.arange(nodes), 2))))  # so no way goes in circles
    numbers = np.concatenate([trees.threshold, trees.leaf_value, trees.leaf_cover, trees.cover])
    if not (fits and np.isfinite(numbers).all()):
        raise Broken("the trees' arrays do not fit each other or the table's features", where=where)
    if _depth(trees) > MOST_DEPTH:
        raise Broken(f"a tree is deeper than {MOST_DEPTH} splits", where=where)
    return trees


def _depth(trees: Trees) -> int:
    at, depth = trees.root[trees.root >= 0], 0
    while len(at) and depth <= MOST_DEPTH:
        depth += 1
        at = np.unique(np.concatenate([trees.left[at], trees.right[at]]))
        at = at[at >= 0]
    return depth
