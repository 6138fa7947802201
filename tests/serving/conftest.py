"""A company with one product on air; a gateway that serves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving.support import Company, Running, make_company, running

from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store


@pytest.fixture
def company(store: Store, blobs: BlobStore) -> Company:
    return make_company(store, blobs)


@pytest.fixture
def gateway(company: Company) -> Iterator[Running]:
    with running(company) as started:
        yield started
