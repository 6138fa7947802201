"""The demo's story, act by act, through the same functions that the command line calls. Each act adds rows of facts:
what happened, the number, and the command that shows it again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from penstock import client as api
from penstock.channels.attribution import attribute
from penstock.channels.partners import Partner, add_partner
from penstock.client import Client, Retries
from penstock.core.clock import Period, SettableClock
from penstock.core.errors import Broken, GateRefused
from penstock.core.money import money
from penstock.demo.processes import Running, running
from penstock.demo.traffic import Answered, Message, Tally, misbehave, read_messages, resend, send
from penstock.identity.customers import Customer, add_customer
from penstock.identity.keys import create_key, revoke_key
from penstock.pipeline import apply
from penstock.pipeline import money as money_jobs
from penstock.pipeline.records import RetrainJob, RetrainResult, TrainResult
from penstock.pipeline.runner import open_workflows
from penstock.pipeline.runs import reports
from penstock.registry import releases
from penstock.runtime import wire
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import Progress

EXAMPLE = Path(__file__).parent.parent / "examples" / "helpdesk"
CORRECTIONS = 60
RESENT = 40
SWITCH_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Fact:
    """A row of the final table."""

    what: str
    number: str
    look: str


@dataclass(frozen=True)
class Buyer:
    """A customer of the demo with its key and a client that uses it."""

    customer: Customer
    key_id: str
    secret: str
    client: Client


@dataclass
class Stage:
    """Where the story plays."""

    house: House
    say: Callable[[str], None]
    progress: Progress
    facts: list[Fact] = field(default_factory=list)

    def add(self, what: str, number: Any, look: str) -> None:
        self.facts.append(Fact(what, str(number), look))


def play(folder: Path, say: Callable[[str], None], progress: Progress) -> list[Fact]:
    """Play the whole story in `folder`, which must not exist. Answers the facts; leaves the workspace behind."""
    shutil.copytree(EXAMPLE, folder)
    stage = Stage(open_house(folder, create=True), say, progress)
    sell_price_list(stage)
    for product in stage.house.workspace.products:
        train_and_release(stage, product)
    say("starting the gateway and the office")
    with running(folder) as addresses:
        partner, buyers = sign_up(stage, addresses)
        answers = sell(stage, buyers)
        break_rules(stage, addresses, buyers)
        complaints = give_feedback(stage, buyers["maple"], answers)
        period = money_jobs.month(stage.house, None)
        bill(stage, period)
        share(stage, partner)
        improve(stage, buyers["maple"], complaints)
    verify_books(stage)
    return stage.facts


def sell_price_list(stage: Stage) -> None:
    stage.say("publishing prices, plans and agreements")
    published = apply.apply_workspace(stage.house)
    stage.add("prices, plans and agreements published", len(published), "penstock apply")


def train_and_release(stage: Stage, product: str) -> None:
    stage.say(f"training {product}: cheapest rung first, until the gate says yes")
    with open_workflows(stage.house, executor="cli-demo", progress=stage.progress) as workflows:
        answer = workflows.run_or_resume("train", {"product": product, "rungs": []})
    for outcome in wire.read(TrainResult, answer).outcomes:
        verdict = "yes" if outcome.passed else "no"
        stage.add(
            f"{product}: gate on {outcome.rung}",
            f"{verdict}, {outcome.headline} {outcome.quality}",
            f"penstock report {product}/{outcome.number}",
        )
    with stage.house.store.transaction() as tx:
        chosen, _ = reports.passed_candidate(stage.house, tx, product, None)
        made = releases.release(tx, chosen.id, stage.house.secret("decisions"))
    stage.add(f"{product}: live release", made.number, f"penstock releases {product}")


def sign_up(stage: Stage, addresses: Running) -> tuple[Partner, dict[str, Buyer]]:
    stage.say("signing up a partner and three customers")
    from penstock.billing.credits import add_credit
    from penstock.billing.limits import set_limit
    from penstock.billing.subscriptions import subscribe
    from penstock.billing.terms import set_terms

    with stage.house.store.transaction() as tx:
        partner = add_partner(tx, name="Quay Partners", email="hello@quay.example.com", agreement="referral")
        people = {
            "maple": add_customer(tx, name="Maple & Pine", email="it@maple.example.com", training_consent=True),
            "cedar": add_customer(tx, name="Cedar Home", email="ops@cedar.example.com"),
            "beian": add_customer(tx, name="北岸贸易", email="caiwu@beian.example.com", locale="zh-CN"),
        }
        attribute(tx, people["maple"].id, partner.code)
        subscribe(tx, people["cedar"].id, "team")
        set_limit(tx, people["cedar"].id, "kefu", 300)
        set_terms(tx, people["beian"].id, "prepaid")
        add_credit(tx, people["beian"].id, money("0.60", "USD"), "demo-credit-1")
        keys = {name: create_key(tx, customer=customer.id) for name, customer in people.items()}
    buyers = {
        name: Buyer(people[name], key.id, secret, Client(addresses.gateway, secret))
        for name, (key, secret) in keys.items()
    }
    stage.add("customers: one referred, one on a plan, one prepaid", len(people), "penstock customer list")
    stage.add("partner's referral code", partner.code, "penstock partner list")
    return partner, buyers


def sell(stage: Stage, buyers: dict[str, Buyer]) -> Tally:
    stage.say("customers send about 2,000 requests over HTTP")
    english, chinese = _messages("helpdesk"), _messages("kefu")
    began = time.monotonic()
    tallies = {}
    for step, (name, product, messages, requests) in enumerate(
        (
            ("maple", "helpdesk", english, 1000),
            ("cedar", "helpdesk", english, 400),
            ("cedar", "kefu", chinese, 300),
            ("beian", "kefu", chinese, 250),
        )
    ):
        stage.progress("sending requests", step, 4, f"{name}: {product}")
        tallies[name, product] = send(buyers[name].client, product, messages, requests, seed=step)
    stage.progress("sending requests", 4, 4)
    seconds = time.monotonic() - began
    sent = sum(tally.requests for tally in tallies.values())
    units = sum(tally.units for tally in tallies.values())
    stage.add("requests sent", f"{sent:,} in {seconds:.0f} s", "penstock usage export")
    stage.add("predictions answered and metered", f"{units:,}", "penstock usage export")
    first = tallies["maple", "helpdesk"]
    right = sum(one.right for one in first.answered) / len(first.answered)
    stage.add("right answers on messages never seen", f"{right:.1%}", "penstock report helpdesk")
    over, poor = tallies["cedar", "kefu"].refused, tallies["beian", "kefu"].refused
    stage.add(
        "refused over the monthly limit (429)", over.get("QuotaExceeded", 0), "penstock customer limits 'Cedar Home'"
    )
    stage.add("refused when credit ran out (402)", poor.get("CreditExhausted", 0), "penstock credit balance 北岸贸易")
    return first


def break_rules(stage: Stage, addresses: Running, buyers: dict[str, Buyer]) -> None:
    stage.say("retries, a revoked key, bad requests")
    maple = buyers["maple"]
    fresh = send(maple.client, "helpdesk", _messages("helpdesk"), RESENT, seed=99)
    same = resend(maple.client, "helpdesk", fresh.answered)
    stage.add("retries under the same id, answered the same, billed once", same, "penstock usage export")
    for what, status in misbehave(addresses.gateway, maple.secret, "helpdesk").items():
        stage.add(f"{what}", f"{status}, not billed", "docs/reference/http.md")
    with stage.house.store.transaction() as tx:
        spare, secret = create_key(tx, customer=maple.customer.id, name="spare")
    stage.add("a key works after", f"{_seconds_until(addresses, secret, works=True):.1f} s", "penstock key list")
    with stage.house.store.transaction() as tx:
        revoke_key(tx, spare.id)
    stage.add(
        "a revoked key is refused after", f"{_seconds_until(addresses, secret, works=False):.1f} s", "penstock key list"
    )


def give_feedback(stage: Stage, buyer: Buyer, tally: Tally) -> list[Message]:
    stage.say(f"the customer corrects {CORRECTIONS} answers")
    answered = sorted(tally.answered, key=lambda one: one.message.text)  # whichever thread was first
    wrong = [one for one in answered if not one.right]
    right = [one for one in answered if one.right]
    seen: set[str] = set()
    corrected: list[Answered] = []
    for one in [*wrong, *right]:
        if one.message.text not in seen and len(corrected) < CORRECTIONS:
            seen.add(one.message.text)
            corrected.append(one)
    for one in corrected:
        buyer.client.feedback(one.request_id, index=one.index, correction=one.message.label)
    for one in right[:20]:
        buyer.client.feedback(one.request_id, index=one.index, rating=1)
    stage.add("answers corrected by the customer", len(corrected), "penstock feedback list helpdesk")
    return [one.message for one in corrected if not one.right]


def bill(stage: Stage, period: Period) -> None:
    stage.say(f"closing {period.name}, with the clock set just after it")
    house = _at(stage, period)
    with open_workflows(house, executor="cli-close") as workflows:
        closed = money_jobs.close_month(workflows, period.name)
        again = money_jobs.close_month(workflows, period.name)
    if closed != again or closed["quarantined"]:
        raise Broken(f"closing twice must make the same invoices: {closed}, {again}")
    numbers = closed["invoices"]
    with house.store.read() as tx:
        rows = [row for row in money_jobs.invoice_rows(tx) if row["number"] in numbers]
    for row in sorted(rows, key=lambda row: row["number"]):
        target = stage.house.folder / f"invoice-{row['number']}.pdf"
        target.write_bytes(money_jobs.invoice_pdf(house, row["number"]))
        stage.add(
            f"invoice {row['number']} to {row['customer']}", row["total"], f"penstock invoice show {row['number']}"
        )
    for row in rows:
        if row["open"].amount_minor > 0:
            money_jobs.take_payment(
                house, row["number"], amount=None, operation=f"bank-{row['number']}", method="bank transfer"
            )
    maple = next(row for row in rows if row["customer"] == "Maple & Pine")
    money_jobs.give_refund(house, maple["number"], amount="1.00", operation="refund-1", reason="goodwill")
    stage.add("refunded to Maple & Pine", money("1.00", "USD"), f"penstock invoice show {maple['number']}")


def share(stage: Stage, partner: Partner) -> None:
    stage.say("writing the partner's statement")
    from penstock.channels import statements

    period = money_jobs.month(stage.house, None)
    after = money_jobs.month(_at(stage, period), None)
    with stage.house.store.read() as tx:
        made = statements.statement(tx, partner, after)
    (stage.house.folder / f"statement-{partner.code}.csv").write_text(
        statements.to_csv(made), encoding="utf-8", newline=""
    )
    stage.add(
        "owed to the partner: 20% of net paid, less the refund",
        made.closing,
        f"penstock statement 'Quay Partners' --period {after.name}",
    )


def improve(stage: Stage, buyer: Buyer, complaints: list[Message]) -> None:
    stage.say("retraining helpdesk on the corrections")
    with open_workflows(stage.house, executor="cli-demo", progress=stage.progress) as workflows:
        answer = workflows.run_or_resume("retrain", wire.plain(RetrainJob(product="helpdesk")))
    result = wire.read(RetrainResult, answer)
    outcome = result.outcomes[-1]
    if result.release is None:
        raise GateRefused("the retrained candidate was declined", hint=str(list(outcome.shortfall)))
    stage.add("retrained on corrections", result.learned, f"penstock report helpdesk/{outcome.number}")
    stage.add(
        "accuracy after retraining, same test rows",
        outcome.quality,
        f"penstock report helpdesk/{outcome.number}",
    )
    with stage.house.store.read() as tx:
        live = releases.live(tx, "helpdesk")
    seconds = _seconds_until_release(buyer, live.id if live else "")
    stage.add(
        f"gateway serves release {result.release} after",
        f"{seconds:.1f} s, nothing dropped",
        "penstock releases helpdesk",
    )
    outputs = buyer.client.predict("helpdesk", [message.text for message in complaints]).outputs
    mended = sum(output["label"] == message.label for output, message in zip(outputs, complaints, strict=True))
    stage.add(
        "messages it got wrong before, right now", f"{mended} of {len(complaints)}", "penstock feedback list helpdesk"
    )
    with stage.house.store.transaction() as tx:
        back = releases.rollback(tx, "helpdesk")
    seconds = _seconds_until_release(buyer, back.id)
    stage.add(f"rolled back to release {back.number} after", f"{seconds:.1f} s", "penstock rollback helpdesk")


def verify_books(stage: Stage) -> None:
    from penstock.billing.ledger import balances
    from penstock.billing.verification import verify_all

    problems = verify_all(stage.house.store)
    with stage.house.store.read() as tx:
        accounts = balances(tx)
    if problems:
        raise Broken("the ledger does not hold:\n" + "\n".join(map(str, problems)))
    stage.add("ledger", f"sound, {len(accounts)} accounts, sum zero", "penstock ledger verify")


def _messages(product: str) -> list[Message]:
    return read_messages(EXAMPLE / "traffic" / f"{product}.csv")


def _at(stage: Stage, period: Period) -> House:
    """The same house an hour after the period's end."""
    return open_house(stage.house.folder, clock=SettableClock(period.end + timedelta(hours=1)))


def _seconds_until(addresses: Running, secret: str, *, works: bool) -> float:
    """How long until a key is known (or refused) by the gateway."""
    began = time.monotonic()
    with Client(addresses.gateway, secret, retries=Retries(attempts=1)) as client:
        while time.monotonic() - began < SWITCH_TIMEOUT_S:
            try:
                client.models()
                known = True
            except api.Unauthorised:
                known = False
            if known == works:
                return time.monotonic() - began
            time.sleep(0.05)
    raise Broken(f"the gateway did not notice a {'new' if works else 'revoked'} key within {SWITCH_TIMEOUT_S:.0f} s")


def _seconds_until_release(buyer: Buyer, release_id: str) -> float:
    """Keep asking until the gateway answers from release `number`; every request on the way must be answered."""
    began = time.monotonic()
    while time.monotonic() - began < SWITCH_TIMEOUT_S:
        if buyer.client.predict("helpdesk", ["where is my parcel"]).release == release_id:
            return time.monotonic() - began
        time.sleep(0.02)
    raise Broken(f"the gateway did not switch to {release_id} within {SWITCH_TIMEOUT_S:.0f} s")
