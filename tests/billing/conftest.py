"""Every billing test gets a shop."""

import pytest
from billing.shop import Shop, open_shop

from penstock.core.clock import SettableClock
from penstock.storage.engine import Store


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    return open_shop(store, clock)
