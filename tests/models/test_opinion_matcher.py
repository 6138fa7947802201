"""Entities are found by their aliases as people mean them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import BadInput
from penstock.tasks.opinion.model.matcher import Matcher, fold

BRANDS = Matcher(
    {
        "Ford": (),
        "Fordham": ("Fordham University",),
        "M&S": ("Marks & Spencer", "Marks and Spencer"),
        "Macy's": (),
        "Apple": ("iPhone", "苹果"),
        "Apple Bank": (),
        "小米": ("Xiaomi",),
        "C++": (),
    }
)


def named(text: str) -> list[str]:
    return [BRANDS.names[match.entity] for match in BRANDS.find(text)]


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("FORD recalls vans", ["Ford"]),
        ("Fordham wins, Fords lose, affordable", ["Fordham"]),
        ("Ford's profit; pro-Ford; (ford)", ["Ford"]),
        ("Apple Bank opens", ["Apple Bank"]),
        ("Apple, bank", ["Apple"]),
        ("Apple  Bank\nand Apple", ["Apple", "Apple Bank"]),
        ("新iPhone手机", ["Apple"]),
        ("我买了小米和苹果", ["Apple", "小米"]),
        ("Ｘｉａｏｍｉ sells", ["小米"]),
        ("Macy’s closes", ["Macy's"]),
        ("learn C++ now", ["C++"]),
        ("ford_motor", ["Ford"]),
        ("", []),
        ("nothing here", []),
    ],
)
def test_an_entity_is_found_where_a_reader_would_find_it(text: str, entities: list[str]) -> None:
    assert named(text) == entities


def test_aliases_are_told_as_their_owner_wrote_them_once_each() -> None:
    [match] = BRANDS.find("marks and spencer, MARKS & SPENCER, marks & spencer and m&s")
    assert match.aliases == ("Marks and Spencer", "Marks & Spencer", "M&S")


def test_where_aliases_overlap_the_longest_counts_even_if_it_begins_later() -> None:
    matcher = Matcher({"New York": (), "York Times Group": ()})
    assert [matcher.names[match.entity] for match in matcher.find("New York Times Group")] == ["York Times Group"]


def test_an_alias_of_two_entities_is_refused() -> None:
    with pytest.raises(BadInput, match="Jaguar"):
        Matcher({"Jaguar Cars": ("Jaguar",), "Jaguar Zoo": ("JAGUAR",)})


@pytest.mark.parametrize("alias", ["", "   ", "x" * 201])
def test_an_alias_that_is_no_word_is_refused(alias: str) -> None:
    with pytest.raises(BadInput):
        Matcher({"X": (alias,)})


@given(st.text(alphabet="aAbB &'é小米\u0301 -", max_size=40))
def test_what_is_found_stands_in_the_text(text: str) -> None:
    matcher = Matcher({"a": ("ab", "b a"), "小": ("小米",), "é": ()})
    for match in matcher.find(text):
        assert all(fold(alias) in fold(text) for alias in match.aliases)


def test_a_long_text_full_of_aliases_is_read_quickly() -> None:
    [match] = Matcher({"a": ("a a", "a a a a")}).find("a " * 10_000)
    assert match.aliases == ("a a a a",)
