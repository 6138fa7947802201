"""Closing by command: months in order, one customer's trouble its own, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from billing.shop import use_in

from penstock.billing.catalogue import subscribe
from penstock.billing.invoices import list_invoices
from penstock.billing.months import unclosed_months
from penstock.billing.verification import quarantined, verify
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Broken, Conflict, NotFound
from penstock.identity.customers import add_customer
from penstock.metering import usage_log
from penstock.metering.tables import usage_event
from penstock.metering.usage_log import UsageEvent
from penstock.pipeline import money as jobs
from penstock.pipeline.apply import apply_workspace
from penstock.runtime.house import House
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.workspace.loader import load

TOML = """
[company]
name = "Harbour AI"
timezone = "Asia/Shanghai"

[products.helpdesk]
task = "text-classification"
data = "d.csv"
gate = { accuracy = ">= 0.9" }
price = { tiers = [{ unit_price = "0.01" }] }

[plans.team]
monthly = "49.00"
"""


class Company:
    """A workspace on the test's database, its clock at 15 November 2026."""

    def __init__(self, folder: Path, store: Store, clock: SettableClock) -> None:
        (folder / "penstock.toml").write_text(TOML)
        workspace = load(folder)
        self.house = House(workspace, store, BlobStore(workspace.blobs), "")
        self.clock, self.store = clock, store
        apply_workspace(self.house)

    def customer(self, name: str, *, plan: bool = False) -> str:
        with self.store.transaction() as tx:
            made = add_customer(tx, name=name, email=f"{name.replace(' ', '.').lower()}@example.com").id
            if plan:
                subscribe(tx, made, "team")
        return made

    def use(self, customer: str, *units: int) -> None:
        with self.store.transaction() as tx:
            for each in units:
                use_in(tx, customer, each, "helpdesk", None, tx.new_id("req"))

    def misread(self, customer: str, *units: int) -> None:
        """Events that are in the log from before there was a bound."""
        with self.store.transaction() as tx:
            for each in units:
                seq = counters.take(tx, usage_log.SEQUENCE)
                event = UsageEvent(
                    customer, f"old {seq}", customer, "helpdesk", None, None, tx.now, each, "0" * 64, seq
                )
                tx.execute(sa.insert(usage_event), {"organisation": tx.organisation, **vars(event)})

    def wait_until(self, month: str) -> None:
        self.clock.set(jobs.month(self.house, month).start)

    def close(self, month: str, *, catch_up: bool = False) -> dict[str, Any]:
        return jobs.close(self.house, jobs.closing_of(month, catch_up))

    def totals(self) -> dict[tuple[str, str], int]:
        with self.store.read() as tx:
            assert verify(tx) == []
            return {(one.buyer["name"], one.period.name): one.total_minor for one in list_invoices(tx)}


@pytest.fixture
def company(tmp_path: Path, store: Store, clock: SettableClock) -> Company:
    return Company(tmp_path, store, clock)


def test_a_skipped_month_is_refused_by_name_and_caught_up_in_order(company: Company) -> None:
    company.customer("Plan Shop", plan=True)
    used = company.customer("Used Shop")
    company.use(used, 100)
    company.wait_until("2027-01")
    with pytest.raises(Conflict, match=r"plan fees of months that were never closed: 2026-11 \(2 customers\)") as told:
        company.close("2026-12")
    assert told.value.hint is not None and "penstock bill close --period 2026-12 --catch-up" in told.value.hint
    assert company.totals() == {}
    closed = company.close("2026-12", catch_up=True)
    assert closed["months"] == ["2026-11", "2026-12"]
    assert company.totals() == {
        ("Plan Shop", "2026-11"): 4_900,
        ("Used Shop", "2026-11"): 100,
        ("Plan Shop", "2026-12"): 4_900,
    }
    assert company.close("2026-12")["invoices"] == closed["invoices"][-1:]


def test_late_use_and_customers_put_aside_make_no_month_wait(company: Company) -> None:
    blue, red = company.customer("Blue Shop"), company.customer("Red Shop", plan=True)
    company.use(blue, 10)
    company.misread(red, 2 * 10**16)
    company.wait_until("2026-12")
    assert [one["name"] for one in company.close("2026-11")["quarantined"]] == ["Red Shop"]
    late = company.customer("Late Shop")
    with company.store.transaction() as tx:
        use_in(tx, late, 5, "helpdesk", jobs.month(company.house, "2026-11").start, "late")
    company.wait_until("2027-01")
    assert [one["name"] for one in company.close("2026-12")["quarantined"]] == ["Red Shop"]
    assert company.totals() == {("Blue Shop", "2026-11"): 10, ("Late Shop", "2026-12"): 5}
    jobs.correct_use(company.house, red, "helpdesk", -2 * 10**16, period="2026-11", reason="a test", operation="fix")
    aside, months = jobs.resume(company.house, "Red Shop")
    assert (aside.name, months) == ("Red Shop", ["2026-11", "2026-12"])
    with company.store.read() as tx:
        waiting = unclosed_months(tx, jobs.month(company.house, "2027-01"), "Asia/Shanghai")
    assert [(one.period.name, one.customers) for one in waiting] == [("2026-11", 1), ("2026-12", 1)]
    company.close("2026-12", catch_up=True)
    assert company.totals()["Red Shop", "2026-11"] == company.totals()["Red Shop", "2026-12"] == 4_900


