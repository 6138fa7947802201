"""The books always sum to zero, and no interleaving of gateways ever spends more than the credit or the cap."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from billing.shop import Shop, open_shop, usd, use_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.billing import ledger, payments, undo
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.given import given_back, left_to_give, shares_left
from penstock.billing.limits import set_limit
from penstock.billing.register import list_invoices
from penstock.billing.tables import posting
from penstock.billing.terms import set_terms
from penstock.core.clock import SettableClock
from penstock.core.errors import Conflict, Exhausted
from penstock.core.ids import random_ids
from penstock.core.money import Money
from penstock.metering.corrections import correct
from penstock.metering.quantities import quantity
from penstock.storage.engine import Store, Transaction

slow = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
START = datetime(2026, 11, 30, 15, 58, tzinfo=UTC)  # two minutes before the month ends in Shanghai
TIERS = [{"up_to": 40, "unit_price": "0.0130"}, {"up_to": 90, "unit_price": "0.0049"}, {"unit_price": "0.0070"}]


def own_shop(store: Store, clock: SettableClock, **company: str) -> Shop:
    clock.set(START)
    return open_shop(Store(store.engine, random_ids("org"), clock, random_ids), clock, helpdesk=TIERS, **company)


MONEY_STEPS = (
    "credit", "use", "close", "pay", "overpay", "from-credit", "refund", "cancel", "correct", "note", "note-all",
    "void",
)  # fmt: skip
money_steps = st.lists(st.tuples(st.sampled_from(MONEY_STEPS), st.integers(1, 400)), max_size=20)


@slow
@given(steps=money_steps)
def test_whatever_happens_to_money_the_books_sum_to_zero(
    store: Store, clock: SettableClock, steps: list[tuple[str, int]]
) -> None:
    shop = own_shop(store, clock, tax_rate="6%")
    customer = shop.customer()
    months = ["2026-11", "2026-12", "2027-01", "2027-02"]
    closed = 0
    for number, (step, size) in enumerate(steps):
        amount = Money(size, "USD")
        with suppress(Conflict), shop.store.transaction() as tx:  # refused: nothing of it was written
            take_money_step(tx, shop, customer, step, amount, number)
        if step == "close" and closed < len(months):
            shop.clock.set(shop.month(months[closed]).end)
            assert shop.close(months[closed]).quarantined == ()
            closed += 1
    with shop.store.read() as tx:
        assert ledger.verify(tx) == []
        mine = posting.c.organisation == tx.organisation
        assert int(tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(posting.c.amount_minor), 0)).where(mine))) == 0
        assert credit_balance(tx, customer).amount_minor >= 0
        for invoice in list_invoices(tx):
            assert 0 <= invoice.open_minor <= max(0, invoice.total_minor)
            assert 0 <= invoice.refunded_minor <= max(0, invoice.paid_minor)
            if not invoice.void and all(line.amount_minor >= 0 for line in invoice.lines):
                assert left_to_give(invoice, given_back(tx, invoice)) >= usd("0.00")
                assert all(one.gross_minor >= 0 for one in shares_left(tx, invoice))
        # cash received less cash paid back covers all the credit that does not stand against open invoices;
        # a correction's own invoice may round its tax by less than a minor unit
        received = ledger.balance(tx, "cash").get("USD", 0)
        unpaid = ledger.balance(tx, "receivable").get("USD", 0)
        assert received >= 0
        assert credit_balance(tx, customer).amount_minor - unpaid <= received + closed


def take_money_step(tx: Transaction, shop: Shop, customer: str, step: str, amount: Money, number: int) -> None:
    """One thing that people do with money, under an operation of its own. Conflict when it is refused."""
    size, operation = amount.amount_minor, f"{step}-{number}"
    invoices = list_invoices(tx)
    paid = [one for one in payments.list_payments(tx) if one.amount_minor > 0]
    chosen = invoices[size % len(invoices)] if invoices else None
    line = 1 if chosen and chosen.lines and size % 3 == 0 else None
    if step == "credit":
        add_credit(tx, customer, amount, operation)
    elif step == "use":
        use_in(tx, customer, size, "translate", None, operation)
    elif step == "cancel" and paid:
        mistaken = paid[size % len(paid)].operation
        payments.cancel_payment(tx, payment_operation=mistaken, operation=operation)
    elif chosen is None:
        return
    elif step in ("pay", "overpay"):
        payments.pay(tx, invoice=chosen.number, amount=amount, operation=operation, keep_rest=step == "overpay")
    elif step == "from-credit":
        payments.pay_from_credit(tx, invoice=chosen.number, amount=None, operation=operation)
    elif step == "refund":
        payments.refund(tx, invoice=chosen.number, amount=amount, operation=operation, reason="test", line=line)
    elif step == "void":
        undo.void(tx, invoice=chosen.number, reason="test", operation=operation)
    elif step in ("note", "note-all"):
        undo.credit_note(
            tx, invoice=chosen.number, amount=None if step == "note-all" else amount, reason="test",
            operation=operation, company=shop.company, in_cash=size % 2 == 0, line=line,
        )  # fmt: skip
    elif step == "correct":
        correct(
            tx, customer=customer, product="translate", units=-size, time=chosen.period.end - timedelta(seconds=1),
            reason="test", operation=operation, timezone=shop.company.timezone,
        )  # fmt: skip
        undo.refuse_overcorrected(tx, customer, "translate", chosen.period.name)


serving_steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "open", "serve", "serve", "close", "renew", "wait", "credit", "invoice"]),
        st.sampled_from(["gw-1", "gw-2"]),
        st.sampled_from(["helpdesk", "helpdesk", "translate"]),
        st.integers(1, 60),
    ),
    max_size=25,
)


@slow
@given(steps=serving_steps, credit=st.integers(1, 120), cap=st.integers(5, 100))
def test_two_gateways_in_any_interleaving_spend_all_there_is_and_never_more(
    store: Store, clock: SettableClock, steps: list[tuple[str, str, str, int]], credit: int, cap: int
) -> None:
    shop = own_shop(store, clock, tax_rate="6%")
    world = World(shop, shop.customer(), credit, cap)
    for step in steps:
        world.take(*step)
    world.spend_all()
    world.check()


class World:
    """Two gateways as they behave: they serve from living grants only, and are refused when funds are short."""

    def __init__(self, shop: Shop, customer: str, credit: int, cap: int) -> None:
        self.shop, self.customer, self.cap = shop, customer, cap
        self.paid_in, self.requests = 0, 0
        self.left: dict[str, int] = {}
        self.grants: dict[str, tuple[str, str]] = {}
        self.expiry: dict[str, datetime] = {}
        self.add(credit)
        with shop.store.transaction() as tx:
            set_terms(tx, customer, "prepaid")
            set_limit(tx, customer, "helpdesk", cap)

    def take(self, step: str, gateway: str, product: str, size: int) -> None:
        if step == "open":
            self.open(gateway, product, size)
        elif step == "serve":
            self.serve([id for id, of in self.grants.items() if of == (gateway, product)][:1], size)
        elif step == "close":
            self.close([id for id, of in self.grants.items() if of == (gateway, product)])
        elif step == "renew":
            with self.shop.store.transaction() as tx:
                self.expiry.update(self.shop.funding.renew(tx, gateway))
        elif step == "wait":
            self.shop.clock.advance(timedelta(seconds=size))
        elif step == "credit":
            self.add(size)
        elif self.shop.clock.now() >= self.shop.month("2026-11").end:
            assert self.shop.close("2026-11").quarantined == ()

    def add(self, amount: int) -> None:
        self.requests += 1
        with self.shop.store.transaction() as tx:
            add_credit(tx, self.customer, Money(amount, "USD"), f"bank-{self.requests}")
        self.paid_in += amount

    def open(self, gateway: str, product: str, units: int) -> bool:
        try:
            with self.shop.store.transaction() as tx:
                grant = self.shop.funding.open_grant(
                    tx, gateway=gateway, customer=self.customer, product=product, units=units
                )
        except Exhausted:
            return False
        assert grant.units >= units
        self.grants[grant.id], self.left[grant.id] = (gateway, product), grant.units
        self.expiry[grant.id] = grant.expires_at
        return True

    def serve(self, grants: list[str], size: int) -> None:
        for id in grants:
            units = min(size, self.left[id])
            if units and self.expiry[id] > self.shop.clock.now():
                self.requests += 1
                with self.shop.store.transaction() as tx:
                    use_in(tx, self.customer, units, self.grants[id][1], None, f"req-{self.requests}")
                    self.shop.funding.settle(tx, [(id, units)])
                self.left[id] -= units

    def close(self, grants: list[str]) -> None:
        with self.shop.store.transaction() as tx:
            self.shop.funding.close(tx, grants)
        for id in grants:
            del self.grants[id]

    def spend_all(self) -> None:
        """The worst case: every unit held is used, then all that can still be had, until nothing can."""
        self.serve(list(self.grants), 10**6)
        self.close(list(self.grants))
        for product in ("helpdesk", "translate"):
            while self.open("gw-1", product, 1):
                self.serve(list(self.grants), 10**6)

    def used(self, product: str, month: str) -> int:
        with self.shop.store.read() as tx:
            period = self.shop.month(month)
            return quantity(tx, customer=self.customer, product=product, period=period).units

    def check(self) -> None:
        """By an independent sum: all use at its exact price with tax is what was paid in, but for a unit's price."""
        spent = Decimal(0)
        for month in ("2026-11", "2026-12"):
            assert self.used("helpdesk", month) <= self.cap
            spent += _helpdesk(self.used("helpdesk", month)) + self.used("translate", month) * Decimal("0.01")
        left = Decimal(self.paid_in) / 100 - spent * Decimal("1.06")
        # a line's rounding and the tax's take less than three cents, and one more unit costs 1.06
        assert 0 <= left <= Decimal("0.0106") + Decimal("0.03")
        for month in ("2026-11", "2026-12"):
            self.shop.clock.set(max(self.shop.clock.now(), self.shop.month(month).end))
            for invoice in self.shop.close(month).invoices:
                assert invoice.open_minor == 0  # rounding and tax included, the credit was enough
        with self.shop.store.read() as tx:
            assert ledger.verify(tx) == []


