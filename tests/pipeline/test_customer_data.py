"""A customer's data: all of it in one file and nothing of another's; erased but for what has to be kept."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour, open_harbour

from penstock.analytics import belongings
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.payments import pay, refund
from penstock.billing.tables import invoice_mail
from penstock.channels.attribution import attribute
from penstock.channels.partners import add_partner
from penstock.core.acts import Act
from penstock.core.errors import Conflict, NotFound
from penstock.core.money import Money
from penstock.datasets.report import CleaningReport
from penstock.datasets.rows import Prepared
from penstock.datasets.versions import add_version
from penstock.identity.customers import add_customer, edit_customer, get_customer
from penstock.identity.keys import create_key, list_keys
from penstock.monitoring import feedback
from penstock.pipeline.customers import unarchive
from penstock.pipeline.doctor import examine
from penstock.pipeline.privacy import customer_erasure
from penstock.pipeline.privacy.consent import check_made
from penstock.pipeline.privacy.customer_erasure import erase, preview_erasure
from penstock.pipeline.privacy.customer_export import export_customer
from penstock.pipeline.privacy.lineage import lineage, releases_of_erased, standing_releases
from penstock.storage import audit
from penstock.storage.audit import verify
from penstock.storage.engine import Store, Transaction
from penstock.storage.schema import metadata
from penstock.storage.sealed import seal_rows
from penstock.tasks.opinion.tables import opinion_document, opinion_feed, opinion_mute

ACT = Act("ada", "owner", "here", "a test")
QUIET = ("Quiet Co", "pay@quiet.example.com", "9 Quiet Lane", "GB 9")
WHOSE = {"customer", "key"}  # the columns by which a table says whose a row is


@pytest.fixture
def here(tmp_path: Path, store: Store) -> Harbour:
    """Blue and hai use the helpdesk, quiet in November only; it said something of it. Both months are closed."""
    made = open_harbour(tmp_path, store)
    acted = made.house.acting(ACT)
    with acted.store.transaction() as tx:
        _sign_up(tx, made)
    for customer in (made.blue, made.blue, made.blue, made.hai):
        made.use(customer, "helpdesk", 700)
    made.clock.set(datetime(2026, 11, 2, 2, 0, tzinfo=UTC))
    made.close("2026-10")
    asked = {one: made.use(one, "helpdesk", 100) for one in (made.blue, made.quiet)}
    for one in (made.blue, made.blue, made.quiet, made.quiet):
        made.use(one, "helpdesk", 100)
    with acted.store.transaction() as tx:
        paid = made.invoices[made.blue]
        pay(tx, invoice=paid, amount=Money(300, "USD"), operation="bank 1", method="bank")
        refund(tx, invoice=paid, amount=Money(50, "USD"), operation="back 1", reason="goodwill")
        for one, request in asked.items():
            facts = {"rating": 2, "comment": f"words of {one}"}
            feedback.record(tx, customer=one, request_id=request, index=0, **facts)
    made.clock.set(datetime(2026, 12, 2, 2, 0, tzinfo=UTC))
    made.close("2026-11")
    return made


def _sign_up(tx: Transaction, made: Harbour) -> None:
    add_partner(tx, name="Reed & Co", email="hello@reed.example.com", agreement="referral", code="REED")
    made.blue = add_customer(tx, name="Blue Shop", email="pay@blue.example.com", address="1 Blue Quay").id
    attribute(tx, made.blue, "REED")
    made.hai = add_customer(tx, name="海港商店", email="pay@hai.example.com", locale="zh-CN").id
    name, email, address, tax_id = QUIET
    made.quiet = add_customer(tx, name=name, email=email, address=address, tax_id=tax_id).id
    for one in (made.blue, made.hai, made.quiet):
        key, _ = create_key(tx, customer=one, name=f"shop of {one}")
        _opinion(tx, one, key.id)


def _opinion(tx: Transaction, customer: str, key: str) -> None:
    owner = {"organisation": tx.organisation, "product": "helpdesk"}
    document: dict[str, Any] = {
        "document": f"d {customer}",
        "time": tx.now,
        "release": "r",
        "label": "good",
        "score": 0.5,
        "tone": 1,
    }
    document |= {"text": f"words of {customer}", "source": "", "url": ""}
    whole = {**owner, "customer": customer, **document}
    tx.execute(sa.insert(opinion_document), seal_rows(tx, opinion_document, [whole]))
    mute = {"entity": "e", "until": tx.now, "reason": "loud", "created_at": tx.now}
    tx.execute(sa.insert(opinion_mute), {**owner, "customer": customer, **mute})
    feed = {"url": "https://feed.example.com", "etag": "", "modified": "", "seen": [], "fetched_at": tx.now}
    tx.execute(sa.insert(opinion_feed), {**owner, "key": key, **feed})


def settle(here: Harbour) -> None:
    """Quiet's invoice is paid."""
    with here.store.transaction() as tx:
        pay(tx, invoice=here.invoices[here.quiet], amount=_total(here), operation="bank q", method="bank")


