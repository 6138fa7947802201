"""Closing a month: `python -m benchmarks.closing [--database sqlite|postgres] [--customers 10000] [--events 1000000]`.

Builds a company whose customers used three products last month (graduated prices; every fourth has a plan, every
tenth credit, every tenth came through a partner), runs `penstock bill close` on it as a process of its own, and prints
a line of JSON: seconds, milliseconds per customer, and the largest resident set of the process.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.common import penstock, report
from benchmarks.crash import database
from penstock.core.clock import Period, SettableClock, period_at

TOML = """
[company]
name = "Harbour AI"
timezone = "Asia/Shanghai"
tax_rate = "6%"

[products.helpdesk]
task = "text-classification"
data = "d.csv"
gate = { accuracy = ">= 0.9" }
price = { tiers = [{ up_to = 50, unit_price = "0.0040" }, { unit_price = "0.0020" }] }

[products.translate]
task = "text-classification"
data = "d.csv"
gate = { accuracy = ">= 0.9" }
price = { unit = "request", tiers = [{ unit_price = "0.0137" }] }

[products.mood]
task = "text-classification"
data = "d.csv"
gate = { accuracy = ">= 0.9" }
price = { tiers = [{ up_to = 10, unit_price = "0" }, { unit_price = "0.00093" }] }

[plans.team]
monthly = "49.00"
includes = { helpdesk = 20 }

[agreements.referral]
kind = "referral"
share = "20%"
hold_days = 30
"""
PRODUCTS = ("helpdesk", "translate", "mood")
PAGE_ROWS = 20_000


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
        folder = Path(place) / "company"
        folder.mkdir()
        (folder / "penstock.toml").write_text(TOML)
        os.environ["PENSTOCK_DATABASE"] = url
        began = time.perf_counter()
        period = build(folder, options.customers, options.events, options.seed)
        print(f"built in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        before = _cpu_seconds()
        ran = penstock(folder, "bill", "close", "--period", period.name)
        invoices, aside = len(ran.output["invoices"]), len(ran.output["quarantined"])
        if (invoices, aside) != (min(options.customers, options.events), 0):
            sys.exit(f"{options.customers} customers got {invoices} invoices; {aside} are put aside")
        report(
            "closing",
            database=options.database,
            customers=options.customers,
            events=options.events,
            seconds=round(ran.seconds, 1),
            cpu_seconds=round(_cpu_seconds() - before, 1),  # the command's own: Postgres works in another process
            ms_per_customer=round(ran.seconds / options.customers * 1000, 2),
            peak_mb=round(ran.peak_mb),
            load_before=round(os.getloadavg()[1], 1),
        )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build(folder: Path, customers: int, events: int, seed: int) -> Period:
    """The company with its customers and their use of last month; returns that month."""
    from penstock.metering.tables import usage_event
    from penstock.pipeline.apply import apply_workspace
    from penstock.runtime.house import open_house

    this = period_at(datetime.now(UTC), "Asia/Shanghai")
    last = period_at(this.start - timedelta(days=1), "Asia/Shanghai")
    clock = SettableClock(last.start + timedelta(hours=1))
    house = open_house(folder, clock=clock, create=True)
    apply_workspace(house)
    ids = _customers(house, customers)
    chance = random.Random(seed)
    rows = _events(house.store.organisation, ids, events, last, chance)
    while page := list(itertools.islice(rows, PAGE_ROWS)):
        with house.store.transaction() as tx:
            tx.execute(sa.insert(usage_event), page)
    with house.store.transaction() as tx:
        from penstock.metering.usage_log import SEQUENCE
        from penstock.storage import counters

        counters.take(tx, SEQUENCE, events)
    house.close()
    return last


def _customers(house: Any, count: int) -> list[str]:
    from penstock.billing.catalogue import subscribe
    from penstock.billing.credits import add_credit
    from penstock.channels.attribution import attribute
    from penstock.channels.partners import add_partner
    from penstock.core.money import money
    from penstock.identity.customers import add_customer

    ids = []
    with house.store.transaction() as tx:
        partner = add_partner(tx, name="Reed & Co", email="reed@example.com", agreement="referral")
        for number in range(count):
            email = f"pay{number}@shop{number}.example.com"
            made = add_customer(tx, name=f"Shop {number:06d}", email=email, address="1 High Street")
            ids.append(made.id)
            if number % 4 == 0:
                subscribe(tx, made.id, "team")
            if number % 10 == 1:
                add_credit(tx, made.id, money("500.00", "USD"), f"wire {number}")
            if number % 10 in (1, 2):
                attribute(tx, made.id, partner.code)
    return ids


def _events(
    organisation: str, ids: list[str], count: int, month: Period, chance: random.Random
) -> Iterator[dict[str, Any]]:
    """Every customer's share of the events, spread over the month and the products, in the order of time."""
    step = (month.end - month.start) / count
    for number in range(count):
        customer = ids[number % len(ids)]
        yield {
            "organisation": organisation,
            "source": customer,
            "id": f"req-{number}",
            "seq": number + 1,
            "customer": customer,
            "product": chance.choice(PRODUCTS),
            "release": "rel_1",
            "key": "key_1",
            "time": month.start + number * step,
            "units": chance.randint(1, 40),
            "payload_hash": f"{number:064x}",
        }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
