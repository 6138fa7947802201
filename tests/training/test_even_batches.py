"""Batches whose rows learn from each other do not end an epoch with a lonely row."""

import pytest

from penstock.training.loop.batches import even_batch


@pytest.mark.parametrize(
    ("rows", "most", "size"), [(1, 24, 1), (20, 24, 20), (69, 24, 24), (73, 24, 20), (60_000, 256, 250), (57, 8, 6)]
)
def test_the_last_batch_of_an_epoch_is_half_full_at_least(rows: int, most: int, size: int) -> None:
    assert even_batch(rows, most) == size
    assert rows <= most or 2 * ((rows - 1) % size + 1) >= size


def test_some_numbers_of_rows_have_no_good_size() -> None:
    assert even_batch(169, 8) in (6, 7, 8)
