"""What grows with a company's past: `python -m benchmarks.scale [--database postgres] [--sizes 1,10,100]`.

At each size, a company of its own: 1,000 × size entries in the audit log, a customer with 500 × size answers among as
many of others, 100 × size sessions, 20 × size customers with a limit in money and a capped key. Prints the processor
time of this process and the wall time of each work, and the ratio to the smallest size. Postgres' own processor is not
counted.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.common import report
from benchmarks.crash import database
from penstock.app.account_api import account
from penstock.billing.limit_states import limit_states, limited_customers
from penstock.billing.spending import set_spend_limit
from penstock.core.acts import Act
from penstock.core.money import Money
from penstock.identity.customers import add_customer
from penstock.identity.keys import create_key
from penstock.identity.operators import ADMIN
from penstock.identity.sessions import begin, list_sessions, read_session
from penstock.metering import usage_log
from penstock.metering.usage_log import Answer, UsageEvent
from penstock.pipeline.apply import apply_workspace
from penstock.pipeline.audit import find_entries, verify_log
from penstock.pipeline.backing_up import back_up
from penstock.pipeline.privacy.customer_erasure import erase, preview_erasure
from penstock.pipeline.privacy.customer_export import export_customer
from penstock.runtime.house import House, open_house
from penstock.serving.endpoints import EndpointRequest
from penstock.serving.limits import set_key_limit
from penstock.storage import audit
from penstock.storage.changes import Changes

ENTRIES, EVENTS, SESSIONS, CAPPED = 1_000, 500, 100, 20
PAGE = 1_000
ACT = Act("ada", "owner", "here", "PATCH /customers")
TOML = '[company]\nname = "Harbour"\ncurrency = "USD"\ntimezone = "UTC"\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--sizes", default="1,10,100")
    options = parser.parse_args()
    first: dict[str, float] = {}
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as place, database(options.database, Path(place)) as url:
            os.environ["PENSTOCK_DATABASE"] = url
            for figure, facts in measured(Path(place) / "shop", size).items():
                ratio = facts["processor_ms"] / first.setdefault(figure, max(facts["processor_ms"], 0.01))
                load = round(os.getloadavg()[0], 1)
                named = {"figure": figure, "database": options.database, "size": size}
                report("scale", **named, **facts, ratio=round(ratio, 1), load=load)


def measured(folder: Path, size: int) -> dict[str, dict[str, Any]]:
    """Every figure at one size."""
    folder.mkdir()
    (folder / "penstock.toml").write_text(TOML)
    house = open_house(folder, create=True)
    apply_workspace(house)
    mine, key, cookie = fill(house, size)
    company, store = house.workspace.company, house.store

    def asking() -> None:
        with store.transaction() as tx:
            account(house, EndpointRequest(tx, mine, key, {}, {}, None))

    def states() -> None:
        with store.transaction() as tx:
            limit_states(tx, mine, company)

    def capped() -> None:
        with store.read() as tx:
            limited_customers(tx)

    def listing(**wanted: Any) -> Callable[[], None]:
        def run() -> None:
            with store.read() as tx:
                find_entries(tx, house, **wanted)

        return run

    def verify(newest: int | None = None) -> Callable[[], None]:
        def run() -> None:
            with store.read() as tx:
                found = verify_log(tx) if newest is None else audit.verify(tx, newest=newest)
            assert found.problems == ()

        return run

    def one_session() -> None:
        with store.read() as tx:
            read_session(tx, cookie)

    def sessions() -> None:
        with store.read() as tx:
            list_sessions(tx)

    target = folder.parent / f"one.{size}"
    found = {
        "audit list": timed(listing(), 20),
        "audit list about": timed(listing(about=mine), 20),
        "audit verify": timed(verify()),
        "audit verify, newest 1,000": timed(verify(1_000)),
        "account": timed(asking, 20),
        "limit states": timed(states, 20),
        "customers with limits": timed(capped, 5),
        "session read": timed(one_session, 20),
        "sessions listed": timed(sessions, 5),
        "backup": timed(lambda: back_up(house, target, passphrase=None)),
        "customer export": timed(lambda: export_customer(house, mine, target.with_suffix(".zip"))),
        "erasure, dry run": timed(lambda: preview_erasure(house, mine)),
        "erasure": timed(lambda: erase(house.acting(ACT), mine)),
    }
    found["backup"]["bytes"] = target.stat().st_size
    house.close()
    return found


def timed(work: Callable[[], object], times: int = 1) -> dict[str, Any]:
    """Of one time: processor and wall ms; and the largest set that the process ever had."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    spent = (time.process_time() - cpu) / times, (time.perf_counter() - wall) / times
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"processor_ms": round(spent[0] * 1e3, 2), "wall_ms": round(spent[1] * 1e3, 2), "peak_mb": peak}


def fill(house: House, size: int) -> tuple[str, str, str]:
    """The company at a size; returns a customer, its key and a session's cookie."""
    store = house.store
    with store.transaction() as tx:
        mine = add_customer(tx, name="Maple", email="pay@maple.example.com").id
        key, cookie = create_key(tx, customer=mine)[0].id, begin(tx, ADMIN, "127.0.0.1")[1]
        for _ in range(SESSIONS * size):
            begin(tx, ADMIN, "127.0.0.1")
    with store.transaction() as tx:
        set_spend_limit(tx, mine, Money(10_000, "USD"))
        set_key_limit(tx, key, concurrency=None, amount_minor=10_000)
        for number in range(CAPPED * size):
            other = add_customer(tx, name=f"Co {number:06}", email=f"pay@co{number:06}.example.com", allow_similar=True)
            set_spend_limit(tx, other.id, Money(10_000, "USD"))
            set_key_limit(tx, create_key(tx, customer=other.id)[0].id, concurrency=None, amount_minor=10_000)
    for start in range(0, ENTRIES * size, PAGE):
        with store.transaction() as tx:
            for number in range(start, start + PAGE):
                changes = Changes()
                whose = mine if number % 50 == 0 else f"cus_{number % 997}"
                changes.note("customer", {"id": whose}, {"name": "Maple", "address": f"{number} Quay", "locale": "en"})
                audit.append(tx, changes, ACT)
    body = b'{"outputs": []}' + b" " * 600
    for start in range(0, EVENTS * size, PAGE // 2):
        with store.transaction() as tx:
            for whose in (mine, "cus_other"):
                ids = [f"{whose}-{number}" for number in range(start, start + PAGE // 2)]
                at = tx.now - timedelta(hours=1)
                made = [UsageEvent(whose, one, whose, "helpdesk", "rel", key, at, 1, "0" * 64) for one in ids]
                answers = [Answer(whose, one, whose, "helpdesk", ["where is my parcel?"], body, at) for one in ids]
                usage_log.append(tx, made, answers)
    return mine, key, cookie


if __name__ == "__main__":
    main()
