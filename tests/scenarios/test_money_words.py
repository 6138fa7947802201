"""A month's money through the command line: closed, invoiced, paid, refunded, shared, and each of it only once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.billing.subscriptions import subscribe
from penstock.channels.attribution import attribute
from penstock.channels.partners import add_partner
from penstock.core.clock import Period, SettableClock, period_at
from penstock.identity.customers import add_customer
from penstock.metering.corrections import correct
from penstock.runtime.house import open_house
from tests.scenarios.conftest import Penstock


@pytest.fixture
def last_month(folder: Path, penstock: Penstock) -> Period:
    """Last month a referred customer was on the plan and used 12 units, 5 of them included."""
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    month = period_at(first - timedelta(days=1), "UTC")
    clock = SettableClock(month.start + timedelta(days=2))
    house = open_house(folder, clock=clock)
    from penstock.pipeline.apply import apply_workspace

    apply_workspace(house)
    with house.store.transaction() as tx:
        partner = add_partner(tx, name="Quay", email="hello@quay.example.com", agreement="referral")
        maple = add_customer(tx, name="Maple", email="it@maple.example.com")
        attribute(tx, maple.id, partner.code)
        subscribe(tx, maple.id, "team")
        correct(
            tx, customer=maple.id, product="router", units=12, time=tx.now, reason="moved from paper", operation="op-1",
            timezone="UTC",
        )  # fmt: skip
    house.close()
    return month


def test_a_month_becomes_an_invoice_a_payment_a_refund_and_a_commission(
    folder: Path, penstock: Penstock, last_month: Period
) -> None:
    closed = penstock("bill", "close", "--period", last_month.name, "--json")
    assert closed.code == 0, closed.err
    (invoice,) = closed.json()["invoices"]
    assert invoice["total"] == {"amount": "20.70", "currency": "USD"}  # 20.00 + 7 units at 0.10
    number = invoice["number"]
    again = penstock("bill", "close", "--period", last_month.name, "--json").json()
    assert [one["number"] for one in again["invoices"]] == [number]

    events = penstock("invoice", "events", number, "2", "--json").json()
    assert sum(event["units"] for event in events) == 12

    assert penstock("invoice", "pay", number, "--operation", "bank-1").code == 0
    assert penstock("invoice", "pay", number, "--operation", "bank-1").code == 0  # the same once more, not a second one
    assert penstock("invoice", "pay", number, "--operation", "bank-1", "--amount", "20.70").code == 0
    twice = penstock("invoice", "pay", number, "--operation", "bank-2", "--amount", "20.70")
    assert twice.code == 1 and "open" in twice.err

    more = penstock("invoice", "refund", number, "--amount", "99.00", "--reason", "too kind")
    assert more.code == 1 and "20.70" in more.err
    assert penstock("invoice", "refund", number, "--amount", "10.00", "--reason", "an outage").code == 0

    twice = penstock("invoice", "credit-note", number, "--amount", "10.71", "--reason", "the outage")
    assert twice.code == 1 and "a refund gave back 10.00 USD" in twice.err and "penstock invoice refund" in twice.err

    statement = penstock("statement", "Quay", "--json").json()
    assert statement["closing"] == "2.14"  # 20% of 20.70 - 10.00
    assert penstock("ledger", "verify").code == 0
    assert penstock("invoice", "pdf", number, str(folder / "invoice.pdf")).code == 0
    assert (folder / "invoice.pdf").read_bytes().startswith(b"%PDF")


def test_a_month_that_was_closed_is_corrected_once_however_often_it_is_said(
    penstock: Penstock, last_month: Period
) -> None:
    assert penstock("bill", "close", "--period", last_month.name).code == 0
    words = ("usage", "correct", "Maple", "router", "-4", "--reason", "load test", "--operation", "ticket-88")
    refused = penstock(*words)  # nothing was used this month
    assert refused.code == 1 and "leaves -4" in refused.err
    for _ in range(2):
        assert penstock(*words, "--period", last_month.name).code == 0
    events = [
        json.loads(line) for line in penstock("usage", "export", "--period", last_month.name, "--json").out.splitlines()
    ]
    assert [event["units"] for event in events] == [12, -4]
    assert (
        penstock(
            "usage", "correct", "Maple", "router", "1", *words[5:7], "--operation", "x", "--period", "2999-01"
        ).code
        == 2
    )


def test_two_closings_at_once_do_not_interfere(penstock: Penstock, last_month: Period, folder: Path) -> None:
    from penstock.runtime.locks import exclusive

    with exclusive(folder / ".penstock" / "workflows-cli-close.lock", "closing a month"):
        answer = penstock("bill", "close", "--period", last_month.name)
    assert answer.code == 1
    assert "at work" in answer.err


def test_a_payment_that_bounced_is_found_and_taken_back(penstock: Penstock, last_month: Period) -> None:
    (invoice,) = penstock("bill", "close", "--period", last_month.name, "--json").json()["invoices"]
    number = invoice["number"]
    penstock("invoice", "pay", number, "--operation", "bank-7")
    found = penstock("invoice", "payments", number, "--json").json()
    assert [one["operation"] for one in found["payments"]] == ["bank-7"]
    assert penstock("invoice", "cancel-payment", "bank-7").code == 0
    (again,) = penstock("invoice", "list", "--json").json()
    assert again["open"] == again["total"]
    assert penstock("ledger", "verify").code == 0


def test_csv_for_people_has_a_byte_order_mark_that_can_be_left_out(
    folder: Path, penstock: Penstock, last_month: Period
) -> None:
    month = ("--period", last_month.name)
    mark = b"\xef\xbb\xbf"
    usage, statement = folder / "usage.csv", folder / "statement.csv"
    penstock("usage", "export", *month, "--file", str(usage))
    penstock("statement", "Quay", *month, "--csv", str(statement))
    assert usage.read_bytes().startswith(mark + b"seq,") and statement.read_bytes().startswith(mark + b"date,")
    assert b"\r\r\n" not in statement.read_bytes()
    assert penstock("usage", "export", *month).out.startswith("\ufeffseq,")
    penstock("usage", "export", *month, "--file", str(usage), "--no-bom")
    penstock("statement", "Quay", *month, "--csv", str(statement), "--no-bom")
    assert usage.read_bytes().startswith(b"seq,") and statement.read_bytes().startswith(b"date,")
    assert penstock("usage", "export", *month, "--no-bom").out.startswith("seq,")
    assert penstock("usage", "export", *month, "--json").out.startswith("{")


def test_a_wrong_invoice_is_voided_issued_anew_and_credited(
    folder: Path, penstock: Penstock, last_month: Period
) -> None:
    close = ("bill", "close", "--period", last_month.name, "--json")
    (first,) = penstock(*close).json()["invoices"]
    correct = ("usage", "correct", "Maple", "router", "-4", "--reason", "a test", "--period", last_month.name)
    assert penstock(*correct, "--operation", "fix-1").code == 0
    made = penstock("invoice", "void", first["number"], "--reason", "a test was billed", "--operation", "void-1")
    assert made.code == 0 and "can be invoiced again" in made.err
    states = {one["number"]: one["state"] for one in penstock(*close).json()["invoices"]}
    assert states.pop(first["number"]) == "void"
    ((number, state),) = states.items()
    assert state == "open" and penstock("invoice", "show", number, "--json").json()["total"] == "20.30"

    assert penstock("invoice", "pay", number, "--amount", "25.00", "--keep-rest-as-credit").code == 0
    note = penstock("invoice", "credit-note", number, "--amount", "1.00", "--reason", "late", "--json").json()
    assert (note["number"][:3], note["returned"]) == ("CN-", "1.00")
    assert penstock("credit", "balance", "Maple", "--json").json()["credit"]["amount"] == "5.70"
    assert note["number"] in penstock("invoice", "show", number).out
    assert penstock("invoice", "pdf", note["number"], str(folder / "note.pdf")).code == 0
    assert (folder / "note.pdf").read_bytes().startswith(b"%PDF")
    statement = penstock("statement", "Quay", "--json").json()
    assert statement["closing"] == "3.86"  # 20% of 20.30 - 1.00

    meaning = penstock("customer", "terms", "Maple", "prepaid", "--dry-run")
    assert "prepaid: Maple is served as long as" in meaning.err and "is missing" not in meaning.out
    assert penstock("customer", "terms", "Maple", "--json").json()["terms"] == "invoice"
    assert penstock("customer", "terms", "Maple", "prepaid", "--json").json()["terms"] == "prepaid"
    assert penstock("customer", "terms", "Maple", "barter").code == 2
    assert penstock("ledger", "verify").code == 0
