"""Exact path-dependent TreeSHAP by tables made once: Lundberg, Erion and Lee 2018 (arXiv 1802.03888) in the form of
Fast TreeSHAP v2 (Yang 2021, arXiv 2109.09847).

For a way from root to leaf with d different features, what the row does at each of them (follows the way or not) is
a pattern of d bits; the 2^d patterns' contributions are computed once, and a row only looks them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.tabular.model.encoding import Doubles

if TYPE_CHECKING:
    from penstock.tasks.tabular.model.trees import Trees

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Group:
    """Ways with the same number d of different features and the same number k of splits.

    node: (ways, k) the nodes; left: (ways, k) whether the way goes left there; bit: (ways, k) 1 << the place of the
    node's feature among the way's own; feature: (ways, d); output: (ways,); table: (ways * 2^d, d) what each feature
    adds, the patterns of a way side by side; mean: (ways,) the leaf's value by the share of training rows it gets.
    """

    node: Indices
    left: NDArray[np.bool_]
    bit: Indices
    feature: Indices
    output: Indices
    table: Doubles
    mean: Doubles


@dataclass(frozen=True, eq=False)
class Paths:
    """All ways of a member's trees."""

    groups: tuple[Group, ...]

    def contributions(self, goes_left: NDArray[np.bool_], outputs: int, features: int) -> Doubles:
        """(outputs, features), from every node's decision (nodes,)."""
        total = np.zeros(outputs * features)
        for group in self.groups:
            ways, different = group.feature.shape
            if not different:
                continue
            off = goes_left[group.node] != group.left
            lost = np.bitwise_or.reduce(off * group.bit, axis=1)  # a feature is followed when all of its splits are
            everything = (1 << different) - 1
            adds = group.table[(np.arange(ways) << different) + (everything ^ lost)]
            places = group.output[:, None] * features + group.feature
            total += np.bincount(places.ravel(), weights=adds.ravel(), minlength=len(total))
        return total.reshape(outputs, features)

    def base(self, outputs: int) -> Doubles:
        """The mean scores (outputs,) of training rows."""
        base = np.zeros(outputs)
        for group in self.groups:
            base += np.bincount(group.output, weights=group.mean, minlength=outputs)
        return base


@dataclass(frozen=True)
class _Way:
    """nodes with the side taken; the share of a node's training rows that take it; where it ends."""

    nodes: tuple[int, ...]
    left: tuple[bool, ...]
    shares: tuple[float, ...]
    leaf: int


def paths_of(trees: Trees) -> Paths:
    """The ways of all trees, grouped so that arrays are regular."""
    grouped: dict[tuple[int, int], list[tuple[_Way, int, list[int]]]] = {}
    for root, output in zip(trees.root.tolist(), trees.output.tolist(), strict=True):
        for way in _ways(trees, root):
            features = list(dict.fromkeys(int(trees.feature[node]) for node in way.nodes))
            grouped.setdefault((len(features), len(way.nodes)), []).append((way, output, features))
    return Paths(tuple(_group(trees, grouped[key], *key) for key in sorted(grouped)))


def _ways(trees: Trees, root: int) -> list[_Way]:
    done: list[_Way] = []
    open_: list[tuple[int, _Way]] = [(root, _Way((), (), (), 0))]
    while open_:
        at, way = open_.pop()
        if at < 0:
            done.append(_Way(way.nodes, way.left, way.shares, -1 - at))
            continue
        for goes_left, child in ((True, int(trees.left[at])), (False, int(trees.right[at]))):
            reach = trees.leaf_cover[-1 - child] if child < 0 else trees.cover[child]
            share = float(reach / max(trees.cover[at], 1e-12))
            longer = _Way((*way.nodes, at), (*way.left, goes_left), (*way.shares, share), 0)
            open_.append((child, longer))
    return done


def _group(trees: Trees, members: list[tuple[_Way, int, list[int]]], different: int, splits: int) -> Group:
    ways = len(members)
    node = np.zeros((ways, splits), dtype=np.int64)
    left = np.zeros((ways, splits), dtype=bool)
    bit = np.zeros((ways, splits), dtype=np.int64)
    feature = np.zeros((ways, different), dtype=np.int64)
    share = np.ones((ways, different))
    for index, (way, _, features) in enumerate(members):
        node[index], left[index], feature[index] = way.nodes, way.left, features
        for split, (at, part) in enumerate(zip(way.nodes, way.shares, strict=True)):
            place = features.index(int(trees.feature[at]))
            bit[index, split] = 1 << place
            share[index, place] *= part
    value = trees.leaf_value[[way.leaf for way, _, _ in members]]
    return Group(
        node=node,
        left=left,
        bit=bit,
        feature=feature,
        output=np.array([output for _, output, _ in members], dtype=np.int64),
        table=(value[:, None, None] * _table(share)).reshape(ways << different, different),
        mean=value * share.prod(axis=1),
    )


def _table(share: Doubles) -> Doubles:
    """(ways, 2^d, d): the Shapley values of a leaf of value 1, by which of its features the row follows.

    share (ways, d): of training rows that follow a feature's splits. A feature known to be followed counts 1, known
    not to be 0, unknown its share; each feature's value is its mean effect over the orders of getting known.
    """
    ways, count = share.shape
    table = np.zeros((ways, 1 << count, count))
    for place in range(count):
        others = [other for other in range(count) if other != place]
        for known in range(1 << len(others)):
            chosen = [other for index, other in enumerate(others) if known >> index & 1]
            unknown = [other for other in others if other not in chosen]
            weight = factorial(len(chosen)) * factorial(count - len(chosen) - 1) / factorial(count)
            reach = weight * share[:, unknown].prod(axis=1)
            needed = sum(1 << other for other in chosen)
            patterns = np.arange(1 << count)
            follows = (patterns & needed) == needed
            gain = np.where(patterns >> place & 1, 1.0, 0.0)[None, :] - share[:, [place]]
            table[:, :, place] += np.where(follows[None, :], reach[:, None] * gain, 0.0)
    return table
