"""The rungs `fixed-threshold.v1` and `seasonal-cusum.v1`: answer the history's documents, then calibrate a detector.

Both are held to the same rate of false alarms, so that what they find can be compared.
"""

from __future__ import annotations

import time

import numpy as np

from penstock.core.errors import BadInput
from penstock.evaluation.parity import answers_of
from penstock.models.protocol import Model, thresholds_of
from penstock.tasks.opinion.model import watching as model_kind
from penstock.tasks.opinion.model.detector import CUSUM, FIXED, KINDS, Detector
from penstock.tasks.opinion.model.matcher import Matcher
from penstock.tasks.opinion.model.options import Options
from penstock.tasks.opinion.model.series import SLOTS
from penstock.tasks.opinion.model.watching import OpinionModel, Watch, tones_of
from penstock.tasks.opinion.task import History, series_from
from penstock.tasks.opinion.train.calibrate import describe, fit
from penstock.training.records import Trained, TrainRequest


def train_fixed(request: TrainRequest) -> Trained:
    """Alarms beyond the history's mean plus so many standard deviations, the same on every day of the week."""
    return _train(FIXED, request)


def train_seasonal(request: TrainRequest) -> Trained:
    """Alarms of a likelihood-ratio CUSUM with a seasonal mean: see detector.follow."""
    return _train(CUSUM, request)


def _train(kind: str, request: TrainRequest) -> Trained:
    began = time.perf_counter()
    history: History = request.train
    options = Options(**request.options)
    sentiment = _sentiment(options, request)
    blank = OpinionModel(
        Watch(history.entities, tones_of(sentiment.labels, options.positive, options.negative), _blank(history)),
        Matcher(history.entities),
        sentiment,
    )
    model_kind.check(blank)
    total = len(history.documents)
    answers = answers_of(blank, history.documents, lambda done: request.progress("read history", done, total))
    series = series_from(blank, history, answers)
    if series.volume.sum() == 0:
        raise _nobody_named()
    request.progress("calibrate", 0, 1)
    detector = fit(kind, series, options.false_alarms_per_month, request.seed)
    request.progress("calibrate", 1, 1)
    model = OpinionModel(Watch(history.entities, blank.watch.tones, detector), blank.matcher, sentiment)
    mentions = int(series.volume.sum())
    return Trained(
        model=model,
        files=model_kind.to_files(model.watch),
        settings={
            "sentiment": options.sentiment_artifact,
            "sentiment_product": options.sentiment,
            "false_alarms_per_month": options.false_alarms_per_month,
            "seed": request.seed,
            "documents": total,
            "mentions": mentions,
        },
        seconds=time.perf_counter() - began,
        notes=(
            f"{mentions:,} mentions in {total:,} documents, {series.length:,} {series.bucket}s",
            *describe(detector),
        ),
    )


def check(request: TrainRequest) -> None:
    """Raises BadInput for a history that training refuses. The sentiment product's release is not asked for."""
    history: History = request.train
    matcher = Matcher(history.entities)
    if not any(matcher.find(document.text) for document in history.documents):
        raise _nobody_named()


def _nobody_named() -> BadInput:
    return BadInput(
        "no document of the history names an entity",
        where="options.entities",
        hint="check the aliases: they must stand in the text as they are written",
    )


def _sentiment(options: Options, request: TrainRequest) -> Model:
    if not options.sentiment_artifact or request.load is None:
        raise BadInput(
            f"the sentiment product {options.sentiment!r} has no live release",
            where="options.sentiment",
            hint=f"penstock train {options.sentiment}; penstock release {options.sentiment}",
        )
    sentiment = request.load(options.sentiment_artifact)
    if thresholds_of(sentiment) is not None:
        hint = "name a product without multi_label"
        told = f"the live release of {options.sentiment!r} gives several labels for a text, not one sentiment"
        raise BadInput(told, where="options.sentiment", hint=hint)
    return sentiment


def _blank(history: History) -> Detector:
    """A detector that has learned nothing yet: the documents must be answered before there is a series."""
    names = tuple(history.entities)
    zeros = np.zeros(len(names))
    return Detector(
        kind=FIXED,
        entities=names,
        bucket=history.bucket,
        timezone=history.timezone,
        season=np.ones((len(names), SLOTS[history.bucket])),
        dispersion=zeros,
        spread=zeros + 1,
        shares=dict.fromkeys(KINDS[1:], zeros + 0.5),
        mean=zeros,
        limits=dict.fromkeys(KINDS, 0.0),
    )
