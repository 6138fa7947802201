"""How texts become n-grams, in both scripts."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.core.errors import Broken
from penstock.tasks.text.model.ngrams import grams, learn_vocabulary, read_vocabulary, vocabulary_json


def test_english_words_give_character_grams_with_their_boundaries_and_word_pairs() -> None:
    characters, words = grams("My card")
    assert words == ["my", "card", "my card"]
    assert {"c", " c", "ca", "rd ", "car"} <= set(characters)
    assert "y c" not in characters, "character n-grams stay within a word"


def test_chinese_works_by_one_to_three_characters() -> None:
    characters, _ = grams("退款没到账")
    assert {"退", "退款", "退款没", "没到账", " 退款"} <= set(characters)


def test_full_width_and_upper_case_forms_read_the_same() -> None:
    assert grams("ＣＡＲＤ　１２３") == grams("card 123")


def test_vectors_have_length_one_and_repeats_count_less_than_twice() -> None:
    vocabulary = learn_vocabulary(["late late parcel", "parcel"], 100)
    columns, values = vocabulary.vector("late late parcel")
    weights = dict(zip(columns.tolist(), values.tolist(), strict=True))
    assert np.linalg.norm(values) == pytest.approx(1)
    once = dict(zip(*map(np.ndarray.tolist, vocabulary.vector("late parcel")), strict=True))
    late, parcel = vocabulary.words["late"], vocabulary.words["parcel"]
    assert 1 < (weights[late] / weights[parcel]) / (once[late] / once[parcel]) < 2


def test_a_text_of_unknown_grams_is_the_zero_vector() -> None:
    columns, values = learn_vocabulary(["abc", "abd"], 100).vector("退款")
    assert len(columns) == len(values) == 0


def test_the_vocabulary_keeps_the_most_frequent_up_to_its_limit() -> None:
    vocabulary = learn_vocabulary(["late b", "late c", "late d"], 5)
    assert len(vocabulary) == 5
    assert all(gram in " late " for gram in vocabulary.characters)


def test_a_saved_vocabulary_reads_back_the_same_and_must_fit_its_weights() -> None:
    vocabulary = learn_vocabulary(["where is 我的 parcel", "parcel 丢了"], 1_000)
    again = read_vocabulary(vocabulary_json(vocabulary), vocabulary.idf, "test")
    assert (again.characters, again.words) == (vocabulary.characters, vocabulary.words)
    with pytest.raises(Broken, match="vocabulary"):
        read_vocabulary(vocabulary_json(vocabulary), vocabulary.idf[:-1], "test")
