"""The rung `ngram-linear.v1`: one-against-rest linear SVMs on character and word n-grams, calibrated.

Wang and Manning 2012 (ACL P12-2018) found such models hard to beat on short texts; a fit takes seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Integers, Parts
from penstock.runtime.progress import Progress, Tell, part
from penstock.tasks.text.model import ngram_linear as model_kind
from penstock.tasks.text.model.ngram_linear import NgramLinear
from penstock.tasks.text.model.ngrams import Vocabulary, learn_vocabulary
from penstock.tasks.text.train.rows import TextRows, held_out, text_rows
from penstock.training.calibration import fit_temperature
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest
from penstock.training.rows import MANY_CLASSES, enough_to_judge

STRENGTHS = (0.25, 0.5, 1.0, 2.0)
USUAL_STRENGTH = 1.0  # within 0.2 points of the best on BANKING77 and on ChnSentiCorp
CHEAP_WORK = 10_000_000  # values times classes: below it, trying all strengths on five folds takes a few seconds
FOLDS = 5
MOST_COLUMNS = 200_000
MOST_WEIGHTS = 50_000_000  # 200 MB in float32
LONG_WORK = 1_000_000_000  # values times classes: above it, about a minute, classes are fitted one by one and told
SHARPNESS = 10.0  # brings cosines to where temperatures are searched
READ_AT_ONCE = 500  # texts between two reports
TOLERANCE = 0.1  # of liblinear: the same accuracy as 1e-4 in half the time
CALIBRATING_TOLERANCE = 1.0  # on BANKING77 the temperature moves by 2%, in two thirds of the time


def train(request: TrainRequest) -> Trained:
    """Fit on the request's rows. Raises BadInput for rows that cannot train, Unavailable without scikit-learn."""
    with training_libraries("training on n-grams"):
        import scipy.sparse  # noqa: F401
        import sklearn.svm  # noqa: F401
    began = time.perf_counter()
    rows = text_rows(request)
    labels = rows.labels
    progress = request.progress
    progress("n-grams", 0, 2 * len(rows), "reading")
    most = min(MOST_COLUMNS, max(10_000, MOST_WEIGHTS // len(labels)))
    vocabulary = learn_vocabulary(counted(rows.texts, 0, progress), most)
    matrix = matrix_of(vocabulary, counted(rows.texts, len(rows), progress), len(rows))
    progress("n-grams", 2 * len(rows), 2 * len(rows), f"{len(vocabulary):,}")
    many = len(labels) > MANY_CLASSES
    strength, temperature, held = _calibrate(matrix, rows, request.seed, progress)
    tell = part(progress, "train", 0.5, 1.0, "fitting on all rows")
    estimator = _fit(matrix, rows, np.arange(len(rows)), strength, request.seed, tell=tell)
    weights, bias = _two_sided(estimator)
    files = model_kind.to_files(vocabulary, weights, bias)
    settings = {"temperature": temperature, "strength": strength, "seed": request.seed, "rows": rows.originals}
    model = model_kind.open_parts(Parts(labels, settings, files.__getitem__, "the trained model"))
    _check_same(model, estimator, matrix, rows.texts)
    progress("train", 100, 100, "done")
    return Trained(
        model=model,
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        notes=(
            f"{len(vocabulary):,} n-grams, "
            + (f"{len(labels):,} classes, each the mean of its rows" if many else f"regularisation C = {strength:g}"),
            f"temperature {temperature:.3g}, fitted on {held:,} held-out training rows",
            *rows.notes,
        ),
    )


def counted(texts: Sequence[str], before: int, progress: Progress) -> Iterator[str]:
    """The texts, in two rounds of which this is one, telling how far they are."""
    for at, text in enumerate(texts):
        if at % READ_AT_ONCE == 0:
            progress("n-grams", before + at, 2 * len(texts), "reading")
        yield text


def _calibrate(matrix: Any, rows: TextRows, seed: int, progress: Progress) -> tuple[float, float, int]:
    """The strength with the least held-out log loss (the usual one where trying is dear), its temperature, the rows."""
    parts = held_out(rows, FOLDS, seed)
    cheap = matrix.nnz * len(rows.labels) <= CHEAP_WORK
    if not cheap:
        parts = parts[:1]  # a single number needs no more rows than a fifth of so many
    parts = [(kept, enough_to_judge(out, len(rows.labels))) for kept, out in parts]
    held = np.concatenate([out for _, out in parts])
    best: tuple[float, float, float] | None = None
    strengths = STRENGTHS if cheap else (USUAL_STRENGTH,)
    tolerance = TOLERANCE if cheap else CALIBRATING_TOLERANCE
    for place, strength in enumerate(strengths):
        fits = []
        for number, (kept, _) in enumerate(parts, start=place * len(parts)):
            each = 0.5 / (len(strengths) * len(parts))
            tell = part(progress, "train", number * each, (number + 1) * each, "fitting, to calibrate")
            fits.append(_fit(matrix, rows, kept, strength, seed, tolerance, tell=tell))
        scores = np.concatenate([_scores(fit, matrix[out]) for fit, (_, out) in zip(fits, parts, strict=True)])
        temperature, loss = fit_temperature(scores, rows.truth[held])
        if best is None or loss < best[0]:
            best = loss, strength, temperature
    if best is None:
        raise Broken("no regularisation strength was tried")
    return best[1], best[2], len(held)


def _fit(
    matrix: Any, rows: TextRows, kept: Integers, strength: float, seed: int, tolerance: float = TOLERANCE, *, tell: Tell
) -> Any:
    tell(0.0)
    truth, weights = rows.truth[kept], rows.weights[kept]
    if len(rows.labels) > MANY_CLASSES:
        return _centroids(matrix[kept], truth, weights, len(rows.labels))
    from sklearn.svm import LinearSVC

    # one fit at a time: liblinear draws from one random source per process, so fits side by side would differ by run
    estimator = LinearSVC(C=strength, tol=tolerance, dual=True, random_state=seed)
    if len(rows.labels) > 2 and matrix.nnz * len(rows.labels) > LONG_WORK:
        return _one_by_one(estimator, matrix[kept], truth, weights, tell)
    return estimator.fit(matrix[kept], truth, sample_weight=weights)


def _one_by_one(estimator: Any, matrix: Any, truth: Integers, weights: Floats, tell: Tell) -> _Linear:
    """What one fit of all classes against their rest gives but for the order of its draws, telling how far it is."""
    classes = int(truth.max()) + 1
    coefficients = np.zeros((classes, matrix.shape[1]), dtype=np.float32)
    intercepts = np.zeros(classes, dtype=np.float32)
    for one in range(classes):
        tell(one / classes)
        estimator.fit(matrix, truth == one, sample_weight=weights)
        coefficients[one], intercepts[one] = estimator.coef_[0], estimator.intercept_[0]
    return _Linear(coefficients, intercepts)


@dataclass(frozen=True, eq=False)
class _Linear:
    """The interface of scikit-learn's linear models: classes are rows of coef_."""

    coef_: Floats
    intercept_: Floats

    def decision_function(self, matrix: Any) -> Floats:
        """Scores (rows, classes)."""
        scores: Floats = matrix.astype(np.float32) @ self.coef_.T + self.intercept_
        return scores


def _centroids(matrix: Any, truth: Integers, weights: Floats, classes: int) -> _Linear:
    """Nearest centroid (Rocchio): the direction of each class's weighted mean row, zeros for a class without rows.

    The rows are unit vectors, so scores are SHARPNESS times the cosines.
    """
    from scipy.sparse import csr_matrix

    owner = csr_matrix((weights.astype(np.float64), (truth, np.arange(len(truth)))), shape=(classes, len(truth)))
    means: Floats = (owner @ matrix).astype(np.float32).toarray()
    means *= SHARPNESS / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return _Linear(means, np.zeros(classes, dtype=np.float32))


def matrix_of(vocabulary: Vocabulary, texts: Iterable[str], rows: int) -> Any:
    """The texts' vectors (rows, columns) as a sparse matrix, from the featuriser that will serve."""
    from scipy.sparse import csr_matrix

    vectors = [vocabulary.vector(text) for text in texts]
    starts = np.cumsum([0, *(len(columns) for columns, _ in vectors)])
    columns = np.concatenate([columns for columns, _ in vectors])
    values = np.concatenate([values for _, values in vectors]).astype(np.float64)  # liblinear works in float64
    return csr_matrix((values, columns, starts), shape=(rows, len(vocabulary)))


def _scores(estimator: Any, matrix: Any) -> Any:
    """Margins (rows, classes); with two classes scikit-learn gives one column."""
    margins = estimator.decision_function(matrix)
    return np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins


def _two_sided(estimator: Any) -> tuple[Floats, Floats]:
    """Weights (columns, classes) and bias (classes,), a column per class even when there are two."""
    weights, bias = estimator.coef_.T, estimator.intercept_
    if weights.shape[1] == 1:
        weights, bias = np.hstack([-weights, weights]), np.concatenate([-bias, bias])
    return np.ascontiguousarray(weights, dtype=np.float32), bias.astype(np.float32)


def _check_same(model: NgramLinear, estimator: Any, matrix: Any, texts: Sequence[str]) -> None:
    """The model that will be saved must score as the estimator that was fitted."""
    sample = np.linspace(0, len(texts) - 1, num=min(len(texts), 200), dtype=np.int64)
    expected = _scores(estimator, matrix[sample])
    actual = np.stack([model.scores(texts[row]) for row in sample])
    difference = float(np.abs(expected - actual).max())
    if not difference <= 1e-4:
        raise Broken(f"the model's scores differ from the fitted ones by {difference:.2g}", where=model.kind)
