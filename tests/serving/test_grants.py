"""Holds: units reserved before work, in memory, against a durable grant; each ends once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from serving.support import Company, TestFunding, credit_left, give_credit, open_grants

from penstock.core.errors import Broken, CreditExhausted
from penstock.serving.grants import SMALLEST_BLOCK, Grants
from penstock.serving.writer import UsageWriter
from penstock.storage.engine import Transaction


class CountingFunding(TestFunding):
    """Counts how often it is asked; forgets its grants on demand."""

    __test__ = False

    def __init__(self, life: timedelta = timedelta(minutes=1)) -> None:
        super().__init__(life)
        self.opened = 0
        self.renewed = 0
        self.forgetful = False

    def open_grant(self, tx: Transaction, **asked: Any) -> Any:
        self.opened += 1
        return super().open_grant(tx, **asked)

    def renew(self, tx: Transaction, gateway: str) -> Mapping[str, datetime]:
        self.renewed += 1
        return {} if self.forgetful else super().renew(tx, gateway)


def with_grants(company: Company, funding: CountingFunding, work: Callable[[Grants], Awaitable[None]]) -> None:
    """Run `work` on the grants of one gateway."""
    writer = UsageWriter(company.store, funding)
    writer.start()

    async def run() -> None:
        await work(Grants(writer, funding, "gw_1"))

    try:
        asyncio.run(run())
    finally:
        assert writer.close()


def test_many_holds_cost_one_commit_and_a_voided_one_is_free_again(company: Company) -> None:
    funding = CountingFunding()

    async def work(grants: Grants) -> None:
        holds = [await grants.hold(company.customer, "helpdesk", 4) for _ in range(SMALLEST_BLOCK // 4)]
        assert funding.opened == 1 and grants.held_units == 0
        holds[0].void()
        assert grants.held_units == 4
        (await grants.hold(company.customer, "helpdesk", 4)).settle()
        assert funding.opened == 1

    with_grants(company, funding, work)


def test_concurrent_first_requests_open_one_grant(company: Company) -> None:
    funding = CountingFunding()

    async def work(grants: Grants) -> None:
        await asyncio.gather(*(grants.hold(company.customer, "helpdesk", 1) for _ in range(30)))
        assert funding.opened == 1

    with_grants(company, funding, work)


def test_a_hold_ends_once(company: Company) -> None:
    async def work(grants: Grants) -> None:
        hold = await grants.hold(company.customer, "helpdesk", 4)
        hold.settle()
        with pytest.raises(Broken, match="voided after it was settled"):
            hold.void()

    with_grants(company, CountingFunding(), work)


def test_a_request_larger_than_what_is_left_of_a_grant_takes_from_two(company: Company) -> None:
    async def work(grants: Grants) -> None:
        await grants.hold(company.customer, "helpdesk", SMALLEST_BLOCK - 1)
        hold = await grants.hold(company.customer, "helpdesk", 3)
        assert [units for _, units in hold.uses] == [1, 2]
        assert hold.amount() == 3 * Decimal("0.0020")  # beyond the allowance and the first tier

    with_grants(company, CountingFunding(), work)


def test_the_last_units_go_to_whom_they_suffice_and_a_refusal_is_remembered(company: Company) -> None:
    give_credit(company.store, company.customer, 10)
    funding = CountingFunding()

    async def work(grants: Grants) -> None:
        with pytest.raises(CreditExhausted):
            await grants.hold(company.customer, "helpdesk", 11)
        asked = funding.opened
        for _ in range(20):
            with pytest.raises(CreditExhausted):
                await grants.hold(company.customer, "helpdesk", 12)
        assert funding.opened == asked  # no commit for each of the refused
        (await grants.hold(company.customer, "helpdesk", 10)).settle()

    with_grants(company, funding, work)


def test_one_product_s_idle_grant_does_not_starve_another(company: Company) -> None:
    give_credit(company.store, company.customer, 20)

    async def work(grants: Grants) -> None:
        (await grants.hold(company.customer, "helpdesk", 5)).void()
        assert credit_left(company.store, company.customer) == 0
        await grants.hold(company.customer, "another", 15)

    with_grants(company, CountingFunding(), work)


def test_a_change_of_terms_does_not_leave_the_credit_in_grants_that_nobody_may_use(company: Company) -> None:
    give_credit(company.store, company.customer, 20)

    async def work(grants: Grants) -> None:
        (await grants.hold(company.customer, "helpdesk", 5)).void()
        grants.retire()  # anybody's new terms do this
        await grants.hold(company.customer, "helpdesk", 15)

    with_grants(company, CountingFunding(), work)


def test_a_grant_in_use_is_renewed_and_one_that_is_gone_is_not_used_again(company: Company) -> None:
    funding = CountingFunding(life=timedelta(seconds=0.6))

    async def work(grants: Grants) -> None:
        await grants.hold(company.customer, "helpdesk", 1)
        for _ in range(8):
            await asyncio.sleep(0.1)
            await grants.tend()
        await grants.hold(company.customer, "helpdesk", 1)
        assert funding.opened == 1 and funding.renewed >= 2
        funding.forgetful = True
        await asyncio.sleep(0.25)
        await grants.tend()
        await grants.hold(company.customer, "helpdesk", 1)
        assert funding.opened == 2

    with_grants(company, funding, work)


def test_an_expired_grant_is_not_used_even_before_anyone_tends_it(company: Company) -> None:
    funding = CountingFunding(life=timedelta(seconds=0.2))

    async def work(grants: Grants) -> None:
        await grants.hold(company.customer, "helpdesk", 1)
        await asyncio.sleep(0.16)  # the last quarter is margin
        await grants.hold(company.customer, "helpdesk", 1)
        assert funding.opened == 2

    with_grants(company, funding, work)


def test_changed_prices_retire_grants_once_their_requests_ended(company: Company) -> None:
    async def work(grants: Grants) -> None:
        hold = await grants.hold(company.customer, "helpdesk", 1)
        grants.retire()
        await grants.tend()
        assert open_grants(company.store) == 1
        hold.settle()
        await grants.tend()
        assert open_grants(company.store) == 0

    with_grants(company, CountingFunding(), work)
