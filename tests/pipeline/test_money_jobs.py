"""What the words of money read across the packages: every invoice, however many there are."""

from __future__ import annotations

from functools import partial

import pytest
from billing.shop import open_shop

from penstock.billing import invoices
from penstock.core.clock import SettableClock
from penstock.pipeline.money import invoice_rows
from penstock.storage.engine import Store


def test_the_list_of_invoices_does_not_end_with_its_first_page(
    store: Store, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(store, clock)
    for name in ("Blue Shop", "Red Shop", "Green Shop"):
        shop.use(shop.customer(name), 1_000)
    shop.wait_until("2026-12")
    made = [one.number for one in shop.close("2026-11").invoices]
    monkeypatch.setattr(invoices, "list_invoices", partial(invoices.list_invoices, limit=2))
    with store.read() as tx:
        assert [row["number"] for row in invoice_rows(tx)] == made
        assert [row["number"] for row in invoice_rows(tx, "2026-11")] == made
        assert invoice_rows(tx, "2026-12") == []
