"""Data from which nothing can be learned: no gate lets a model of it pass, and the command says why."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.scenarios.conftest import Penstock, edit, rows, write_csv

WORDS = ("red", "blue", "slow", "round", "early", "loud", "heavy", "new", "small", "dry", "old", "warm")


def noise(count: int, seed: int) -> list[str]:
    """Distinct texts without any meaning."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=6)) + f" {draw.random():.6f}" for _ in range(count)]


def test_95_percent_of_one_label_at_random_pass_no_gate(folder: Path, penstock: Penstock) -> None:
    draw = random.Random(3)
    labels = ["usual" if draw.random() < 0.95 else "rare" for _ in range(800)]
    write_csv(folder / "data" / "router.csv", list(zip(noise(800, 1), labels, strict=True)))
    edit(folder, "{ accuracy", '{ latency_p95_ms = "<= 5000", accuracy')
    answer = penstock("train", "router")
    assert answer.code == 3
    assert "by always the commonest label" in answer.err and "not better by more than chance" in answer.err
    assert penstock("release", "router").code == 3
    told = penstock("report", "router").out
    assert "without a model: accuracy 0.9" in told


DISGUISES = ("{} !!", "> {}", "{}\u200b", "{}?")


@pytest.mark.parametrize("kept", [False, True])
def test_a_test_learned_by_heart_passes_no_gate(folder: Path, penstock: Penstock, kept: bool) -> None:
    """Random labels; each test row is in train in disguise."""
    draw = random.Random(5)
    pairs = [(text, draw.choice("ab")) for text in noise(400, 2)]
    test, rest = pairs[:120], pairs[120:]
    seen = [(DISGUISES[n % 4].format(text), label) for n, (text, label) in enumerate(test)]
    write_csv(folder / "data" / "router.csv", [*rest, *seen])
    write_csv(folder / "data" / "test.csv", test)
    edit(folder, 'data = "data/router.csv"', 'data = "data/router.csv"\ntest = "data/test.csv"')
    if kept:
        close = [(f"{text}{end}", label) for text, label in test for end in ("1", "2")]
        write_csv(folder / "data" / "router.csv", [*rest, *close])
        edit(
            folder,
            "[products.router.price]",
            "[products.router.cleaning]\ndrop_near_test = false\n\n[products.router.price]",
        )
    answer = penstock("train", "router")
    assert answer.code == 3
    if kept:
        assert "the test is not judged by" in answer.err and "drop_near_test = true would drop them" in answer.err
    else:
        assert "training rows that are also test rows: 120 (" in answer.err


def test_honest_data_still_pass(folder: Path, penstock: Penstock) -> None:
    write_csv(folder / "data" / "router.csv", rows(60))
    assert penstock("train", "router").code == 0
