"""MNIST: the rungs for images beside the plain two-convolution network, trained in PyTorch's usual way in the same run.

    python -m benchmarks.images [--seeds 3] [--only linear|small|strong|plain|house]

The plain network: 5 epochs with Adam at 0.001, batches of 64 from a shuffled DataLoader. Seconds of a rung are all of
it: training, export to ONNX, calibration, parity. `house` is the whole way through the command line, one run: reading
the files, a dataset version, the rung, the report on 10,000 test images, the gate, a release.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import penstock, report, shared_data
from penstock.tasks.images.data.prepare import prepare
from penstock.tasks.images.data.rows import Pictures, of_rows
from penstock.tasks.images.train import RUNGS
from penstock.training.records import TrainRequest
from penstock.workspace.records import Product

RUNG = {"linear": "pixels-linear.v1", "small": "small-cnn.v1", "strong": "strong-cnn.v1"}
TRAIN, TEST = "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"
TOML = """
[company]
name = "Benchmark"

[products.digits]
task = "image-classification"
data = "{train}"
test = "{test}"
ladder = ["small-cnn.v1"]
gate = {{ accuracy = ">= 0.98", latency_p95_ms = "<= 20" }}

[products.digits.price]
tiers = [{{ unit_price = "0.0010" }}]
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=[*RUNG, "plain", "house"])
    asked = parser.parse_args()
    chosen = asked.only or [*RUNG, "plain", "house"]
    folder = shared_data("mnist")
    train, test = pictures(folder)
    plain_seconds = measured("plain", lambda seed: plain(train, test, seed), asked.seeds) if "plain" in chosen else None
    for name, rung in RUNG.items():
        if name in chosen:
            measured(rung, climb(rung, train, test), asked.seeds, plain_seconds)
    if "house" in chosen:
        through_the_house(folder)


def measured(
    name: str, run: Callable[[int], tuple[float, float, dict[str, Any]]], seeds: int, plain: float | None = None
) -> float:
    """Run per seed; report the median and worst accuracy, the median seconds, and their share of the plain ones."""
    runs = [run(seed) for seed in range(seeds)]
    seconds = statistics.median(each[1] for each in runs)
    cpu_seconds = statistics.median(each[2].pop("cpu_seconds") for each in runs)
    facts = runs[0][2] if plain is None else {"share_of_plain": round(seconds / plain, 3), **runs[0][2]}
    accuracies = [each[0] for each in runs]
    report(
        "mnist",
        model=name,
        seeds=seeds,
        accuracy=statistics.median(accuracies),
        worst=min(accuracies),
        seconds=round(seconds, 1),
        cpu_seconds=round(cpu_seconds, 1),
        **facts,
    )
    return seconds


def climb(rung: str, train: Pictures, test: Pictures) -> Callable[[int], tuple[float, float, dict[str, Any]]]:
    recipe = next(each for each in RUNGS if each.name == rung)

    def run(seed: int) -> tuple[float, float, dict[str, Any]]:
        cpu = time.process_time()
        trained = recipe.train(TrainRequest(train=train, seed=seed))
        facts: dict[str, Any] = {"cpu_seconds": time.process_time() - cpu}
        inputs = list(test.inputs)
        began = time.perf_counter()
        answers = trained.model.predict(inputs)
        facts["ms_per_image"] = round(1000 * (time.perf_counter() - began) / len(inputs), 3)
        if "parity" in trained.settings:
            facts["parity"] = trained.settings["parity"]
        return accuracy(answers, trained.model.labels, test), trained.seconds, facts

    return run


def plain(train: Pictures, test: Pictures, seed: int) -> tuple[float, float, dict[str, Any]]:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    labels = sorted(set(train.labels))
    truth = torch.tensor([labels.index(label) for label in train.labels])
    cpu, began = time.process_time(), time.perf_counter()
    batches = DataLoader(TensorDataset(scaled(train), truth), batch_size=64, shuffle=True)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(5):
        for images, wanted in batches:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images), wanted).backward()
            optimiser.step()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    with torch.no_grad():
        answers = torch.cat([network(part) for part in scaled(test).split(1_000)]).numpy()
    return accuracy(answers, labels, test), seconds, {"cpu_seconds": cpu}


def scaled(pictures: Pictures) -> Any:
    import torch

    return (torch.from_numpy(pictures.inputs).permute(0, 3, 1, 2).float() / 255 - 0.1307) / 0.3081


def accuracy(answers: Any, labels: Any, test: Pictures) -> float:
    best = np.argmax(answers, axis=1)
    return round(float(np.mean([labels[i] == label for i, label in zip(best, test.labels, strict=True)])), 4)


def pictures(folder: Path) -> tuple[Pictures, Pictures]:
    """Train and test as the house reads and cleans them."""
    fields = {"task": "image-classification", "gate": {}, "price": {"tiers": [{"unit_price": "0.001"}]}}
    product = Product.model_validate({"data": TRAIN, "test": TEST, **fields})
    began = time.perf_counter()
    prepared = prepare(product, folder)
    train, test = of_rows(prepared.train), of_rows(prepared.test)
    report("mnist", step="read, clean and unpack 70,000 images", seconds=round(time.perf_counter() - began, 1))
    return train, test


def through_the_house(mnist: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "penstock.toml").write_text(TOML.format(train=mnist / TRAIN, test=mnist / TEST))
        steps = [penstock(folder, *words) for words in (("apply",), ("train", "digits"), ("release", "digits"))]
        outcome = steps[1].output["outcomes"][-1]
        report(
            "mnist through the command line",
            rung=outcome["rung"],
            accuracy=outcome.get("accuracy", outcome.get("quality")),
            seconds=round(sum(step.seconds for step in steps), 1),
            peak_mb=round(max(step.peak_mb for step in steps)),
        )


if __name__ == "__main__":
    main()
