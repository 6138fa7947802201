"""A closing killed with SIGKILL between its pages goes on: every customer is invoiced once, without a gap."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from billing.shop import use_in

from penstock.billing.closing import PAGE_CUSTOMERS
from penstock.billing.ledger import verify
from penstock.billing.register import list_invoices
from penstock.core.clock import SettableClock
from penstock.identity.customers import add_customer
from penstock.pipeline.apply import apply_workspace
from penstock.runtime.house import open_house
from tests.scenarios.conftest import Penstock

CUSTOMERS = 4 * PAGE_CUSTOMERS


def sell_a_month_ago(folder: Path) -> str:
    """Sell to all customers in a month that is over; returns its name."""
    then = datetime.now(UTC).replace(day=1) - timedelta(days=10)
    house = open_house(folder, clock=SettableClock(then))
    apply_workspace(house)
    with house.store.transaction() as tx:
        for number in range(CUSTOMERS):
            made = add_customer(tx, name=f"Shop {number * 7919}", email=f"a@s{number}.example", allow_similar=True)
            use_in(tx, made.id, 10 + number, "router", None, f"req-{number}")
    house.close()
    return f"{then:%Y-%m}"


def numbers_and_customers(folder: Path) -> tuple[list[int], set[str]]:
    house = open_house(folder)
    with house.store.read() as tx:
        assert verify(tx) == []
        found = list_invoices(tx)
    house.close()
    return [int(one.number.partition("-")[2]) for one in found], {one.customer for one in found}


def test_a_closing_killed_between_its_pages_is_continued(folder: Path, penstock: Penstock) -> None:
    month = sell_a_month_ago(folder)
    command = [sys.executable, "-m", "penstock", "--workspace", str(folder), "bill", "close", "--period", month]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    # asked of the file itself, every few milliseconds: opening a house takes longer than a page
    database = sqlite3.connect(f"file:{folder / '.penstock' / 'penstock.sqlite'}?mode=ro", uri=True)
    while first.poll() is None:
        if database.execute("select count(*) from invoice").fetchone()[0]:
            os.kill(first.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    database.close()
    first.wait(30)
    kept, _ = numbers_and_customers(folder)
    assert first.returncode == -signal.SIGKILL
    assert 0 < len(kept) < CUSTOMERS and len(kept) % PAGE_CUSTOMERS == 0

    assert penstock("bill", "close", "--period", month).code == 0
    numbers, customers = numbers_and_customers(folder)
    assert numbers == list(range(1, CUSTOMERS + 1))
    assert len(customers) == CUSTOMERS
