"""A Chinese backbone of one's own: pretrained for a few minutes on unlabelled reviews and questions, then 500 labels a
task, beside character n-grams on the same labels.

    python -m benchmarks.pretrain [--minutes 6] [--runs 3]

The corpus is the texts of the data sets' train files without those of any test row. Accuracy is the mean over `runs`
draws of 500 labelled rows.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import penstock, report, shared_data

LABELS = 500
MOST_TEST = 3_000


@dataclass(frozen=True)
class Subject:
    """A task: (text, label) rows to draw the labelled ones from, and those to measure on."""

    name: str
    train: list[tuple[str, str]]
    test: list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    subjects = chinese_subjects()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "corpus.txt").write_text("\n".join(corpus_without_tests(subjects)), encoding="utf-8")
        words = ("pretrain", str(folder / "corpus.txt"), "--out", str(folder / "own"), "--minutes", str(asked.minutes))
        done = penstock(folder, *words)
        facts = done.output
        report(
            "pretrain, Chinese",
            seconds=round(done.seconds),
            peak_mb=round(done.peak_mb),
            texts=facts["corpus"]["texts"],
            tokens=facts["corpus"]["tokens"],
            parameters=facts["parameters"],
            steps=facts["steps"],
        )
        compare(subjects, folder, asked.runs)


def compare(subjects: list[Subject], folder: Path, runs: int) -> None:
    from penstock.datasets.rows import Split
    from penstock.loader import Loader
    from penstock.storage.blobs import BlobStore
    from penstock.tasks.text.train import frozen_linear, ngram_linear
    from penstock.training.backbones import resolve
    from penstock.training.records import TrainRequest
    from penstock.workspace.records import Backbone

    blobs = BlobStore(folder / "state" / "blobs")
    backbone = Loader(blobs).backbone(resolve(Backbone(source=f"path:{folder / 'own'}"), "own", blobs))
    ahead = 0
    for subject in subjects:
        found: dict[str, list[float]] = {"ngram": [], "own": []}
        for seed in range(runs):
            drawn = random.Random(seed).sample(subject.train, LABELS)
            split = Split(tuple(text for text, _ in drawn), tuple(label for _, label in drawn))
            request = TrainRequest(split, backbone=backbone, seed=seed)
            found["ngram"].append(accuracy(ngram_linear.train(request).model, subject))
            found["own"].append(accuracy(frozen_linear.train(request).model, subject))
        means = {name: round(statistics.mean(values), 4) for name, values in found.items()}
        ahead += means["own"] > means["ngram"]
        report(
            f"{LABELS} labels: {subject.name}",
            test_rows=len(subject.test),
            runs=runs,
            ngram_linear=means["ngram"],
            own_backbone_frozen_linear=means["own"],
            points=round(100 * (means["own"] - means["ngram"]), 1),
            each=[round(100 * (own - ngram), 1) for own, ngram in zip(found["own"], found["ngram"], strict=True)],
        )
    report("own backbone ahead of n-grams", tasks=f"{ahead} of {len(subjects)}")


def accuracy(model: Any, subject: Subject) -> float:
    answers = model.predict([text for text, _ in subject.test]).argmax(axis=1)
    right = [model.labels[answer] == label for answer, (_, label) in zip(answers, subject.test, strict=True)]
    return sum(right) / len(right)


def chinese_subjects() -> list[Subject]:
    """Sentiment of mixed, hotel and shop reviews, and what a shop review is of. Hotel reviews have no test file: every
    third is one. A test text that is also in train is left out."""
    senti, shop = shared_data("chnsenticorp"), shared_data("online_shopping_10_cats")
    hotels = read(senti / "extra_hotel_train.csv.gz", "text", "label")
    train, test = shop / "train.csv.gz", shop / "test.csv.gz"
    found = [
        ("sentiment of books, hotels, computers", read(senti / "train.csv.gz"), read(senti / "test.csv.gz")),
        ("sentiment of hotels", [row for n, row in enumerate(hotels) if n % 3], hotels[::3]),
        ("sentiment of shop reviews", read(train), read(test)),
        ("topic of shop reviews, 10 classes", read(train, label="category"), read(test, label="category")),
    ]
    subjects = []
    for name, rows, tests in found:
        known = {text for text, _ in rows}
        clean = [row for row in tests if row[0] not in known]
        random.Random(0).shuffle(clean)
        subjects.append(Subject(name, rows, clean[:MOST_TEST]))
    return subjects


def corpus_without_tests(subjects: list[Subject]) -> list[str]:
    """Every text of the train files, and questions and sentences besides, once, a line each, but none of a test row."""
    atec, tatoeba = (shared_data(name) / "train.csv.gz" for name in ("atec_question_pairs", "tatoeba_en_zh"))
    tests = {as_line(text) for subject in subjects for text, _ in subject.test}
    texts = [text for subject in subjects for text, _ in subject.train]
    texts += [text for pair in read(atec, "question1", "question2") for text in pair]
    texts += [text for text, _ in read(tatoeba, "zh", "zh")]
    return [line for line in dict.fromkeys(map(as_line, texts)) if line and line not in tests]


def as_line(text: str) -> str:
    return " ".join(text.split())


def read(path: Path, text: str = "text", label: str = "label") -> list[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
        return [(row[text], row[label]) for row in csv.DictReader(stream) if row[text].strip()]


if __name__ == "__main__":
    main()
