"""Personal data, near repeats and suspect labels: what each finds, and what it leaves alone."""

import numpy as np
import pytest

from penstock.datasets.near import near_pairs
from penstock.datasets.personal import find, mask
from penstock.datasets.suspects import out_of_fold, suspects


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("手机13812345678谢谢", "手机<phone>谢谢"),
        ("打 138-1234-5678 或 +86 139 1234 5678", "打 <phone> 或 <phone>"),
        ("电话：０１０-６２３４５６７８", "电话：<phone>"),
        ("call +44 20 7946 0958 or (555) 234-5678", "call <phone> or <phone>"),
        ("write to Li.Wei+shop@mail.example.com.", "write to <email>."),
        ("身份证11010519491231002X。", "身份证<id>。"),
        ("card 4111 1111 1111 1111 please", "card <card> please"),
        ("卡号6222021234567890128", "卡号<card>"),
    ],
)
def test_personal_data_are_masked_by_kind(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "订单号 20261115000123 没有到",  # an order number
        "11010519491231002 1",  # an ID number cut short
        "110105194912310021",  # wrong check character
        "4111 1111 1111 1112",  # wrong check digit
        "0000 0000 0000 0000",
        "12800000000",  # no such mobile prefix
        "paid 1,299.00 on 2026-11-15 at 10:30",
        "@penstock hello",
        "version 1.2.3 of 2026",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert find(text) == []


def test_the_places_found_are_places_in_the_original() -> None:
    text = "ｔｅｌ １３８１２３４５６７８!"
    ((kind, start, end),) = find(text)
    assert (kind, text[start:end]) == ("phone", "１３８１２３４５６７８")


def test_texts_of_boilerplate_do_not_explode() -> None:
    texts = [f"dear customer, thank you for your letter of today. our reference is {i:05d}" for i in range(3000)]
    pairs = near_pairs(texts)
    assert 0 < len(pairs) < 3000 * 24 * 16


def test_nothing_has_no_near_pairs() -> None:
    assert near_pairs([]) == near_pairs(["one"]) == []
    assert near_pairs(["", ""]) == [(0, 1)]


def test_confident_learning_names_the_row_that_the_thresholds_convict() -> None:
    labels = ["a", "a", "a", "b", "b", "b"]
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9], [0.45, 0.55]])
    (found,) = suspects([f"t{i}" for i in range(6)], labels, probabilities)
    assert (found.index, found.label, found.proposed, found.confidence) == (2, "a", "b", 0.1)


def test_most_planted_flips_are_among_the_suspects() -> None:
    words = {
        "parcel": "where is my parcel number",
        "bill": "why is my bill so high in",
        "card": "block the lost card of",
    }
    texts = [f"{words[label]} {i * 7919 % 997}" for i in range(60) for label in words]
    labels = [label for _ in range(60) for label in words]
    flipped = list(range(0, 180, 20))
    for index in flipped:
        labels[index] = {"parcel": "bill", "bill": "card", "card": "parcel"}[labels[index]]
    probabilities = out_of_fold(texts, labels)
    assert probabilities is not None
    found = [each.index for each in suspects(texts, labels, probabilities)]
    assert set(found[: len(flipped)]) == set(flipped)


def test_too_many_classes_are_not_scored_rather_than_filling_the_memory() -> None:
    labels = [str(i // 2) for i in range(4000)]
    assert out_of_fold(["x"] * 4000, labels) is None
