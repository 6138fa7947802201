"""The compression `cascade.v1`: of two models, the cheap one answers where it is sure enough, the dear one the rest.

How sure it must be is chosen on training rows that neither half has seen: both are trained once more without them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from penstock.core.errors import BadInput, Conflict
from penstock.models.artifact import read_artifact
from penstock.models.protocol import Floats, Integers, Model, Parts
from penstock.models.softmax import softmax, stacked
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model import cascade as model_kind
from penstock.training.calibration import fit_temperature
from penstock.training.compress.records import CompressRequest, texts_of
from penstock.training.records import Trained
from penstock.training.rows import numbered

NAME = "cascade.v1"
OPTIONS: Mapping[str, Any] = {"within": 0.003, "folds": 1, "dear": "again"}
"""within: how much accuracy may be lost to the dear half. folds: of five, how many are held out in turn. dear: "again":
it is trained again without the held-out rows; "right": it counts as always right there, which takes no training and
leaves it more rows than needed."""
FOLDS = 5
FEWEST_OF_A_CLASS = 3  # a class with fewer rows is never held out: two must be left to train on
LEAST_GAIN = 1.1
TIMED = 60  # texts, one at a time
_SCALED = "the cheap half trained again had too few rows to calibrate: calibrated on the held-out ones"

Again: TypeAlias = Callable[[str, Any], Model]


@dataclass(frozen=True, eq=False)
class _Half:
    model: Model
    artifact: str
    seconds: float  # of one prediction


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Of each held-out row: how sure the cheap half is (rows,), and whether each half is right (rows,). scaled: the
    probabilities of the cheap half had to be calibrated as those of the model that serves are."""

    sure: Floats
    cheap: npt.NDArray[np.bool_]
    dear: npt.NDArray[np.bool_]
    scaled: bool = False


@dataclass(frozen=True)
class _Choice:
    """dear_share: of the held-out rows. loss, error: of accuracy to the dear half, and its standard error."""

    threshold: float
    dear_share: float
    loss: float
    error: float


def compress(request: CompressRequest) -> Trained:
    """The cascade of the request's two models, whichever is which.

    Raises BadInput for models that do not fit each other or cannot be trained again, Conflict when it would save
    nothing.
    """
    began = time.perf_counter()
    options = {**OPTIONS, **request.options}
    again = _checked(request, options)
    request.progress("cascade", 0, 1, "timing both models")
    cheap, dear = _ordered(request)
    held = _held_out(request, options, again, cheap, dear)
    choice = _choose(held, float(options["within"]))
    gain = dear.seconds / (cheap.seconds + choice.dear_share * dear.seconds)
    if gain < LEAST_GAIN:
        raise Conflict(
            f"a cascade of {cheap.model.kind} and {dear.model.kind} would save nothing: to lose at most "
            f"{options['within']:.1%} of accuracy, the dear half must answer {choice.dear_share:.0%} of the rows",
            where=f"{len(held.sure):,} held-out training rows",
            hint="take a better cheap half or a dearer dear one, or allow more: --set within=0.01",
        )
    settings = {
        "cheap": cheap.artifact,
        "dear": dear.artifact,
        "threshold": choice.threshold,
        "parity": max(_parity(request.blobs, half.artifact) for half in (cheap, dear)),
    }
    parts = Parts(request.source.labels, settings, lambda name: b"", "the new cascade", load=request.load)
    return Trained(
        model=model_kind.open_parts(parts),
        files={},
        settings=settings,
        seconds=time.perf_counter() - began,
        notes=_notes(cheap, dear, held, choice, options, gain),
        parameters={
            "threshold": choice.threshold,
            "dear_share": choice.dear_share,
            "lost": choice.loss,
            "times_quicker": gain,
            **options,
        },
    )


def _checked(request: CompressRequest, options: Mapping[str, Any]) -> Again:
    """What trains a half again, once all that was asked for fits."""
    texts_of(request, NAME)
    if request.other is None or request.other_artifact is None:
        raise BadInput("a cascade is made of two models", hint="name the second: --with CANDIDATE")
    if request.other_artifact == request.source_artifact:
        raise BadInput("a cascade is made of two different models", where="--with")
    if request.source.labels != request.other.labels:
        raise BadInput(
            f"the two models have other labels: {len(request.source.labels)} and {len(request.other.labels)}",
            where="--with",
            hint="take two candidates of the same data version",
        )
    if request.again is None:
        raise BadInput("the threshold of a cascade is chosen on rows that its halves have not seen: nobody trains them")
    if not 0 <= options["within"] < 1:
        raise BadInput(f"within must be a share of the rows, not {options['within']}", where="--set within")
    if not 1 <= options["folds"] <= FOLDS:
        raise BadInput(f"folds must lie between 1 and {FOLDS}, not {options['folds']}", where="--set folds")
    if options["dear"] not in ("again", "right"):
        raise BadInput(f'dear must be "again" or "right", not {options["dear"]!r}', where="--set dear")
    return request.again


def _ordered(request: CompressRequest) -> tuple[_Half, _Half]:
    """The cheaper model and the dearer one, by the processor time of one prediction."""
    texts = texts_of(request, NAME)
    draw = np.random.default_rng(request.seed).permutation(len(texts))
    timed = [texts[row] for row in draw[:TIMED]]
    found = (request.source, request.source_artifact), (request.other, request.other_artifact)
    halves = [
        _Half(model, artifact, _seconds(model, timed))
        for model, artifact in found
        if model is not None and artifact is not None
    ]
    cheap, dear = sorted(halves, key=lambda half: half.seconds)
    return cheap, dear


