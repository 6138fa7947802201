"""How much was used: by month, by day, corrected, exported, and counted on from where one stopped."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from billing.shop import Shop, open_shop

from penstock.core.clock import Period, SettableClock
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.metering import exports
from penstock.metering.corrections import correct, list_corrections
from penstock.metering.quantities import charges, daily, quantity
from penstock.metering.totals import running
from penstock.metering.usage_log import UsageEvent
from penstock.storage.engine import Store


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    return open_shop(store, clock)


def used(shop: Shop, customer: str, month: Period, **more: int) -> tuple[int, int]:
    with shop.store.read() as tx:
        found = quantity(tx, customer=customer, product="helpdesk", period=month, **more)
    return found.units, found.cutoff_seq


def fix(shop: Shop, customer: str, units: int, operation: str, time: datetime | None = None) -> UsageEvent:
    with shop.store.transaction() as tx:
        return correct(
            tx,
            customer=customer,
            product="helpdesk",
            units=units,
            time=time or tx.now,
            reason="sent twice",
            operation=operation,
            timezone=shop.company.timezone,
        )


def test_a_month_takes_its_first_instant_and_not_the_next_month_s(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    month = shop.month("2026-11")
    for time, units in ((month.start, 1), (month.end - timedelta(microseconds=1), 10), (month.end, 100)):
        shop.use(blue, units, time=time)
    shop.use(red, 1_000)
    shop.use(blue, 10_000, product="translate")
    assert used(shop, blue, month) == (11, 2)
    assert used(shop, blue, month, up_to_seq=1) == (1, 1)
    assert used(shop, "nobody", month) == (0, 0)
    with shop.store.read() as tx:
        assert charges(tx, month) == sorted([(blue, "helpdesk"), (blue, "translate"), (red, "helpdesk")])
        assert charges(tx, month, red) == [(red, "helpdesk")]


def test_days_are_the_company_s_even_where_the_clock_is_turned(shop: Shop) -> None:
    blue = shop.customer()
    for time in ("2026-10-24T21:59", "2026-10-24T22:00", "2026-10-25T22:59", "2026-10-25T23:00"):
        shop.use(blue, 1, time=datetime.fromisoformat(time).replace(tzinfo=UTC))
    october = Period("2026-10", datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC))
    with shop.store.read() as tx:
        days = [(str(one.day), one.units) for one in daily(tx, blue, october, "Europe/Berlin")]
    assert days == [("2026-10-24", 1), ("2026-10-25", 2), ("2026-10-26", 1)]  # the 25th has 25 hours


def test_a_running_total_counts_on_and_never_counts_twice(shop: Shop) -> None:
    blue = shop.customer()
    november, december = shop.month("2026-11"), shop.month("2026-12")

    def totals() -> dict[tuple[str, str], int]:
        with shop.store.transaction() as tx:
            return running(tx, blue, [("helpdesk", november), ("translate", november), ("helpdesk", december)])

    shop.use(blue, 5)
    assert totals() == {("helpdesk", "2026-11"): 5, ("translate", "2026-11"): 0, ("helpdesk", "2026-12"): 0}
    shop.use(blue, 7)
    shop.use(blue, 2, product="translate")
    assert (
        totals()
        == totals()
        == {
            ("helpdesk", "2026-11"): 12,
            ("translate", "2026-11"): 2,
            ("helpdesk", "2026-12"): 0,
        }
    )
    shop.wait_until("2026-12")
    shop.use(blue, 100)
    fix(shop, blue, -3, "fix-1", november.start)
    assert totals() == {("helpdesk", "2026-11"): 9, ("translate", "2026-11"): 2, ("helpdesk", "2026-12"): 100}


def test_a_correction_counts_once(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 50)
    first = fix(shop, blue, -20, "fix-1")
    shop.clock.advance(timedelta(hours=1))
    assert fix(shop, blue, -20, "fix-1") == first  # the command sent again, some time later
    assert used(shop, blue, shop.month("2026-11")) == (30, 2)
    with pytest.raises(Conflict, match="already corrected something else"):
        fix(shop, blue, -21, "fix-1")
    with shop.store.read() as tx:
        assert [(one.units, one.reason) for one in list_corrections(tx, blue)] == [(-20, "sent twice")]


def test_a_correction_cannot_take_more_than_was_used(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 50)
    with pytest.raises(Conflict, match="taking 51 units from helpdesk leaves -1 in 2026-11") as refused:
        fix(shop, blue, -51, "fix-1")
    assert refused.value.hint == "at most 50 units can be taken away"
    assert used(shop, blue, shop.month("2026-11")) == (50, 1)
    with pytest.raises(Conflict):
        fix(shop, blue, -1, "fix-2", shop.month("2026-10").start)
    with pytest.raises(BadInput):
        fix(shop, blue, 0, "fix-3")
    with pytest.raises(BadInput, match="in the future"):
        fix(shop, blue, 1, "fix-4", shop.clock.now() + timedelta(seconds=1))
    with pytest.raises(NotFound):
        fix(shop, "nobody", 1, "fix-5")


def test_a_correction_is_held_against_the_month_of_the_company_s_zone(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 50)
    shop.clock.set(shop.month("2026-12").start + timedelta(minutes=30))  # still November in Greenwich
    with pytest.raises(Conflict, match="leaves -10 in 2026-12"):
        fix(shop, blue, -10, "fix-1")


def test_an_export_pages_through_all_events_and_keeps_spreadsheets_safe(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from billing.shop import use_in

    monkeypatch.setattr(exports, "PAGE_ROWS", 3)
    blue, red = shop.customer(), shop.customer("Red Shop")
    for _ in range(6):
        shop.use(blue, 1)
    with shop.store.transaction() as tx:
        use_in(tx, red, 4, "helpdesk", None, '=HYPERLINK("x")')
    csv_file, json_file = io.StringIO(), io.StringIO()
    with shop.store.read() as tx:
        month = shop.month("2026-11")
        assert exports.write(exports.export(tx, month), csv_file) == 7
        assert exports.write(exports.export(tx, month, customer=red), json_file, "json") == 1
    lines = csv_file.getvalue().splitlines()
    assert lines[0] == "\ufeffseq,time,customer,product,release,key,source,id,units"
    assert len(lines) == 8
    assert "\"'=HYPERLINK" in lines[7]
    row = json.loads(json_file.getvalue())
    assert (row["id"], row["units"], row["time"]) == ('=HYPERLINK("x")', 4, "2026-11-15T08:00:00Z")


def test_a_csv_begins_with_a_byte_order_mark_and_json_with_none(shop: Shop) -> None:
    shop.use(shop.customer(), 1)
    with shop.store.read() as tx:
        rows = list(exports.export(tx, shop.month("2026-11")))
    for form, bom, begins in (("csv", True, "\ufeffseq,"), ("csv", False, "seq,"), ("json", True, "{")):
        out = io.StringIO()
        assert exports.write(rows, out, form, bom=bom) == 1  # type: ignore[arg-type]
        assert out.getvalue().startswith(begins)
    assert exports.write([], io.StringIO()) == 0
