"""When a text classifier says "unsure": the recipe is trained once more without some rows, and asked those.

The threshold is the least top probability (Hendrycks and Gimpel 2017, arXiv 1610.02136) from which on answers are right
as often as the product wants, among inputs of which it expects a share to be out of scope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.protocol import NEVER, UNSURE_BELOW, Integers, Model
from penstock.models.vectors import in_bulk
from penstock.storage.blobs import scratch
from penstock.tasks.text.data.options import TextOptions, read_options
from penstock.training.records import Trained, TrainRequest
from penstock.training.thresholds import Exact, pick_threshold

HELD_SHARE = 5  # of a label's rows, one in so many is held out
LEAST_LABELS = 8  # with fewer, leaving a fifth of them out changes what the others are told from
MOST_ASKED = 2_000  # of either kind: the share of 95% is then known to 1 point

UNREACHED = "is not reached on held-out rows; give more rows or lower target_precision"


@dataclass(frozen=True)
class _Held:
    """What the recipe learns from, what it is asked, and inputs that no label of `kept` fits. how: those, in words."""

    kept: Split
    inside: Split
    outside: tuple[Any, ...]
    how: str


def train_unsure(train: Callable[[TrainRequest], Trained], request: TrainRequest) -> Trained:
    """What `train` makes of the request, with a threshold where the product's options say `abstain = true`.

    Takes twice as long then. Raises BadInput where no label has rows enough to hold any out.
    """
    if not request.options.get("abstain"):
        return train(request)
    options = read_options(request.options)
    held = _held(request, options)
    asked = _asked(train, request, held)
    trained = train(request)
    if request.world.rank:  # only the first of those who train together keeps the model
        return trained
    threshold, told = _threshold(asked, held, options)
    return with_threshold(replace(trained, notes=(*trained.notes, told)), threshold)


def with_threshold(trained: Trained, threshold: float | None) -> Trained:
    """The same model, which answers from this top probability on; None: as it is."""
    if threshold is None:
        return trained
    model: Any = trained.model  # every kind of text classifier is a frozen record with this field
    settings = {**trained.settings, UNSURE_BELOW: threshold}
    return replace(trained, model=replace(model, **{UNSURE_BELOW: threshold}), settings=settings)


def _held(request: TrainRequest, options: TextOptions) -> _Held:
    rows: Split = request.train
    draw = np.random.default_rng([request.seed, 2])
    labels = sorted(set(rows.labels))
    truth = np.array([labels.index(label) for label in rows.labels], dtype=np.int64)
    left: set[int] = set()
    if not rows.outside and options.out_of_scope_share > 0 and len(labels) >= LEAST_LABELS:
        left = set(draw.permutation(len(labels))[: len(labels) // HELD_SHARE].tolist())
    out = np.isin(truth, sorted(left))
    held = _one_in(truth, out, draw)
    if not len(held):
        hint = f"a threshold is found on held-out rows: give {HELD_SHARE} rows of some labels, or leave abstain out"
        raise BadInput("no label has rows enough to find when to say unsure", where="options.abstain", hint=hint)
    kept = np.setdiff1d(np.flatnonzero(~out), held)
    outside = list(rows.outside) or [rows.inputs[row] for row in np.flatnonzero(out).tolist()]
    chosen = sorted(draw.permutation(len(outside))[:MOST_ASKED].tolist())
    how = "no texts out of scope"
    if rows.outside:
        how = f"{len(chosen):,} texts out of scope"
    elif left:
        how = f"{len(chosen):,} rows of {len(left)} labels left out in place of texts out of scope, which nobody named"
    return _Held(rows.part(kept.tolist()), rows.part(held.tolist()), tuple(outside[row] for row in chosen), how)


def _one_in(truth: Integers, out: Any, draw: np.random.Generator) -> Integers:
    """A fifth of each label's rows, sorted; none of the labels that are out."""
    shuffled = draw.permutation(len(truth))
    found = []
    for label in sorted(set(truth[~out].tolist())):
        own = shuffled[truth[shuffled] == label]
        found.append(own[: len(own) // HELD_SHARE])
    held = np.concatenate(found)
    return np.sort(held[draw.permutation(len(held))[:MOST_ASKED]])


def _asked(train: Callable[[TrainRequest], Trained], request: TrainRequest, held: _Held) -> tuple[Exact, Any, Exact]:
    """(top probabilities of the rows held out, whether they are right, top probabilities of inputs out of scope)."""
    folder = None if request.checkpoint is None else request.checkpoint / "unsure"
    again = replace(
        request, train=held.kept, checkpoint=folder, stands_for=len(request.train), progress=_named(request)
    )
    if request.blobs is None:
        return _answers(train(again).model, held)
    with scratch(request.blobs) as blobs:  # an encoder that was tuned for this would be 180 MB that nobody reads again
        return _answers(train(replace(again, blobs=blobs, load=Loader(blobs).load)).model, held)


def _answers(model: Model, held: _Held) -> tuple[Exact, Any, Exact]:
    inside, outside = in_bulk(model, held.inside.inputs), in_bulk(model, held.outside)
    place = {label: number for number, label in enumerate(model.labels)}
    truth = np.array([place[label] for label in held.inside.labels])
    tops = (answers.max(axis=1, initial=0.0).astype(np.float64) for answers in (inside, outside))
    return next(tops), inside.argmax(axis=1) == truth, next(tops)


def _threshold(asked: tuple[Exact, Any, Exact], held: _Held, options: TextOptions) -> tuple[float, str]:
    """The threshold, and what to say of it."""
    inside, right, outside = asked
    share = options.out_of_scope_share if len(outside) else 0.0
    weights = np.full(len(inside), (1 - share) / len(inside)), np.full(len(outside), share / max(1, len(outside)))
    target = options.target_precision
    threshold, precision, _ = pick_threshold((inside, right), outside, weights, target)
    if threshold >= NEVER:
        return threshold, f"always unsure: the target precision {target:.1%} {UNREACHED}"
    answered = float((inside >= threshold).mean())
    refused = f", {float((outside < threshold).mean()):.0%} of those out of scope not" if len(outside) else ""
    mixed = f", with {share:.0%} out of scope" if len(outside) else ""
    return threshold, (
        f"unsure below {threshold:.3f}, for a precision of {target:.0%}{mixed}: found on {len(inside):,} rows held out "
        f"from training and {held.how}; {answered:.0%} answered, {precision:.1%} of all answers right{refused}"
    )


def _named(request: TrainRequest) -> Any:
    def say(stage: str, done: float, total: float, note: str = "") -> None:
        request.progress(f"{stage} (to know when it is unsure)", done, total, note)

    return say