def _helpdesk(units: int) -> Decimal:
    """The tiers once more, by hand."""
    first, second, third = min(units, 40), max(0, min(units, 90) - 40), max(0, units - 90)
    return first * Decimal("0.0130") + second * Decimal("0.0049") + third * Decimal("0.0070")


def test_gateways_on_threads_of_their_own_never_overspend(store: Store, clock: SettableClock) -> None:
    shop = own_shop(store, clock)
    customer = shop.customer()
    with shop.store.transaction() as tx:
        set_terms(tx, customer, "prepaid")
        add_credit(tx, customer, usd("1.00"), "bank-1")  # 100 translations
    served: list[int] = []

    def gateway(name: str) -> None:
        for number in range(40):
            try:
                with shop.store.transaction() as tx:
                    grant = shop.funding.open_grant(tx, gateway=name, customer=customer, product="translate", units=3)
            except Exhausted:
                return
            with shop.store.transaction() as tx:
                use_in(tx, customer, 3, "translate", None, f"{name}-{number}")
                shop.funding.settle(tx, [(grant.id, 3)])
                shop.funding.close(tx, [grant.id])
            served.append(3)

    threads = [threading.Thread(target=gateway, args=(f"gw-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 3 <= sum(served) <= 100
    with shop.store.read() as tx:
        month = shop.month("2026-11")
        assert quantity(tx, customer=customer, product="translate", period=month).units == sum(served)
