"""The whole story on the example workspace, over real HTTP, on each database: every number must tell the same tale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.core.clock import period_at
from penstock.core.errors import PenstockError
from penstock.pipeline.money import invoice_rows
from penstock.runtime.house import House, open_house
from penstock.storage import audit
from penstock.storage.audit import Wanted


@pytest.fixture(params=["sqlite", "postgres"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The process environment that puts the demo on a database of its own."""
    if request.param == "sqlite":
        return {name: value for name, value in os.environ.items() if name != "PENSTOCK_DATABASE"}
    server: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create database demo")
    return {**os.environ, "PENSTOCK_DATABASE": server.replace("/postgres?", "/demo?")}


def run(environment: dict[str, str], *words: str) -> Any:
    command = [sys.executable, "-m", "penstock", "--json", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_the_demo_tells_one_tale(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "demo"
    facts = {fact["what"]: fact["number"] for fact in run(environment, "demo", "--folder", str(folder))}

    assert facts["helpdesk: gate on ngram-linear.v1"].startswith("no")
    assert facts["helpdesk: gate on frozen-linear.v1"].startswith("yes")
    assert facts["kefu: gate on ngram-linear.v1"].startswith("yes")
    assert facts["retries under the same id, answered the same, billed once"] == "40"
    assert facts["answers corrected by the customer"] == "60"
    assert int(facts["refused over the monthly limit (429)"]) > 0
    assert int(facts["refused when credit ran out (402)"]) > 0
    assert facts["ledger"].startswith("sound")
    assert {facts[what].split(",")[0] for what in ("a body that is not JSON", "no key")} == {"400", "401"}

    if "PENSTOCK_DATABASE" in environment:
        monkeypatch.setenv("PENSTOCK_DATABASE", environment["PENSTOCK_DATABASE"])
    house = open_house(folder)
    try:
        check_the_books(house, facts)
        check_the_audit_log(house)
    finally:
        house.close()


def check_the_audit_log(house: House) -> None:
    """Whole, with what the demo did in it; and no link that signs in was written to the servers' log."""
    with house.store.read() as tx:
        assert audit.verify(tx).problems == ()
        assert {one.act for one in audit.entries(tx, Wanted(), 1_000)} == {"demo"}
    log = (house.folder / ".penstock" / "up.log").read_text()
    assert "office ready at" in log and "ticket" not in log


def check_the_books(house: Any, facts: dict[str, str]) -> None:
    """The invoices that the table names are in the database, paid from what was metered, and their PDFs lie there."""
    with house.store.read() as tx:
        rows = {row["customer"]: row for row in invoice_rows(tx)}
    assert set(rows) == {"Maple & Pine", "Cedar Home", "北岸贸易"}
    for row in rows.values():
        assert facts[f"invoice {row['number']} to {row['customer']}"] == str(row["total"])
        assert row["open"].amount_minor == 0
        assert (house.folder / f"invoice-{row['number']}.pdf").read_bytes().startswith(b"%PDF")
    assert rows["Cedar Home"]["total"].to_decimal() >= Decimal("49.00")
    assert rows["北岸贸易"]["total"].to_decimal() <= Decimal("0.60")
    with pytest.raises(PenstockError, match="has not ended"):
        from penstock.billing.invoices import customers_to_invoice

        with house.store.read() as tx:
            customers_to_invoice(tx, period_at(tx.now, "Asia/Shanghai"))