@pytest.mark.parametrize("absurd", [(2 * 10**16,), (9 * 10**18, 9 * 10**18)], ids=["one", "beyond 64 bits"])
def test_an_absurd_quantity_puts_its_customer_aside_by_name_and_bills_the_rest(
    company: Company, absurd: tuple[int, ...]
) -> None:
    names = [f"Shop {letter}" for letter in "abcdefg"]
    ids = {name: company.customer(name) for name in names}
    for customer in ids.values():
        company.use(customer, 100)
    company.misread(ids["Shop c"], *absurd)
    company.wait_until("2026-12")
    [aside] = company.close("2026-11")["quarantined"]
    assert (aside["customer"], aside["name"]) == (ids["Shop c"], "Shop c")
    assert f"{sum(absurd) + 100:,} units of helpdesk in 2026-11" in aside["reason"]
    assert f"penstock usage correct {ids['Shop c']} helpdesk -UNITS --period 2026-11" in aside["reason"]
    assert {name for name, _ in company.totals()} == set(names) - {"Shop c"}
    for number, units in enumerate(absurd):
        jobs.correct_use(
            company.house, "Shop c", "helpdesk", -units, period="2026-11", reason="misread", operation=f"fix {number}"
        )
    jobs.resume(company.house, "Shop c")
    assert company.close("2026-11")["quarantined"] == []
    assert company.totals()["Shop c", "2026-11"] == 100


@pytest.mark.parametrize(
    "failure",
    [ArithmeticError("too much"), KeyError("unit_price"), Broken("the lines do not add up"), NotFound("gone")],
)
def test_whatever_fails_for_one_customer_stops_nobody_else(
    company: Company, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    from penstock.billing import closing

    names = [f"Shop {letter}" for letter in "abcdefg"]
    ids = {name: company.customer(name, plan=True) for name in names}
    issue = closing._issue

    def failing(tx: Any, draft: Any, *rest: Any) -> Any:
        made = issue(tx, draft, *rest)
        if draft.buyer.id == ids["Shop e"]:
            raise failure
        return made

    monkeypatch.setattr(closing, "_issue", failing)
    company.wait_until("2026-12")
    closed = company.close("2026-11")
    assert [(one["name"], str(failure).strip("'") in one["reason"]) for one in closed["quarantined"]] == [
        ("Shop e", True)
    ]
    assert closed["invoices"] == [f"2026-{number:06d}" for number in range(1, 7)]  # no gap where it failed
    assert len(company.totals()) == 6


def test_an_error_of_the_database_about_one_customer_is_that_customer_s(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstock.billing import closing

    good, bad = company.customer("Good Shop", plan=True), company.customer("Bad Shop", plan=True)
    issue = closing._issue

    def failing(tx: Any, draft: Any, *rest: Any) -> Any:
        made = issue(tx, draft, *rest)
        if draft.buyer.id == bad:
            tx.execute(sa.insert(usage_event), {"organisation": tx.organisation, "source": "x", "units": 10**30})
        return made

    monkeypatch.setattr(closing, "_issue", failing)
    company.wait_until("2026-12")
    closed = company.close("2026-11")
    assert [one["name"] for one in closed["quarantined"]] == ["Bad Shop"]
    assert list(company.totals()) == [("Good Shop", "2026-11")] and good


def test_a_database_that_fails_is_nobody_s_fault(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.billing import closing
    from penstock.core.errors import Unavailable

    company.customer("Good Shop", plan=True)

    def full(*_: Any) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("database or disk is full"))

    monkeypatch.setattr(closing, "_issue", full)
    company.wait_until("2026-12")
    with pytest.raises(Unavailable, match="full"):
        company.close("2026-11")
    with company.store.read() as tx:
        assert quarantined(tx) == []


def test_quantities_are_bounded_at_every_door(company: Company) -> None:
    from penstock.billing.funding import LedgerFunding
    from penstock.billing.limits import set_limit

    blue = company.customer("Blue Shop")
    with pytest.raises(BadInput, match="20,000,000,000,000,000 units of helpdesk cannot be counted") as told:
        company.use(blue, 2 * 10**16)
    assert told.value.hint == "an event has at most 1,000,000,000,000 units"
    for units in (10**19, 2 * 10**16, -(10**19)):
        with pytest.raises(BadInput, match="more than one correction can change"):
            jobs.correct_use(company.house, blue, "helpdesk", units, period=None, reason="x", operation=str(units))
    with company.store.transaction() as tx:
        with pytest.raises(BadInput, match="more than a month is billed for"):
            set_limit(tx, blue, "helpdesk", 10**19)
        with pytest.raises(BadInput, match="cannot hold"):
            LedgerFunding(company.house.workspace.company).open_grant(
                tx, gateway="g", customer=blue, product="helpdesk", units=2 * 10**16
            )


def test_corrections_cannot_add_up_to_an_absurd_month(company: Company) -> None:
    blue = company.customer("Blue Shop")
    company.misread(blue, 10**15)
    with pytest.raises(Conflict, match="makes 1,000,000,000,000,001 in 2026-11"):
        jobs.correct_use(company.house, blue, "helpdesk", 1, period=None, reason="x", operation="x")


def test_progress_counts_customers(company: Company) -> None:
    for number in range(30):
        company.customer(f"Shop {number}", plan=True)
    company.wait_until("2026-12")
    told: list[tuple[str, float, float, str]] = []
    jobs.close(
        company.house,
        {"period": "2026-11"},
        lambda stage, done, total, note="": told.append((stage, done, total, note)),
    )
    assert told == [
        ("closing 2026-11", 0, 30, "0 of 30 customers"),
        ("closing 2026-11", 25, 30, "25 of 30 customers"),
        ("closing 2026-11", 30, 30, "30 customers"),
    ]
