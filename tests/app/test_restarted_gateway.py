"""A gateway that is started again after it was killed gives back at once what it held."""

from __future__ import annotations

from pathlib import Path

import pytest
from billing.shop import open_shop, usd, workspace

from penstock.app.gateway import _take_over
from penstock.billing.credits import add_credit
from penstock.billing.terms import set_terms
from penstock.core.clock import SettableClock
from penstock.core.errors import CreditExhausted
from penstock.runtime.house import House
from penstock.runtime.slots import slot
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store


def test_credit_is_there_again_as_soon_as_the_gateway_is(
    store: Store, clock: SettableClock, blobs: BlobStore, tmp_path: Path
) -> None:
    shop = open_shop(store, clock)
    house = House(workspace().model_copy(update={"folder": tmp_path}), store, blobs, "")
    blue = shop.customer()
    with store.transaction() as tx:
        set_terms(tx, blue, "prepaid")
        add_credit(tx, blue, usd("4.00"), "bank-1")

    def hold(gateway: str) -> int:
        with store.transaction() as tx:
            asked = {"gateway": gateway, "customer": blue, "product": "helpdesk", "units": 600}
            return shop.funding.open_grant(tx, **asked).units

    with slot(tmp_path / "gateways", lambda: store.ids("gw"), lambda name: _take_over(house, name)) as name:
        assert hold(name) == 600
    with pytest.raises(CreditExhausted):  # it ended without giving anything back
        hold("gw_another")
    with slot(tmp_path / "gateways", lambda: store.ids("gw"), lambda name: _take_over(house, name)) as again:
        assert again == name and hold(again) == 600
