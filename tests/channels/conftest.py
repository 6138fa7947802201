"""A small company with a partner, and invoices, payments and refunds as billing would record them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from books import Books

from penstock.storage.engine import Store


@pytest.fixture
def open_books(store: Store) -> Callable[[], Books]:
    """Each call opens the books of another new company on the same database."""
    made: list[Books] = []

    def opening() -> Books:
        organisation = f"{store.organisation}-{len(made)}"
        made.append(Books(Store(store.engine, organisation, store.clock, store.ids)))
        return made[-1]

    return opening


@pytest.fixture
def books(open_books: Callable[[], Books]) -> Books:
    return open_books()
