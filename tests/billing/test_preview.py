"""A month looked at before it is closed: what would be asked, and nothing of it kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from billing.shop import Shop

from penstock.billing import catalogue
from penstock.billing.invoices import list_invoices
from penstock.billing.preview import DRAFT, preview
from penstock.billing.records import Invoice
from penstock.core.errors import Conflict
from penstock.storage.schema import metadata


def contents(shop: Shop) -> dict[str, int]:
    with shop.store.read() as tx:
        tables = [table for table in metadata.sorted_tables if "organisation" in table.c]
        return {
            table.name: int(
                tx.scalar(sa.select(sa.func.count()).where(table.c.organisation == tx.organisation).select_from(table))
            )
            for table in tables
        }


def test_a_running_month_is_previewed_and_nothing_is_kept(shop: Shop) -> None:
    blue, red = shop.customer("Blue"), shop.customer("Red", email="red@example.com")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.use(blue, 600)
    shop.use(red, 50)
    before = contents(shop)
    found = list(preview(shop.store.dry_run, shop.month("2026-11"), shop.company))
    assert {one.buyer["name"]: one.net_minor for one in found if isinstance(one, Invoice)} == {"Blue": 4940, "Red": 20}
    assert {one.number for one in found if isinstance(one, Invoice)} == {DRAFT}
    assert contents(shop) == before


def test_a_preview_after_the_month_is_what_closing_it_then_asks(shop: Shop) -> None:
    for name in ("Blue", "Red", "Green"):
        customer = shop.customer(name, email=f"{name}@example.com")
        shop.use(customer, 1_234)
    shop.wait_until("2026-12")
    drafts = list(preview(shop.store.dry_run, shop.month("2026-11"), shop.company))
    issued = shop.close("2026-11").invoices
    assert [one.number for one in issued] == ["2026-000001", "2026-000002", "2026-000003"], "no number was used up"

    def facts(one: object) -> tuple[object, ...]:
        assert isinstance(one, Invoice)
        lines = [replace(line, rating_run=None) for line in one.lines]
        return one.customer, one.net_minor, one.tax_minor, one.total_minor, lines

    assert sorted(map(facts, drafts), key=str) == sorted(map(facts, issued), key=str)
    again = list(preview(shop.store.dry_run, shop.month("2026-11"), shop.company))
    assert sorted(one.number for one in again if isinstance(one, Invoice)) == [one.number for one in issued]


def test_one_customer_may_be_asked_for_and_a_month_to_come_is_refused(shop: Shop) -> None:
    blue = shop.customer("Blue")
    shop.use(blue, 10)
    [one] = preview(shop.store.dry_run, shop.month("2026-11"), shop.company, [blue])
    assert isinstance(one, Invoice) and one.net_minor == 4
    with pytest.raises(Conflict, match="has not begun"):
        list(preview(shop.store.dry_run, shop.month("2027-01"), shop.company, [blue]))
    with shop.store.read() as tx:
        assert list_invoices(tx) == []
