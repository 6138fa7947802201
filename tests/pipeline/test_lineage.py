"""Nobody's row is learned from without consent, by whatever road it comes; and from a customer one finds the models."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from registry.shelf import SECRET, candidate, decide

from penstock.cli.root import run
from penstock.core.clock import SettableClock
from penstock.core.errors import Conflict
from penstock.datasets.report import CleaningReport
from penstock.datasets.rows import Prepared
from penstock.datasets.versions import add_version, find_version, list_versions, load_rows
from penstock.identity.customers import add_customer, consent_history, set_training_consent
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.monitoring.events import event_rows, record_event
from penstock.monitoring.feedback import record
from penstock.pipeline.climb import worker as child
from penstock.pipeline.climb.learning import learned_rows, usable_feedback
from penstock.pipeline.privacy.consent import check_made, check_trained, owners_in, owners_of
from penstock.pipeline.privacy.lineage import consented_at, lineage
from penstock.registry import amendments, releases
from penstock.runtime import wire
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction
from penstock.tasks.knowledge import edits as knowledge_entries
from penstock.tasks.knowledge import proposals
from penstock.workspace.records import Workspace

DESK = """\
[company]
name = "Harbour AI"

[products.helpdesk]
task = "text-classification"
data = "rows.csv"
gate = { accuracy = ">= 0.1" }
price = { tiers = [{ unit_price = "0.10" }] }
cleaning = { drop_near_test = false }
"""
ASKED = (
    ["where is parcel {}", "parcel {} is late", "track parcel {}"],
    ["refund order {}", "money for {}", "pay back {}"],
)
ROWS = [
    (ask.format(i), label)
    for asks, label in zip(ASKED, ("track", "refund"), strict=True)
    for ask in asks
    for i in range(8)
]


@pytest.fixture
def desk(tmp_path: Path) -> House:
    """A workspace whose data name no customer."""
    (tmp_path / "penstock.toml").write_text(DESK)
    write_rows(tmp_path, [f"{text},{label}" for text, label in ROWS])
    return open_house(tmp_path, create=True)


def write_rows(folder: Path, lines: list[str], header: str = "text,label") -> None:
    (folder / "rows.csv").write_text("\n".join([header, *lines]) + "\n")


def joined(tx: Transaction, name: str, *, consent: bool = True) -> str:
    return add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id


def answered(tx: Transaction, who: str, asked: Any, output: Any = None, product: str = "helpdesk") -> str:
    """A request of this customer and its answer; the request's id."""
    request = tx.new_id("req")
    append(
        tx,
        [UsageEvent(who, request, who, product, "1", "key", tx.now, 1, "0" * 64)],
        [Answer(who, request, who, product, [asked], json.dumps({"outputs": [output]}).encode(), tx.now)],
    )
    return request


def corrected(house: House, who: str, text: str, label: str = "refund") -> str:
    with house.store.transaction() as tx:
        request = answered(tx, who, text)
        return record(tx, customer=who, request_id=request, index=0, correction=label).id


def version_with(house: House, ids: list[str]) -> dict[str, Any]:
    """What `penstock retrain` does before it trains: gather the rows, then make a version of them."""
    with house.store.read() as tx:
        extra = learned_rows(house, tx, "helpdesk", ids)
    return made(house, extra)


def made(house: House, extra: list[dict[str, Any]]) -> dict[str, Any]:
    arguments = {"folder": str(house.folder), "product": "helpdesk", "extra": extra, "parent": None}
    return wire.plain(child.JOBS["make-version"](arguments, no_progress))


def texts_of(house: House, version: dict[str, Any]) -> set[str]:
    with house.store.read() as tx:
        train, test = load_rows(house.blobs, find_version(tx, "helpdesk", version["id"]))
    return {row["text"] for row in [*train, *test]}


def withdraw(house: House, who: str) -> None:
    with house.store.transaction() as tx:
        set_training_consent(tx, who, False)


def test_a_correction_is_learned_only_of_who_consents(desk: House) -> None:
    with desk.store.transaction() as tx:
        yes, no = joined(tx, "yes"), joined(tx, "no", consent=False)
    ids = [corrected(desk, yes, "my order never came so pay me"), corrected(desk, no, "give me back every cent")]
    found = texts_of(desk, version_with(desk, ids))
    assert "my order never came so pay me" in found
    assert "give me back every cent" not in found


