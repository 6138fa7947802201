"""The parts of a text that decided: exactly where a model is linear in them, else by taking each away in turn.

It knows what a model answers and nothing else of it. Labels are indices; weights are in nats of the label's logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from penstock.models.parts import MOST_SPANS, Steps
from penstock.models.protocol import Explains, Model, Part, thresholds_of
from penstock.models.steps import drained
from penstock.tasks.text.model.cascade import Cascade
from penstock.tasks.text.model.spans import spans

_LEAST = 1e-30  # a probability below it is as good as none, and its logarithm no number
_LEAST_REST = 6e-8  # what a probability in float32 can lack of 1


def explain(model: Model, text: str, label: int) -> tuple[Part, ...]:
    """What each part of the text adds to the label's score, in the order of the text.

    Of a cascade, the half that answered is asked.
    """
    return drained(steps(model, text, label))


def steps(model: Model, text: str, label: int) -> Steps:
    """The same in steps, each about one answer of the model."""
    if isinstance(model, Cascade):
        model = model.half(text)
    if hasattr(model, "explain_steps"):
        return cast(tuple[Part, ...], (yield from model.explain_steps(text, label)))
    if hasattr(model, "explain"):
        return cast(Explains, model).explain(text, label)
    return (yield from occlusion_steps(model, text, label))


def occlusion(model: Model, text: str, label: int) -> tuple[Part, ...]:
    """By how much the label's score falls when a part is taken out (Zeiler and Fergus 2014, arXiv 1311.2901).

    Words, and characters of unspaced scripts; of a longer text, stretches of several, at most 24 in all. Words that
    mean something only together share too little of it.
    """
    return drained(occlusion_steps(model, text, label))


def occlusion_steps(model: Model, text: str, label: int) -> Steps:
    """`occlusion`, one answer of the model a step. A row is the same alone as in a batch."""
    parts = stretches(spans(text), MOST_SPANS)
    rows = []
    for asked in (text, *(text[:start] + text[end:] for start, end in parts)):
        rows.append(model.predict([asked])[0])
        yield
    answers = np.stack(rows).astype(np.float64)
    logs = np.log(np.maximum(answers, _LEAST))
    if thresholds_of(model) is None:
        scores = logs[:, label] - logs.mean(axis=1)
    else:  # each label by itself
        scores = logs[:, label] - np.log(np.maximum(1.0 - answers[:, label], _LEAST_REST))
    return tuple(
        Part(start, end, float(scores[0] - score)) for (start, end), score in zip(parts, scores[1:], strict=True)
    )


def stretches(parts: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """At most so many stretches of parts that follow each other."""
    size = max(1, math.ceil(len(parts) / most))
    groups = [parts[at : at + size] for at in range(0, len(parts), size)]
    return [(group[0][0], group[-1][1]) for group in groups]