def _total(here: Harbour) -> Money:
    row = next(belongings.rows(here.store, _part("invoices"), here.quiet))
    return Money(row["total_minor"], row["currency"])


def _part(name: str) -> belongings.Belonging:
    [found] = [one for one in belongings.parts() if one.name == name]
    return found


def everything(here: Harbour, customer: str, page: int = 500) -> dict[str, list[Any]]:
    return {part.name: list(belongings.rows(here.store, part, customer, page)) for part in belongings.parts()}


def test_every_table_that_names_a_customer_is_exported_or_left_out_for_a_reason() -> None:
    parts = {part.table.name for part in belongings.parts()}
    known = parts | belongings.left_out().keys()
    naming = {
        name
        for name, table in metadata.tables.items()
        if WHOSE & set(table.columns.keys()) or any(link.column.table.name in parts for link in table.foreign_keys)
    }
    assert len(naming) > 30 and naming - known == set()
    assert set(metadata.tables) >= known and not parts & belongings.left_out().keys()


def test_an_export_holds_all_of_a_customer_and_nothing_of_another(here: Harbour, tmp_path: Path) -> None:
    target = tmp_path / "blue.zip"
    made = export_customer(here.house.acting(ACT), "Blue Shop", target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600 and [one.name for one in tmp_path.glob(".blue*")] == []
    with zipfile.ZipFile(target) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    readme = json.loads(files["README.json"])
    named = {one["file"]: one for one in readme["files"]}
    rows = {name: [json.loads(line) for line in files[name].splitlines()] for name in named}
    for name, one in named.items():
        fields = {field["name"] for field in one["fields"]}
        assert one["rows"] == len(rows[name]) and all(row.keys() == fields for row in rows[name]), name
    others = set(files) - named.keys() - {"README.json", "manifest.json"}
    assert sorted(others) == sorted(f"invoices/{row['number']}.pdf" for row in rows["invoices.jsonl"])
    assert made.documents == len(others) == 2 and all(files[name].startswith(b"%PDF") for name in others)
    assert (len(rows["usage.jsonl"]), len(rows["answers.jsonl"])) == (6, 6)
    assert rows["answers.jsonl"][0]["inputs"] == ["where is my parcel"] and rows["answers.jsonl"][0]["body"] == {}
    filled = ("feedback", "keys", "payments", "refunds", "postings", "attribution", "opinion_feeds", "audit")
    assert all(rows[f"{name}.jsonl"] for name in filled)
    text = b"".join(content for name, content in files.items() if not name.endswith(".pdf")).decode()
    with here.store.read() as tx:
        secrets = [one.secret_sha256 for one in list_keys(tx)]
        strangers = [here.hai, here.quiet, *QUIET, *(one.id for one in list_keys(tx, here.quiet))]
    strangers += ["海港商店", "pay@hai.example.com", here.invoices[here.hai], here.invoices[here.quiet]]
    assert [one for one in (*secrets, *strangers) if one in text] == []
    with pytest.raises(Conflict):
        export_customer(here.house, "Blue Shop", target)
    with pytest.raises(NotFound):
        export_customer(here.house, "Nobody", tmp_path / "other.zip")


def test_pages_of_any_size_give_the_same_rows_once(here: Harbour) -> None:
    whole = everything(here, here.blue)
    assert everything(here, here.blue, 2) == whole
    audit = list(belongings.audit_rows(here.store, here.blue))
    assert len(audit) > 0 and list(belongings.audit_rows(here.store, here.blue, 1)) == audit


def test_a_customer_with_something_open_is_not_erased(here: Harbour) -> None:
    before = everything(here, here.quiet)
    said = preview_erasure(here.house, here.quiet)
    assert said.state == "preview" and here.invoices[here.quiet] in said.waits_for[0]
    with pytest.raises(Conflict, match="cannot be erased yet"):
        erase(here.house, here.quiet)
    settle(here)
    here.use(here.quiet, "helpdesk", 1)
    with pytest.raises(Conflict, match="not invoiced yet: "):
        erase(here.house, here.quiet)
    assert everything(here, here.quiet)["answers"][:3] == before["answers"]


def test_credit_that_is_left_stays_in_the_books_if_one_says_so(here: Harbour) -> None:
    settle(here)
    with here.store.transaction() as tx:
        left = add_credit(tx, here.quiet, Money(700, "USD"), "wire 7")
    with pytest.raises(Conflict, match=r"credit: 7\.00 USD"):
        erase(here.house, here.quiet)
    assert erase(here.house, here.quiet, leave_credit=True).state == "finished"
    with here.store.read() as tx:
        assert credit_balance(tx, here.quiet) == left


def test_an_erased_customer_is_a_pseudonym_and_its_invoices_stay(here: Harbour) -> None:
    settle(here)
    others = everything(here, here.blue)
    before = everything(here, here.quiet)
    preview = preview_erasure(here.house, "Quiet Co")
    assert (preview.state, preview.waits_for) == ("preview", ()) and everything(here, here.quiet) == before
    done = erase(here.house.acting(ACT), "Quiet Co", reason="asked on 1 December")
    assert (done.state, done.reason, done.erased["answers"]) == ("finished", "asked on 1 December", 3)
    kept = {one.what: one for one in done.kept}
    assert kept["invoices"].until == date(2036, 12, 31) and kept["invoices"].rows == 1 and kept["usage"].rows == 3
    after = everything(here, here.quiet)
    for gone in ("answers", "opinion_documents", "opinion_mutes", "opinion_feeds"):
        assert before[gone] and after[gone] == [], gone
    assert (after["feedback"][0]["comment"], after["feedback"][0]["rating"]) == ("", 2)
    for stays in ("usage", "invoices", "invoice_lines", "payments", "postings"):
        assert before[stays] and after[stays] == before[stays], stays
    assert everything(here, here.blue) == others
    with here.store.transaction() as tx:
        who = get_customer(tx, here.quiet)
        assert (who.name, who.email) == (f"Erased {who.id}", f"{who.id}@erased.invalid")
        assert (who.address, who.tax_id) == ("", "") and all(one.revoked_at for one in list_keys(tx, who.id))
        with pytest.raises(Conflict, match="was erased"):
            unarchive(tx, who.id)
        assert verify(tx).problems == ()
    assert {table for table, text in _content(here) if any(one in text for one in QUIET)} == {"invoice"}
    assert erase(here.house, here.quiet) == done == preview_erasure(here.house, here.quiet)


def test_the_audit_log_is_not_told_what_was_erased(here: Harbour) -> None:
    settle(here)
    with here.store.read() as tx:
        last = verify(tx).last
    erase(here.house.acting(ACT), here.quiet)
    with here.store.read() as tx:
        table = metadata.tables["audit_entry"].c
        query = sa.select(table.details).where(table.organisation == tx.organisation, table.number > last)
        told = [row["details"] for row in tx.all(query)]
    assert len(told) >= 2 and not [one for one in (*QUIET, "words of", "loud") if one in "".join(told)]


def test_older_entries_of_the_audit_log_lose_what_is_personal_and_the_chain_holds(here: Harbour) -> None:
    settle(here)
    with here.house.acting(ACT).store.transaction() as tx:
        edit_customer(tx, here.quiet, {"address": "1 New Row"}, allow_similar=False)
        tx.execute(sa.insert(invoice_mail), _mail(tx, here, "books@quiet.example.com"))
        edit_customer(tx, here.blue, {"address": "2 Blue Quay"}, allow_similar=False)
    with here.store.read() as tx:
        before = verify(tx)
        kept = dict(_entries(tx))
    preview = preview_erasure(here.house, here.quiet)
    done = erase(here.house.acting(ACT), here.quiet)
    assert done.erased["audit_details"] == preview.erased["audit_details"] >= 2
    with here.store.read() as tx:
        found, after = verify(tx), dict(_entries(tx))
        assert audit.hash_at(tx, before.last) == before.head  # the head that somebody kept still holds
    assert (found.problems, found.emptied) == ((), done.erased["audit_details"])
    whole = repr(after)
    assert not [one for one in (*QUIET, "1 New Row", "books@quiet.example.com") if one in whole]
    assert "2 Blue Quay" in whole and "1 Blue Quay" in whole
    for number, entry in kept.items():
        facts = [(one.table, one.key, (one.before or {}).keys(), (one.after or {}).keys()) for one in entry.changes]
        now = after[number]
        assert [
            (one.table, one.key, (one.before or {}).keys(), (one.after or {}).keys()) for one in now.changes
        ] == facts
        assert (now.at, now.who, now.act, now.hash) == (entry.at, entry.who, entry.act, entry.hash)


def _entries(tx: Transaction) -> Iterator[tuple[int, audit.Entry]]:
    for one in audit.entries(tx, audit.Wanted(), 10_000):
        yield one.number, one


def _mail(tx: Transaction, here: Harbour, recipient: str) -> dict[str, Any]:
    facts = {"organisation": tx.organisation, "id": "mail_1", "invoice": here.invoices[here.quiet]}
    return {**facts, "recipient": recipient, "sent_at": tx.now}


def _content(here: Harbour) -> Iterator[tuple[str, str]]:
    with here.store.read() as tx:
        for name, table in metadata.tables.items():
            if "organisation" in table.columns:
                yield name, repr(tx.all(sa.select(table).where(table.c.organisation == tx.organisation)))


KILLED_EXPORT = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from penstock.pipeline.privacy.customer_export import export_customer
from penstock.runtime.house import open_house

def kill(what, done, *rest):
    if done > 3:
        os.kill(os.getpid(), signal.SIGKILL)

folder, url, organisation, customer, target = sys.argv[1:]
house = open_house(Path(folder), database=url)
house = replace(house, store=replace(house.store, organisation=organisation))
export_customer(house, customer, Path(target), kill)
"""


def test_doctor_names_what_a_killed_export_left(here: Harbour, tmp_path: Path) -> None:
    folder = here.house.folder
    assert not [one for one in examine(folder) if one.what == "draft"]
    url = here.store.engine.url.render_as_string(hide_password=False)
    target = tmp_path / "away" / "blue.zip"
    target.parent.mkdir()
    words = [str(folder), url, here.store.organisation, here.blue, str(target)]
    subprocess.run([sys.executable, "-c", KILLED_EXPORT, *words], check=False)
    [left] = target.parent.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o600 and left.stat().st_size > 0
    [found] = [one for one in examine(folder) if one.what == "draft"]
    assert (found.verdict, str(left) in found.found) == ("doubt", True)
    export_customer(here.house, here.hai, tmp_path / "hai.zip")
    assert list(target.parent.iterdir()) == [] and not [one for one in examine(folder) if one.what == "draft"]


def test_an_interrupted_erasure_goes_on(here: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(here)
    real, left = customer_erasure.erase_answers, [2]

    def killed(tx: Transaction, customer: str) -> int:
        if not left:
            raise KeyboardInterrupt
        return real(tx, customer, left.pop())

    with monkeypatch.context() as patched:
        patched.setattr(customer_erasure, "erase_answers", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(here.house, "Quiet Co")
    begun = preview_erasure(here.house, "Quiet Co")
    assert begun.state == "begun" and len(everything(here, here.quiet)["answers"]) == 1
    done = erase(here.house, "Quiet Co")
    assert (done.state, done.erased, done.begun_at) == ("finished", begun.erased, begun.begun_at)
    assert everything(here, here.quiet)["answers"] == []


def test_models_that_learned_from_it_are_named(here: Harbour) -> None:
    settle(here)
    with here.store.transaction() as tx:
        rows = [{"text": "where is it", "label": "delivery", "customer": "Quiet Co"}]
        version = add_version(
            tx,
            here.house.blobs,
            product="kefu",
            prepared=Prepared(rows, rows, CleaningReport(1, 1, 0, 1, 1, (), ())),
            source="data/kefu.csv",
        )
    done = erase(here.house, "Quiet Co")
    assert [(one.product, one.version, one.rows_train) for one in done.learned] == [("kefu", version.number, 1)]
    assert "retrain" in done.advice
    with here.store.read() as tx:
        assert releases_of_erased(tx) == {}
    late = here.candidate("kefu", "frozen-linear.v2", 118, version=version.id)  # it learned from it all the same
    here.release(late.id)
    with here.store.read() as tx:
        flagged = {one.candidate: one.erased_customers for one in standing_releases(tx, "kefu") if one.erased_customers}
        assert flagged == {late.id: (here.quiet,)} and len(releases_of_erased(tx)) == 1
        assert releases_of_erased(tx, "helpdesk") == {}
    with here.store.transaction() as tx:
        [still] = lineage(here.house, "kefu", here.quiet)
        assert (still.name, still.consents_now) == (f"Erased {here.quiet}", False)
        for name in (" quiet co", QUIET[1]):
            with pytest.raises(Conflict, match="does not consent to training"):
                check_made(tx, here.house.blobs, "kefu", [{"text": "where is it", "customer": name}])
