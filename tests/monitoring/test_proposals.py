"""What customers asked in vain is proposed once, approved by the operator, and quoted only with consent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.datasets.knowledge.entries import Entry
from penstock.identity.customers import add_customer, set_training_consent
from penstock.monitoring import proposal_tables, proposals
from penstock.monitoring.feedback import record
from penstock.monitoring.proposals import Group, Proposal
from penstock.registry.amendments import content_of, current
from penstock.serving.usage_log import Answer, UsageEvent, append, forget_answers
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store

SHIP = Entry("ship", "How long does delivery take?", "Two days.", ("when will it arrive",))
Ask = Callable[..., str]


@pytest.fixture(autouse=True)
def tables(store: Store) -> None:
    for table in (proposal_tables.proposal, proposal_tables.proposal_question):
        table.create(store.engine, checkfirst=True)


@pytest.fixture
def ask(store: Store) -> Ask:
    """Answers questions of a customer, each (text, whether it was answered), as the gateway would."""

    def asking(customer: str, *asked: tuple[str, bool], id: str = "req_1") -> str:
        body = json.dumps({"outputs": [{"answered": answered} for _, answered in asked]}).encode()
        with store.transaction() as tx:
            event = UsageEvent(customer, id, customer, "faq", "1", "key", tx.now, len(asked), "0" * 64)
            append(tx, [event], [Answer(customer, id, customer, "faq", [text for text, _ in asked], body, tx.now)])
        return id

    return asking


def customer(store: Store, name: str, *, consent: bool = False) -> str:
    with store.transaction() as tx:
        return add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id


def proposed(store: Store) -> list[Proposal]:
    """All that is gathered now as one new proposal."""
    with store.transaction() as tx:
        asked = proposals.gather(tx, "faq")
        if asked:
            proposals.keep(tx, "faq", [Group(tuple(asked), None, "ship", "Two days.")])
        return proposals.list_proposals(tx, "faq")


def test_unanswered_and_rated_down_questions_are_gathered_once(store: Store, ask: Ask) -> None:
    blue = customer(store, "blue", consent=True)
    request = ask(blue, ("do you gift-wrap", False), ("where is it", True), ("hi", True))
    with store.transaction() as tx:
        record(tx, customer=blue, request_id=request, index=1, rating=-1)
        record(tx, customer=blue, request_id=request, index=2, rating=1)  # a thumb up
        found = proposals.gather(tx, "faq")
        assert {(one.text, one.why) for one in found} == {
            ("do you gift-wrap", "unanswered"),
            ("where is it", "rated down"),
        }
        assert proposals.gather(tx, "other") == []
    (one,) = proposed(store)
    assert (one.count, one.near, one.suggestion, one.state) == (2, "ship", "Two days.", "open")
    assert proposed(store) == [one]  # nothing is gathered twice


def test_where_stars_are_given_one_and_two_are_low(store: Store, ask: Ask) -> None:
    blue = customer(store, "blue")
    request = ask(blue, ("a", True), ("b", True), ("c", True), ("d", True))
    with store.transaction() as tx:
        for index, stars in enumerate((1, 2, 3, 5)):
            record(tx, customer=blue, request_id=request, index=index, rating=stars)
        assert sorted(one.text for one in proposals.gather(tx, "faq")) == ["a", "b"]


def test_questions_alike_form_one_group_and_join_the_proposal_there_is() -> None:
    def unit(*values: float) -> np.ndarray:
        vector = np.array(values, dtype=np.float32)
        return vector / np.linalg.norm(vector)

    vectors = np.stack([unit(1, 0, 0), unit(1, 0.1, 0), unit(0, 1, 0), unit(1, 0.2, 0), unit(0, 0, 1)])
    assert proposals.grouped(vectors, np.zeros((0, 3), dtype=np.float32), 0.9) == [
        (None, [0, 1, 3]),
        (None, [2]),
        (None, [4]),
    ]
    known = np.stack([unit(0, 1, 0.1)])
    assert proposals.grouped(vectors, known, 0.9) == [(0, [2]), (None, [0, 1, 3]), (None, [4])]


def test_an_approved_proposal_becomes_an_entry_in_one_transaction(store: Store, ask: Ask, blobs: BlobStore) -> None:
    blue, red = customer(store, "blue", consent=True), customer(store, "red")
    ask(blue, ("can you gift-wrap it", False))
    ask(red, ("my aunt Eve wants it wrapped", False), id="req_2")
    (one,) = proposed(store)
    assert one.count == 2 and one.quotable == ("can you gift-wrap it",)
    with store.transaction() as tx:
        made = proposals.approve(tx, blobs, one.id, entries=[SHIP], answer="Yes, for 3 euros.")
    assert made.questions == ("can you gift-wrap it",)  # without consent nobody's words are written down
    with store.read() as tx:
        content = content_of(blobs, current(tx, "faq"))
        decided = proposals.get_proposal(tx, one.id)
    assert [entry["answer"] for entry in content["entries"]] == ["Yes, for 3 euros."]
    assert (decided.state, decided.entry) == ("approved", made.id)
    assert content["entries"][0]["origin"] == f"proposal:{one.id}"
    with pytest.raises(Conflict, match="approved already"), store.transaction() as tx:
        proposals.approve(tx, blobs, one.id, entries=[SHIP], answer="No.")


def test_words_without_consent_must_be_reworded_and_are_not_kept(
    store: Store, ask: Ask, blobs: BlobStore, clock: SettableClock
) -> None:
    red = customer(store, "red")
    ask(red, ("my aunt Eve wants it wrapped", False))
    (one,) = proposed(store)
    assert one.question == "my aunt Eve wants it wrapped" and one.quotable == ()
    for way in ({"answer": "Yes."}, {"onto": "ship"}):
        with pytest.raises(BadInput, match="must be reworded"), store.transaction() as tx:
            proposals.approve(tx, blobs, one.id, entries=[SHIP], **way)
    clock.advance(timedelta(days=40))
    with store.transaction() as tx:
        forget_answers(tx, before=tx.now - timedelta(days=30))
        assert proposals.get_proposal(tx, one.id).question is None
        made = proposals.approve(tx, blobs, one.id, entries=[SHIP], answer="Yes.", question="Do you wrap gifts?")
    assert made.questions == ("Do you wrap gifts?",)


def test_consent_withdrawn_before_the_approval_holds(store: Store, ask: Ask, blobs: BlobStore) -> None:
    blue = customer(store, "blue", consent=True)
    ask(blue, ("can you gift-wrap it", False))
    (one,) = proposed(store)
    with store.transaction() as tx:
        set_training_consent(tx, blue, False)
        assert proposals.get_proposal(tx, one.id).quotable == ()
        with pytest.raises(BadInput, match="must be reworded"):
            proposals.approve(tx, blobs, one.id, entries=[SHIP], answer="Yes.")


def test_a_proposal_can_teach_an_entry_more_ways_to_be_asked(store: Store, ask: Ask, blobs: BlobStore) -> None:
    blue = customer(store, "blue", consent=True)
    ask(blue, ("is my parcel late", False), ("when will it arrive", False))
    (one,) = proposed(store)
    with store.transaction() as tx:
        with pytest.raises(NotFound, match="no entry 'zz'"):
            proposals.approve(tx, blobs, one.id, entries=[SHIP], onto="zz")
        with pytest.raises(BadInput, match="either the answer or the entry"):
            proposals.approve(tx, blobs, one.id, entries=[SHIP], onto="ship", answer="x")
        made = proposals.approve(tx, blobs, one.id, entries=[SHIP], onto="ship")
    assert made.questions == (*SHIP.questions, "is my parcel late") and made.version == SHIP.version


def test_a_rejected_proposal_stays_closed(store: Store, ask: Ask) -> None:
    ask(customer(store, "blue", consent=True), ("sing me a song", False))
    (one,) = proposed(store)
    with store.transaction() as tx:
        proposals.reject(tx, one.id)
        assert proposals.list_proposals(tx, "faq") == []
        assert proposals.known_texts(tx, "faq") == {one.id: ["sing me a song"]}  # what is like it joins it
        assert [each.state for each in proposals.list_proposals(tx, "faq", None)] == ["rejected"]
        with pytest.raises(NotFound, match="no proposal 'prop_x'"):
            proposals.reject(tx, "prop_x")


def test_entries_are_added_changed_and_withdrawn_as_one_present_state(store: Store, blobs: BlobStore) -> None:
    gift = Entry("gift", "Do you wrap?", "Yes.")
    with store.transaction() as tx:
        proposals.add_entry(tx, blobs, "faq", gift, [SHIP])
        with pytest.raises(Conflict, match="'ship' asks the same and answers otherwise"):
            proposals.add_entry(tx, blobs, "faq", Entry("x", "how long does  delivery take?", "Never."), [SHIP])
        proposals.withdraw(tx, blobs, "faq", "ship", [SHIP, gift])
        proposals.add_entry(tx, blobs, "faq", Entry("gift", "Do you wrap?", "No."), [gift])
        content = content_of(blobs, current(tx, "faq"))
        assert [(one["id"], one["answer"]) for one in content["entries"]] == [("gift", "No.")]
        assert content["withdrawn"] == ["ship"]
        proposals.add_entry(tx, blobs, "faq", SHIP, [gift])
        assert content_of(blobs, current(tx, "faq"))["withdrawn"] == []
        with pytest.raises(NotFound, match="no entry 'zz'"):
            proposals.withdraw(tx, blobs, "faq", "zz", [gift])
