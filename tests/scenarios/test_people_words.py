"""Customers, plans and partners on the command line: who is meant, what will happen, and what it says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from penstock.cli import asking
from penstock.core.clock import SettableClock
from tests.conftest import START
from tests.scenarios.conftest import Penstock, edit


@pytest.fixture
def shop(penstock: Penstock) -> Penstock:
    penstock("apply")
    penstock("customer", "add", "Maple", "--email", "it@maple.example.com")
    return penstock


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal at which a person says no to every question; the questions."""
    asked: list[str] = []

    def refuse(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(asking.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(typer, "confirm", refuse)
    return asked


def test_who_reads_like_another_is_refused_unless_said_to_be_another(shop: Penstock) -> None:
    refused = shop("customer", "add", "MAPLE", "--email", "other@example.com")
    assert refused.code == 1 and "Maple <it@maple.example.com> (cus_" in refused.err
    assert "--allow-similar" in refused.err
    assert shop("customer", "add", "it@maple.example.com", "--email", "m@evil.example", "--allow-similar").code == 0
    lost = shop("credit", "add", "it@maple.example.com", "5.00")
    assert lost.code == 2 and "several customers match" in lost.err and "m@evil.example" in lost.err
    assert shop("credit", "balance", "Maple", "--json").json()["balance"]["amount"] == "0.00"


def test_a_plan_says_what_is_due_before_it_starts_and_costs_nothing_when_ended_at_once(shop: Penstock) -> None:
    said = shop("subscription", "start", "Maple", "team", "--dry-run")
    assert said.code == 0 and "due, net of tax: 20.00 USD for " in said.err
    assert shop("subscription", "list", "--json").json() == []
    started = shop("subscription", "start", "maple", "team", "--json").json()
    assert started["change"]["due"][0]["amount"] == {"amount": "20.00", "currency": "USD"}
    again = shop("subscription", "start", "Maple", "team")
    assert "nothing changes" in again.err
    ended = shop("subscription", "end", "Maple")
    assert "it costs nothing" in ended.err and "due, net of tax: nothing" in ended.err


def test_at_a_terminal_it_asks_and_a_no_changes_nothing(shop: Penstock, at_a_terminal: list[str]) -> None:
    refused = shop("subscription", "start", "Maple", "team")
    assert refused.code == 1 and "nothing was changed" in refused.err and at_a_terminal == ["Start it?"]
    assert shop("subscription", "list", "--json").json() == []
    assert shop("subscription", "start", "Maple", "team", "--yes").code == 0
    assert shop("subscription", "end", "Maple", "--no-input").code == 0
    assert shop("customer", "archive", "Maple").code == 1
    assert at_a_terminal == ["Start it?", "Archive Maple?"]


def test_a_customer_is_shown_edited_archived_and_taken_back(shop: Penstock) -> None:
    shop("key", "create", "Maple")
    shown = shop("customer", "show", "maple")
    assert shown.code == 0 and "it@maple.example.com" in shown.out and "default (" in shown.out
    facts = shop("customer", "show", "maple", "--json").json()
    assert facts["terms"] == "invoice" and "secret_sha256" not in facts["keys"][0]
    edited = shop("customer", "edit", "Maple", "--name", "Maple & Pine", "--locale", "zh-CN", "--json").json()
    assert edited["changes"][0] == {"field": "name", "before": "Maple", "after": "Maple & Pine"}
    assert shop("customer", "edit", "maple & pine").code == 2
    archived = shop("customer", "archive", "Maple & Pine")
    assert archived.code == 0 and "1 key revoked" in archived.err
    assert shop("customer", "list", "--json").json() == []
    assert [one["name"] for one in shop("customer", "list", "--archived", "--json").json()] == ["Maple & Pine"]
    late = shop("key", "create", "Maple & Pine")
    assert late.code == 1 and "penstock customer unarchive" in late.err
    assert shop("customer", "unarchive", "Maple & Pine").code == 0
    assert shop("key", "create", "Maple & Pine").code == 0


def test_a_partner_learns_of_its_new_share_by_a_verb(folder: Path, shop: Penstock) -> None:
    shop("partner", "add", "Quay", "--email", "q@quay.example", "--code", "QUAY")
    edit(folder, 'share = "20%"', 'share = "25%"')
    shop("apply")
    assert "referral v1 (v2 is out)" in shop("partner", "list").out
    said = shop("partner", "move", "quay", "--dry-run")
    assert "Quay earns 25% (before: 20%)" in said.err and "no commission that is booked or due changes" in said.err
    assert "referral v1 (v2 is out)" in shop("partner", "list").out
    assert shop("partner", "move", "QUAY").code == 0
    assert "referral v2 " in shop("partner", "list").out
    assert "nothing changes" in shop("partner", "move", "QUAY").err


def test_the_words_of_a_change_name_the_days_of_the_company(folder: Path) -> None:
    from penstock.billing import catalogue
    from penstock.billing.plan_changes import preview_end, preview_start
    from penstock.cli.plans import plan_words
    from penstock.identity.customers import add_customer
    from penstock.pipeline.apply import apply_workspace
    from penstock.runtime.house import open_house

    clock = SettableClock(START)
    house = open_house(folder, clock=clock)
    apply_workspace(house)
    with house.store.transaction() as tx:
        maple = add_customer(tx, name="Maple", email="it@maple.example.com").id
        assert plan_words(preview_start(tx, maple, "team"), "Maple", "UTC") == [
            "Maple gets team v1 at once: its fee and included units hold for all of 2026-11",
            "due, net of tax: 20.00 USD for 2026-11 (team)",
        ]
        catalogue.subscribe(tx, maple, "team")
        clock.set(START.replace(day=20))
        assert plan_words(preview_end(tx, maple), "Maple", "UTC") == [
            "Maple's team v1 ends; its included units hold until 2026-12-01, then use is charged at full price",
            "due, net of tax: 20.00 USD for 2026-11 (team)",
        ]
    house.close()


def test_a_partner_that_brings_itself_is_held_until_a_person_decides(shop: Penstock) -> None:
    shop("partner", "add", "Quay", "--email", "ada@quay.example", "--code", "QUAY")
    added = shop("customer", "add", "Quay Shop", "--email", "ada+shop@quay.example", "--ref", "QUAY")
    assert added.code == 0 and "held for review (same mailbox: ada@quay.example and ada+shop@quay.example)" in added.err
    [held] = shop("attribution", "list", "--held", "--json").json()
    assert (held["customer"], held["review"]) == ("Quay Shop", "held")
    assert "held: same mailbox" in shop("customer", "show", "Quay Shop").out
    assert shop("attribution", "check", "--json").json()[0]["state"] == "held"
    assert shop("attribution", "clear", "Quay Shop").code == 2  # a reason is asked for
    assert shop("attribution", "reject", "Quay Shop", "--reason", "the same person").code == 0
    assert shop("attribution", "list", "--held", "--json").json() == []
    late = shop("attribution", "clear", "Quay Shop", "--reason", "no")
    assert late.code == 1 and "was rejected already: the same person" in late.err
