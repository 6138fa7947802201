"""The rungs that answer by words, by meaning and by both: an index of the entries, and weights found on train."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.models.backbone import Backbone
from penstock.models.protocol import NEVER, Floats, Parts
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.data.parts import Knowledge
from penstock.tasks.knowledge.model.answering import (
    BM25,
    FROZEN,
    HYBRID,
    Answering,
    Fusion,
    open_parts,
    to_files,
    to_settings,
)
from penstock.tasks.knowledge.model.index import Index, Vectors, embedded, make_index
from penstock.tasks.knowledge.train.calibration import Calibrated, Cases, calibrate, make_cases
from penstock.tasks.knowledge.train.prior import PRIORS, USED
from penstock.training.records import Trained, TrainRequest, text_backbone

TARGET_PRECISION = 0.95
OUT_OF_SCOPE = 0.3
UNREACHED = "is not reached on held-out questions; give more paraphrases or lower target_precision"
MOST_PAIRS = 4_000_000  # of questions, to learn how alike unrelated ones are


@dataclass(frozen=True)
class Wanted:
    """What the options say. target: precision of the answered. out_of_scope: expected share of such questions."""

    target: float
    out_of_scope: float


def train_bm25(request: TrainRequest) -> Trained:
    """`bm25.v1`: by words alone, of questions and of answers. Needs no backbone; works in any language."""
    return _train(request, BM25, None)


def train_frozen(request: TrainRequest) -> Trained:
    """`frozen-answer.v1`: by the meaning that a frozen encoder sees."""
    return _train(request, FROZEN, text_backbone(request, FROZEN))


def train_hybrid(request: TrainRequest) -> Trained:
    """`hybrid-answer.v1`: by both."""
    return _train(request, HYBRID, text_backbone(request, HYBRID))


def wanted(request: TrainRequest) -> Wanted:
    """The options, as validated by the task."""
    found = request.options
    return Wanted(
        float(found.get("target_precision", TARGET_PRECISION)), float(found.get("out_of_scope_share", OUT_OF_SCOPE))
    )


def _train(request: TrainRequest, kind: str, backbone: Backbone | None) -> Trained:
    began = time.perf_counter()
    base = checked(request)
    request.progress("train", 0, 3, "indexing")
    index = index_of(base.entries, None if backbone is None else embedder(request, backbone), request.seed)
    request.progress("train", 1, 3, "asking every question as if it were unknown")
    embed = None if backbone is None else embedder(request, backbone)
    found = calibrated(request, kind, cases_of(request, index, embed))
    request.progress("train", 2, 3, "checking")
    trained = finish(request, kind, index, backbone, found, began)
    request.progress("train", 3, 3, "done")
    return trained


def checked(request: TrainRequest) -> Knowledge:
    """The rows to train on. Raises BadInput when there are none."""
    base = request.train
    if not isinstance(base, Knowledge) or not base.entries:
        raise BadInput("there are no entries to answer from", where="train")
    return base


def embedder(request: TrainRequest, backbone: Backbone) -> Callable[[Sequence[str]], Floats]:
    """Texts to vectors, from the cache where it has them. Raises Broken for numbers that are not finite."""

    def embed(texts: Sequence[str]) -> Floats:
        if not texts:
            return np.zeros((0, backbone.hidden), dtype=np.float32)
        if request.cache is None:
            vectors = backbone.embed_bulk(texts, request.progress)
        else:
            vectors = request.cache.embed(backbone, texts, request.progress)
        if not np.isfinite(vectors).all():
            place = f"backbone {backbone.digest[:12]}…"
            raise Broken("the backbone gave vectors that are not finite", where=place, hint="use another backbone")
        return vectors

    return embed


def index_of(entries: Sequence[Entry], embed: Callable[[Sequence[str]], Floats] | None, seed: int) -> Index:
    """The index of entries, with vectors where there is an encoder."""
    if embed is None:
        return make_index(entries, None)
    questions, answers = embedded(entries, embed, 0)
    mean, spread = _background(entries, questions, seed)
    return make_index(entries, Vectors(questions, answers, mean, spread))


def _background(entries: Sequence[Entry], questions: Floats, seed: int) -> tuple[float, float]:
    """Mean and standard deviation of the cosines between questions of different entries."""
    owners = np.repeat(np.arange(len(entries)), [len(entry.questions) for entry in entries])
    most = int(MOST_PAIRS**0.5)
    rows = np.sort(np.random.default_rng(seed).permutation(len(questions))[:most])
    cosines = questions[rows] @ questions[rows].T
    apart = cosines[owners[rows][:, None] != owners[rows][None, :]]
    if len(apart) < 10:  # a base of a few entries says little; these are all-MiniLM-L6-v2's on BANKING77
        return 0.35, 0.15
    return float(apart.mean()), max(float(apart.std()), 1e-3)


def cases_of(
    request: TrainRequest,
    index: Index,
    embed: Callable[[Sequence[str]], Floats] | None,
    only: frozenset[str] | None = None,
) -> Cases:
    """The index asked its own questions (`only` these), and those of train that none of its entries answers."""
    outside = [asked.question for asked in request.train.asked if asked.entry is None]
    vectors: Sequence[Floats | None] = [None] * len(outside) if embed is None else list(embed(outside))
    return make_cases(index, list(zip(outside, vectors, strict=True)), request.seed, only)


def calibrated(request: TrainRequest, kind: str, cases: Cases | None) -> Calibrated:
    """Weights and threshold, from the cases where there are enough."""
    options = wanted(request)
    return calibrate(cases, USED[kind], PRIORS[kind], target=options.target, out_of_scope=options.out_of_scope)


def finish(
    request: TrainRequest, kind: str, index: Index, backbone: Backbone | None, found: Calibrated, began: float
) -> Trained:
    """What the artifact will hold, opened from it, so that what is measured is what is served."""
    fusion = Fusion(found.weights.astype(np.float32), found.none, found.threshold)
    model = Answering(kind, index, fusion, backbone)
    files, settings = to_files(index), to_settings(model)
    settings |= {"rows": found.rows, "seed": request.seed}
    parts = Parts(model.labels, settings, files.__getitem__, "the trained model", backbone)
    return Trained(
        model=open_parts(kind, parts),
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=None if backbone is None else backbone.digest,
        notes=_notes(index, found, wanted(request)),
    )


def _notes(index: Index, found: Calibrated, options: Wanted) -> tuple[str, ...]:
    questions = sum(len(entry.questions) for entry in index.entries)
    first = f"{len(index.entries):,} entries, {questions:,} questions"
    if not found.rows:
        return first, f"no paraphrases to calibrate by: usual weights, threshold {found.threshold:.3f}"
    if found.threshold >= NEVER:
        return first, f"answers nothing: the target precision {options.target:.1%} {UNREACHED}"
    if not found.coverage:
        told = "none of them is answered; give more paraphrases"
    else:
        told = f"{found.coverage:.0%} answered, {found.precision:.1%} of it right"
    return first, (
        f"threshold {found.threshold:.3f} for a precision of {options.target:.0%}, found on {found.rows:,} paraphrases "
        f"asked as if unknown, with {options.out_of_scope:.0%} of questions that none answers: {told}"
    )