def test_consent_withdrawn_after_the_rows_were_gathered_stops_the_version(desk: House) -> None:
    with desk.store.transaction() as tx:
        who = joined(tx, "blue")
    said = corrected(desk, who, "my order never came so pay me")
    with desk.store.read() as tx:
        extra = learned_rows(desk, tx, "helpdesk", [said])
    withdraw(desk, who)
    with pytest.raises(Conflict, match="is of blue, who does not consent") as refused:
        made(desk, extra)
    assert "penstock retrain helpdesk" in refused.value.hint
    with desk.store.read() as tx:
        assert list_versions(tx, "helpdesk") == []


def test_consent_withdrawn_after_the_version_was_made_stops_the_training(desk: House) -> None:
    with desk.store.transaction() as tx:
        who = joined(tx, "blue")
    version = version_with(desk, [corrected(desk, who, "my order never came so pay me")])
    withdraw(desk, who)
    at = {"folder": str(desk.folder), "product": "helpdesk", "version": version["version"], "rung": "ngram-linear.v1"}
    asked = {"at": {**at, "options": {}}, "incumbent": dict.fromkeys(("candidate", "report", "artifact"))}
    with pytest.raises(Conflict, match="is of blue, who does not consent"):
        child.JOBS["train-rung"]({**asked, "checkpoint": str(desk.folder / "checkpoint")}, no_progress)


@pytest.mark.parametrize("named", ["no", "NO@example.com", "id"])
def test_rows_of_a_file_that_name_a_customer_ask_for_its_consent(desk: House, named: str) -> None:
    with desk.store.transaction() as tx:
        who = joined(tx, "no", consent=False)
    owner = who if named == "id" else named
    lines = [f"{text},{label},{owner if line < 10 else ''}" for line, (text, label) in enumerate(ROWS, 2)]
    write_rows(desk.folder, lines, "text,label,customer")
    (desk.folder / "penstock.toml").write_text(DESK + 'columns = { customer = "customer" }\n')
    with pytest.raises(Conflict, match=r"rows\.csv:\d is of no, who does not consent"):
        made(desk, [])


@pytest.mark.parametrize("named", ["office@example.com", " Office@Example.com ", "MAPLE"])
def test_all_who_bear_a_name_or_an_address_must_consent(store: Store, blobs: BlobStore, named: str) -> None:
    row = {"text": "x", "label": "y", "origin": "rows.csv:5", "customer": named}
    with store.transaction() as tx:
        first, second = (
            add_customer(tx, name=name, email="Office@example.com", training_consent=True, allow_similar=True).id
            for name in ("maple", "Maple")
        )
        check_made(tx, blobs, "helpdesk", [row])
        for yes, no in ((first, second), (second, first)):
            set_training_consent(tx, yes, True)
            set_training_consent(tx, no, False)
            with pytest.raises(Conflict, match=r"rows\.csv:5 is of .aple, who does not consent to training\n"):
                check_trained(tx, blobs, "helpdesk", [row])


def test_a_customer_that_only_the_file_knows_is_the_file_s_word(store: Store, blobs: BlobStore) -> None:
    row = {"text": "x", "label": "y", "origin": "rows.csv:5", "customer": "till 7"}
    with store.transaction() as tx:
        assert owners_of(row, owners_in(tx, blobs, "helpdesk")) == []
        check_made(tx, blobs, "helpdesk", [row])


def test_a_row_of_a_customer_nobody_knows_any_more_is_not_learned(store: Store, blobs: BlobStore) -> None:
    row = {"text": "x", "label": "y", "origin": "feedback:fb_1", "customer": "cus_gone"}
    with store.transaction() as tx, pytest.raises(Conflict, match="is of cus_gone"):
        check_trained(tx, blobs, "helpdesk", [row])