def _seconds(model: Model, texts: list[str]) -> float:
    model.predict(texts[:3])
    spent = []
    for text in texts:
        before = time.process_time()
        model.predict([text])
        spent.append(time.process_time() - before)
    return max(float(np.median(spent)), 1e-7)


def _held_out(
    request: CompressRequest, options: Mapping[str, Any], again: Again, cheap: _Half, dear: _Half
) -> _HeldOut:
    """Train the halves again without some rows, and ask them those."""
    labels, truth = numbered(request.train)
    if labels != cheap.model.labels:
        raise BadInput("the rows to calibrate on have other labels than the models", where="train")
    folds = _folds(truth, request.seed)[: options["folds"]]
    sure, right, scaled = [], [], False
    for number, held in enumerate(folds, start=1):
        kept = np.setdiff1d(np.arange(len(truth)), held)
        texts = [request.train.inputs[row] for row in held]
        part = request.train.part(kept.tolist())
        request.progress("cascade", 2 * number - 2, 2 * len(folds), "training the cheap half without some rows")
        half = again(cheap.artifact, part)
        answers = half.predict(texts)
        if _temperature(half) == 1.0 != _temperature(cheap.model):
            answers, scaled = _calibrated(answers, truth[held]), True
        sure.append(answers.max(axis=1))
        request.progress("cascade", 2 * number - 1, 2 * len(folds), "training the dear half without some rows")
        known = np.ones(len(held), dtype=bool)
        if options["dear"] == "again":
            known = again(dear.artifact, part).predict(texts).argmax(axis=1) == truth[held]
        right.append((answers.argmax(axis=1) == truth[held], known))
    request.progress("cascade", 2 * len(folds), 2 * len(folds), "done")
    return _HeldOut(
        np.concatenate(sure),
        np.concatenate([one for one, _ in right]),
        np.concatenate([two for _, two in right]),
        scaled,
    )


def _temperature(model: Model) -> float:
    """What the model's scores are divided by; 1 where nothing was held out to calibrate it on."""
    return float(getattr(model, "temperature", 1.0))


def _calibrated(answers: Floats, truth: Integers) -> Floats:
    """The probabilities at a temperature fitted on their own rows.

    A tuned encoder is calibrated from 2,000 rows on. Where four fifths of its rows are fewer, the half that is trained
    again is not: a threshold among its probabilities would mean another one among the served model's.
    """
    scores = np.log(np.maximum(answers, np.float32(1e-9)))
    temperature, _ = fit_temperature(scores, truth)
    return stacked([softmax(row, temperature) for row in scores], answers.shape[1])


def _folds(truth: Integers, seed: int) -> list[Integers]:
    """The rows to hold out, a fifth of each class at a time."""
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    many = np.bincount(truth)[truth] >= FEWEST_OF_A_CLASS
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    by_class = by_class[many[by_class]]
    found = [np.sort(by_class[first::FOLDS]) for first in range(FOLDS)]
    if not all(map(len, found)):
        raise BadInput(
            "there are too few rows to choose a cascade's threshold on",
            where="train",
            hint=f"labels with fewer than {FEWEST_OF_A_CLASS} rows cannot be held out: add rows",
        )
    return found


def _choose(held: _HeldOut, within: float) -> _Choice:
    """The lowest share for the dear half whose loss of accuracy, and one standard error of it, is at most `within`.

    The standard error is for the search among thresholds: the best of many looks better than it is.
    """
    order = np.argsort(-held.sure, kind="stable")
    sure, lost = held.sure[order], held.dear[order].astype(np.float64) - held.cheap[order]
    rows = len(sure)
    loss = np.cumsum(lost) / rows  # when the cheap half answers the first 1, 2, ... rows
    error = np.sqrt(np.maximum(np.cumsum(lost * lost) / rows - loss * loss, 0.0) / rows)
    between = np.append(sure[:-1] > sure[1:], True)  # a threshold cannot part rows that are equally sure
    good = np.flatnonzero(between & (loss + error <= within))
    if not len(good):
        return _Choice(threshold=2.0, dear_share=1.0, loss=0.0, error=0.0)
    last = int(good[-1])
    return _Choice(float(sure[last]), 1 - (last + 1) / rows, float(loss[last]), float(error[last]))


def _parity(blobs: BlobStore, digest: str) -> float:
    """What the export of a half's graph lost at most."""
    artifact = read_artifact(blobs, digest)
    told = [float(artifact.settings.get("parity", 0.0))]
    if artifact.backbone is not None:
        told.append(float(read_artifact(blobs, artifact.backbone).settings["parity"]))
    return max(told)


def _notes(
    cheap: _Half, dear: _Half, held: _HeldOut, choice: _Choice, options: Mapping[str, Any], gain: float
) -> tuple[str, ...]:
    rows, expected_ms = len(held.sure), 1e3 * (cheap.seconds + choice.dear_share * dear.seconds)
    compared = (
        f"on {rows:,} training rows, without which both halves were trained again, it was right "
        f"{held.dear.mean() - choice.loss:.2%} of the time and the dear half {held.dear.mean():.2%}"
        if options["dear"] == "again"
        else f"on {rows:,} training rows, without which the cheap half was trained again, and where the dear half "
        "counts as always right"
    )
    return (
        f"{cheap.model.kind} answers when its likeliest label has a probability of at least {choice.threshold:.4f}, "
        f"{dear.model.kind} the other {choice.dear_share:.1%}",
        f"{compared}: {100 * choice.loss:.2f} points lost (standard error {100 * choice.error:.2f}), "
        f"{100 * options['within']:.2f} allowed",
        f"expected throughput {gain:.1f} times the dear half's: {expected_ms:.2f} ms of processor time a text instead "
        f"of {1e3 * dear.seconds:.2f}; texts that are harder than the training's cost more",
        *((_SCALED,) * held.scaled),
    )
