"""What holds for any rows: cleaning is idempotent and accounts for every row; splits ignore order and additions."""

from collections import Counter

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from penstock.core.errors import BadInput
from penstock.datasets.cleaning import Cleaned, clean
from penstock.datasets.compare import normalise
from penstock.datasets.near import grams_of, near_pairs
from penstock.datasets.personal import find, mask
from penstock.datasets.rows import Row
from penstock.datasets.splits import place_of, set_aside
from penstock.datasets.suspects import out_of_fold, suspects
from penstock.workspace.records import Cleaning

WORDS = st.sampled_from(
    ["pay", "PAY", "ｐａｙ", "card", "lost", "卡", "丢了", "", " ", "13812345678", "a@b.com", "the"]
)
TEXTS = st.lists(WORDS, max_size=5).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, st.sampled_from(["a", "b", "c"])), min_size=4, max_size=30)
OPTIONS = st.builds(
    Cleaning,
    mask_personal_data=st.booleans(),
    drop_near_duplicates=st.booleans(),
    max_chars=st.just(25),
    rare_labels=st.sampled_from(["drop", "merge:a", "refuse"]),
)


def rows(pairs: list[tuple[str, str]], file: str = "a.csv") -> list[Row]:
    return [Row(text, label, f"{file}:{line}") for line, (text, label) in enumerate(pairs, 2)]


def cleaned(train: list[Row], test: list[Row] | None, options: Cleaning) -> Cleaned:
    """Skips the rows that cleaning refuses."""
    try:
        return clean(train, test, options, seed=0)
    except BadInput:
        assume(False)
        raise


@settings(deadline=None)
@given(PAIRS, st.none() | PAIRS, OPTIONS)
def test_cleaning_the_clean_changes_nothing(
    train: list[tuple[str, str]], test: list[tuple[str, str]] | None, options: Cleaning
) -> None:
    once = cleaned(rows(train), None if test is None else rows(test, "t.csv"), options)
    twice = clean(once.train, once.test, options, seed=0)
    assert (twice.train, twice.test) == (once.train, once.test)
    assert twice.report.dropped == 0


@settings(deadline=None)
@given(PAIRS, st.none() | PAIRS, PAIRS, OPTIONS)
def test_every_row_is_kept_or_counted(
    train: list[tuple[str, str]],
    test: list[tuple[str, str]] | None,
    extra: list[tuple[str, str]],
    options: Cleaning,
) -> None:
    tested = None if test is None else rows(test, "t.csv")
    try:
        result = clean(rows(train), tested, options, seed=0, extra=rows(extra, "feedback"))
    except BadInput:
        assume(False)
        raise
    report = result.report
    assert report.read_train + report.read_test + report.read_feedback == len(train) + len(test or ()) + len(extra)
    assert len(train) + len(test or ()) + len(extra) - report.dropped == len(result.train) + len(result.test)
    in_train, in_test = ({normalise(row.text) for row in part} for part in (result.train, result.test))
    assert not in_train & in_test
    assert "" not in in_train | in_test


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])  # most draws are no data to learn from
@given(PAIRS, PAIRS)
def test_feedback_never_moves_a_test_row(base: list[tuple[str, str]], extra: list[tuple[str, str]]) -> None:
    before = cleaned(rows(base), None, Cleaning())
    try:
        after = clean(rows(base), None, Cleaning(), 0, extra=rows(extra, "feedback"))
    except BadInput:
        assume(False)
        raise
    assert after.test == before.test


UNIQUE = st.lists(
    st.tuples(st.integers(0, 10_000).map("text {}".format), st.sampled_from("abcd")),
    min_size=1,
    max_size=60,
    unique_by=lambda pair: pair[0],
)


@given(UNIQUE, st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_the_rows_does_not_move_them(pairs: list[tuple[str, str]], random: object, seed: int) -> None:
    shuffled = list(rows(pairs))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    train, test = set_aside(rows(pairs), 0.2, seed)
    train_again, test_again = set_aside(shuffled, 0.2, seed)
    assert (set(train), set(test)) == (set(train_again), set(test_again))


@given(UNIQUE, st.floats(0.05, 0.8))
def test_every_label_keeps_two_rows_to_learn_and_of_three_tests_one(pairs: list[tuple[str, str]], share: float) -> None:
    train, test = set_aside(rows(pairs), share, 0)
    assert sorted(row.text for row in [*train, *test]) == sorted(text for text, _ in pairs)
    for label, count in Counter(label for _, label in pairs).items():
        assert sum(row.label == label for row in train) >= min(count, 2)
        assert sum(row.label == label for row in test) >= (count > 2)


@given(UNIQUE, UNIQUE)
def test_added_rows_move_only_the_row_that_had_to_cross(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    known = {text for text, _ in old}
    added = rows([pair for pair in new if pair[0] not in known], "b.csv")
    _, before = set_aside(rows(old), 0.2, 0)
    _, after = set_aside([*rows(old), *added], 0.2, 0)
    moved = set(before) ^ {row for row in after if row.origin.startswith("a.csv")}
    sides: dict[str, list[bool]] = {}
    for row in rows(old):
        sides.setdefault(row.label, []).append(place_of(row.text, 0) < 0.2)
    # only of labels whose rows hashed to one side, but for one or none
    assert all(sides[row.label].count(False) < 2 or not any(sides[row.label]) for row in moved)


@given(st.text(max_size=60), st.text(max_size=10))
def test_masked_text_holds_nothing_more_to_mask(text: str, more: str) -> None:
    once = mask(f"{text}13812345678 {more}@example.com +44 20 7946 0958{more}")
    assert find(once) == []
    assert mask(once) == once


@given(st.text(max_size=40))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.text("ab 卡", max_size=30), max_size=12))
def test_near_pairs_have_the_overlap_they_claim(texts: list[str]) -> None:
    def overlap(one: str, other: str) -> float:
        a, b = ({text.ljust(5)[i : i + 5] for i in range(max(len(text), 5) - 4)} for text in (one, other))
        return len(a & b) / len(a | b)

    found = set(near_pairs(texts))
    for i in range(len(texts)):
        for j in range(i + 1, len(texts)):
            if overlap(texts[i], texts[j]) >= 0.8:
                assert (i, j) in found
            else:
                assert (i, j) not in found


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), st.integers(1, 6))
def test_each_text_has_the_grams_it_would_have_alone(texts: list[str], length: int) -> None:
    together = grams_of(texts, length)
    for index, text in enumerate(texts):
        assert together.of(index).tolist() == grams_of([text], length).of(0).tolist()


@settings(deadline=None)
@given(PAIRS)
def test_probabilities_are_probabilities_and_suspects_name_other_labels(pairs: list[tuple[str, str]]) -> None:
    texts, labels = [text for text, _ in pairs], [label for _, label in pairs]
    probabilities = out_of_fold(texts, labels)
    assert probabilities is not None
    assert abs(probabilities.sum(axis=1) - 1).max() < 1e-4
    found = suspects(texts, labels, probabilities)
    assert all(each.proposed != each.label == labels[each.index] for each in found)