def test_clicks_of_a_customer_are_learned_only_while_it_consents(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        who = joined(tx, "shop")
        request = answered(tx, who, {"user": "u1"}, {"items": [{"item": "cup"}]}, product="shop")
        record_event(tx, customer=who, request_id=request, index=0, kind="click", item="cup")
        rows = event_rows(tx, "shop")
        assert [row["item"] for row in rows] == ["cup"]
        check_trained(tx, blobs, "shop", rows)
        set_training_consent(tx, who, False)
        assert event_rows(tx, "shop") == []
        with pytest.raises(Conflict, match="is of shop"):
            check_trained(tx, blobs, "shop", rows)


FAQ = {"task": "knowledge-answering", "data": "x.csv", "gate": {}, "price": {"tiers": [{"unit_price": "0.1"}]}}
TERMS = knowledge_entries.Terms(lambda tx: [])


@pytest.fixture
def faq(store: Store, blobs: BlobStore) -> House:
    workspace = Workspace.model_validate({"company": {"name": "Harbour AI"}, "products": {"faq": FAQ}})
    return House(workspace, store, blobs, "")


def proposed(tx: Transaction, *asked: tuple[str, str]) -> str:
    """One proposal of what these customers asked."""
    places = [(who, answered(tx, who, text, {"answered": False}, "faq"), text) for who, text in asked]
    group = proposals.Group(
        tuple(proposals.Asked((who, request, 0), text, "unanswered") for who, request, text in places)
    )
    (made_id,) = proposals.keep(tx, "faq", [group])
    return made_id


def taught(house: House, tx: Transaction) -> list[str]:
    return [text for row in learned_rows(house, tx, "faq", []) for text in (row["question"], *row["paraphrases"])]


def test_words_of_an_approved_question_are_learned_only_while_one_who_used_them_consents(faq: House) -> None:
    with faq.store.transaction() as tx:
        blue, red = joined(tx, "blue"), joined(tx, "red")
        asked = [(blue, "Do you  engrave?"), (red, "do you engrave?"), (blue, "can a name go on it")]
        proposals.approve(tx, faq.blobs, proposed(tx, *asked), terms=TERMS, answer="Yes.", question="Engraving?")
        assert taught(faq, tx) == ["Engraving?", "Do you  engrave?", "do you engrave?", "can a name go on it"]
        set_training_consent(tx, blue, False)
        assert taught(faq, tx) == ["Engraving?", "Do you  engrave?", "do you engrave?"]
        set_training_consent(tx, red, False)
        assert taught(faq, tx) == ["Engraving?"]
        content = amendments.content_of(faq.blobs, amendments.current(tx, "faq"))
        with pytest.raises(Conflict, match="does not consent"):  # a version made before, trained on now
            check_trained(tx, faq.blobs, "faq", content["entries"])


def test_an_entry_only_in_the_words_of_who_withdrew_must_be_reworded(faq: House) -> None:
    with faq.store.transaction() as tx:
        blue = joined(tx, "blue")
        entry = proposals.approve(tx, faq.blobs, proposed(tx, (blue, "do you engrave")), terms=TERMS, answer="Yes.")
        set_training_consent(tx, blue, False)
        with pytest.raises(Conflict, match="asks only in words of customers") as refused:
            taught(faq, tx)
        assert f"--id {entry.id} --question" in refused.value.hint
        reworded = {**entry.to_json(), "question": "Can you write on it?", "paraphrases": []}
        knowledge_entries.add_entry(tx, faq.blobs, "faq", lambda _: reworded, TERMS, "reworded")
        assert taught(faq, tx) == ["Can you write on it?"]


def test_whatever_customers_do_no_version_holds_a_row_of_one_who_says_no(
    store: Store, blobs: BlobStore, clock: SettableClock
) -> None:
    """Four customers say yes, say no and correct answers at random; a version is made now and then."""
    product = {"task": "text-classification", "data": "x.csv", "gate": {}, "price": {"tiers": [{"unit_price": "0.1"}]}}
    workspace = Workspace.model_validate({"company": {"name": "Harbour AI"}, "products": {"helpdesk": product}})
    house, draw = House(workspace, store, blobs, ""), random.Random(7)
    report = CleaningReport(0, 0, 0, 1, 1, (), ())
    with store.transaction() as tx:
        people = [joined(tx, name, consent=name < "c") for name in "abcd"]
    refused = taken = 0
    for turn in range(90):
        clock.set(clock.now() + timedelta(seconds=1))
        who = draw.choice(people)
        match draw.randrange(3):
            case 0:
                with store.transaction() as tx:
                    set_training_consent(tx, who, draw.random() < 0.5)
            case 1:
                corrected(house, who, f"text {turn}")
            case _:
                with store.read() as tx:
                    rows = learned_rows(house, tx, "helpdesk", usable_feedback(house, tx, "helpdesk"))
                if draw.random() < 0.5:  # somebody changes its mind while the rows are cleaned
                    with store.transaction() as tx:
                        set_training_consent(tx, who, draw.random() < 0.5)
                own = [{"text": f"own {turn}", "label": "refund", "origin": "x.csv:2", "customer": None}]
                try:
                    with store.transaction() as tx:
                        check_made(tx, blobs, "helpdesk", [*own, *rows])
                        add_version(
                            tx, blobs, product="helpdesk", prepared=Prepared([*own, *rows], own, report), source=""
                        )
                    taken += len(rows)
                except Conflict:
                    refused += 1
    assert refused > 1 and taken > 20  # both were tried
    found = lineage(house, "helpdesk")
    assert len(found) > 10 and not any(one.taken for one in found)


def test_from_a_customer_to_the_release_that_learned_from_it(
    store: Store, blobs: BlobStore, clock: SettableClock
) -> None:
    workspace = Workspace.model_validate({"company": {"name": "Harbour AI"}})
    house = House(workspace, store, blobs, "")
    with store.transaction() as tx:
        blue, red = joined(tx, "blue"), joined(tx, "red", consent=False)
    clock.set(clock.now() + timedelta(days=1))
    rows = [
        {"text": t, "label": "x", "origin": f"feedback:{t}", "customer": who} for t, who in (("a", blue), ("b", red))
    ]
    with store.transaction() as tx:
        report = CleaningReport(0, 0, 0, 2, 1, (), ())
        version = add_version(tx, blobs, product="helpdesk", prepared=Prepared(rows, rows[:1], report), source="")
        first = candidate(tx, "first", dataset_version=version.id)
        smaller = candidate(tx, "smaller", dataset_version=version.id, made_from=[first.id])
        candidate(tx, "of other rows", dataset_version="0" * 64)
        decide(tx, smaller)
        releases.release(tx, smaller.id, SECRET)
    ours, theirs = lineage(house, "helpdesk")
    assert (ours.name, ours.rows_train, ours.rows_test, ours.consented_then, ours.live) == ("blue", 1, 1, True, True)
    assert (ours.candidates, ours.releases) == ((1, 2), (1,))
    assert not ours.taken and not ours.outlived
    assert theirs.name == "red" and theirs.taken and theirs.outlived
    clock.set(clock.now() + timedelta(days=1))
    withdraw(house, blue)
    (ours,) = lineage(house, "helpdesk", blue)
    assert ours.outlived and not ours.taken


def test_consent_counts_at_the_instant_the_version_was_made(store: Store, clock: SettableClock) -> None:
    begun = clock.now()
    with store.transaction() as tx:
        who = joined(tx, "blue", consent=False)
    for day in (1, 2):
        clock.set(begun + timedelta(days=day))
        with store.transaction() as tx:
            set_training_consent(tx, who, day == 1)
    with store.read() as tx:
        said = consent_history(tx, who)
    assert [consented_at(said, begun + timedelta(days=day)) for day in (0.5, 1, 1.5, 2, 2.5)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_the_command_names_what_to_do_and_exits_1_only_for_rows_that_were_taken(
    desk: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with desk.store.transaction() as tx:
        who = joined(tx, "blue")
    version = version_with(desk, [corrected(desk, who, "my order never came so pay me")])
    with desk.store.transaction() as tx:
        made_of = candidate(tx, dataset_version=version["id"])
        decide(tx, made_of)
        releases.release(tx, made_of.id, SECRET)
    withdraw(desk, who)
    assert run(["-C", str(desk.folder), "data", "lineage", "helpdesk", "--customer", "blue"]) == 0
    told = capsys.readouterr()
    assert "blue" in told.out
    assert "the live release learned from blue, which consents no more: penstock retrain helpdesk" in told.err
    with desk.store.transaction() as tx:
        no = joined(tx, "no", consent=False)
        rows = [{"text": "a", "label": "x", "origin": "feedback:fb_1", "customer": no}]
        report = CleaningReport(0, 0, 0, 1, 1, (), ())
        add_version(tx, desk.blobs, product="helpdesk", prepared=Prepared(rows, rows, report), source="")
    assert run(["-C", str(desk.folder), "data", "lineage", "helpdesk"]) == 1
    assert "taken without consent: rows of no" in capsys.readouterr().err
