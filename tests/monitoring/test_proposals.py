"""What customers asked in vain is proposed once, approved by the operator, and quoted only with consent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.identity.customers import add_customer, set_training_consent
from penstock.metering.usage_log import Answer, UsageEvent, append, forget_answers
from penstock.monitoring.feedback import record
from penstock.registry.amendments import content_of, current
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.knowledge import proposals
from penstock.tasks.knowledge import tables as proposal_tables
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.edits import Terms, add_entry, withdraw
from penstock.tasks.knowledge.proposals import Asked, Group, Proposal

SHIP = Entry("ship", "How long does delivery take?", "Two days.", ("when will it arrive",))
TERMS = Terms(lambda tx: [SHIP])
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
        asked = proposals.gather(tx, "faq").asked
        if asked:
            proposals.keep(tx, "faq", [Group(asked, None, "ship", "Two days.")])
        return proposals.list_proposals(tx, "faq")


def test_unanswered_and_rated_down_questions_are_gathered_once(store: Store, ask: Ask) -> None:
    blue = customer(store, "blue", consent=True)
    request = ask(blue, ("do you gift-wrap", False), ("where is it", True), ("hi", True))
    with store.transaction() as tx:
        record(tx, customer=blue, request_id=request, index=1, rating=-1)
        record(tx, customer=blue, request_id=request, index=2, rating=1)  # a thumb up
        found = proposals.gather(tx, "faq").asked
        assert {(one.text, one.why) for one in found} == {
            ("do you gift-wrap", "unanswered"),
            ("where is it", "rated down"),
        }
        assert proposals.gather(tx, "other").asked == ()
    (one,) = proposed(store)
    assert (one.count, one.near, one.suggestion, one.state) == (2, "ship", "Two days.", "open")
    assert proposed(store) == [one]  # nothing is gathered twice


def test_where_stars_are_given_one_and_two_are_low(store: Store, ask: Ask) -> None:
    blue = customer(store, "blue")
    request = ask(blue, ("a", True), ("b", True), ("c", True), ("d", True))
    with store.transaction() as tx:
        for index, stars in enumerate((1, 2, 3, 5)):
            record(tx, customer=blue, request_id=request, index=index, rating=stars)
        assert sorted(one.text for one in proposals.gather(tx, "faq").asked) == ["a", "b"]


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
        made = proposals.approve(tx, blobs, one.id, terms=TERMS, answer="Yes, for 3 euros.")
    assert made.questions == ("can you gift-wrap it",)  # without consent nobody's words are written down
    with store.read() as tx:
        content = content_of(blobs, current(tx, "faq"))
        decided = proposals.get_proposal(tx, one.id)
    assert [entry["answer"] for entry in content["entries"]] == ["Yes, for 3 euros."]
    assert (decided.state, decided.entry) == ("approved", made.id)
    assert content["entries"][0]["origin"] == f"proposal:{one.id}"
    with pytest.raises(Conflict, match="approved already"), store.transaction() as tx:
        proposals.approve(tx, blobs, one.id, terms=TERMS, answer="No.")


def test_words_without_consent_must_be_reworded_and_are_not_kept(
    store: Store, ask: Ask, blobs: BlobStore, clock: SettableClock
) -> None:
    red = customer(store, "red")
    ask(red, ("my aunt Eve wants it wrapped", False))
    (one,) = proposed(store)
    assert one.question == "my aunt Eve wants it wrapped" and one.quotable == ()
    for way in ({"answer": "Yes."}, {"onto": "ship"}):
        with pytest.raises(BadInput, match="must be reworded"), store.transaction() as tx:
            proposals.approve(tx, blobs, one.id, terms=TERMS, **way)
    clock.advance(timedelta(days=40))
    with store.transaction() as tx:
        forget_answers(tx, before=tx.now - timedelta(days=30))
        assert proposals.get_proposal(tx, one.id).question is None
        made = proposals.approve(tx, blobs, one.id, terms=TERMS, answer="Yes.", question="Do you wrap gifts?")
    assert made.questions == ("Do you wrap gifts?",)


def test_consent_withdrawn_before_the_approval_holds(store: Store, ask: Ask, blobs: BlobStore) -> None:
    blue = customer(store, "blue", consent=True)
    ask(blue, ("can you gift-wrap it", False))
    (one,) = proposed(store)
    with store.transaction() as tx:
        set_training_consent(tx, blue, False)
        assert proposals.get_proposal(tx, one.id).quotable == ()
        with pytest.raises(BadInput, match="must be reworded"):
            proposals.approve(tx, blobs, one.id, terms=TERMS, answer="Yes.")


def test_a_proposal_can_teach_an_entry_more_ways_to_be_asked(store: Store, ask: Ask, blobs: BlobStore) -> None:
    blue = customer(store, "blue", consent=True)
    ask(blue, ("is my parcel late", False), ("when will it arrive", False))
    (one,) = proposed(store)
    with store.transaction() as tx:
        with pytest.raises(NotFound, match="no entry 'zz'"):
            proposals.approve(tx, blobs, one.id, terms=TERMS, onto="zz")
        with pytest.raises(BadInput, match="either the answer or the entry"):
            proposals.approve(tx, blobs, one.id, terms=TERMS, onto="ship", answer="x")
        made = proposals.approve(tx, blobs, one.id, terms=TERMS, onto="ship")
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


def test_a_copied_text_is_neither_shown_nor_kept_once_consent_is_withdrawn(
    store: Store, ask: Ask, clock: SettableClock
) -> None:
    blue = customer(store, "blue", consent=True)
    ask(blue, ("can you gift-wrap it", False))
    (one,) = proposed(store)
    clock.advance(timedelta(days=40))
    with store.transaction() as tx:
        forget_answers(tx, before=tx.now - timedelta(days=30))
        assert proposals.get_proposal(tx, one.id).question == "can you gift-wrap it"  # the copy
        set_training_consent(tx, blue, False)
        assert proposals.get_proposal(tx, one.id).question is None
        assert proposals.known_texts(tx, "faq") == {one.id: []}
        proposals.keep(tx, "faq", [])  # the next look at proposals
        set_training_consent(tx, blue, True)
        assert proposals.get_proposal(tx, one.id).question is None  # gone for good
        assert proposals.forget_copies(tx) == 0


def test_gathering_goes_through_all_answers_page_by_page(
    store: Store, ask: Ask, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "_PAGE", 2)
    blue, red = customer(store, "blue"), customer(store, "red")
    for number in range(3):  # two of one instant each, of both customers under one id
        ask(blue, (f"blue {number}", False), (f"known {number}", True), id=f"req_{number}")
        ask(red, (f"red {number}", False), id=f"req_{number}")
        clock.advance(timedelta(minutes=number))
    found: list[Asked] = []
    pages, before = 0, None
    with store.read() as tx:
        while pages == 0 or before is not None:
            page = proposals.gather(tx, "faq", before)
            found, before, pages = [*found, *page.asked], page.before, pages + 1
    assert pages == 4 and len(found) == 6  # the last page is empty
    assert {one.text for one in found[:2]} == {"blue 2", "red 2"}
    assert {one.text for one in found} == {f"{who} {number}" for who in ("blue", "red") for number in range(3)}


def test_a_question_with_a_nul_makes_an_entry_that_can_be_read(store: Store, ask: Ask, blobs: BlobStore) -> None:
    ask(customer(store, "blue", consent=True), ("gift\0wrap", False))
    (one,) = proposed(store)
    with store.transaction() as tx:
        made = proposals.approve(tx, blobs, one.id, terms=TERMS, onto="ship")
    assert made.questions == (*SHIP.questions, "gift wrap")


def test_every_edit_stands_on_what_the_others_left(store: Store, ask: Ask, blobs: BlobStore) -> None:
    texts = ("is my parcel late", "where is the van", "is it on its way")
    blue, ids = customer(store, "blue", consent=True), []
    for number, text in enumerate(texts):
        ask(blue, (text, False), id=f"req_{number}")
        with store.transaction() as tx:
            ids += proposals.keep(tx, "faq", [Group(proposals.gather(tx, "faq").asked)])
    for one in ids[:2]:  # as two people would, each having seen the entry without the other's question
        with store.transaction() as tx:
            made = proposals.approve(tx, blobs, one, terms=TERMS, onto="ship")
    assert made.questions == (*SHIP.questions, *texts[:2])
    with store.transaction() as tx:
        with pytest.raises(Conflict, match="it is the last entry"):
            withdraw(tx, blobs, "faq", "ship", TERMS)
        add_entry(tx, blobs, "faq", lambda present: {"id": "gift", "question": "Gifts?", "answer": "Yes."}, TERMS, "")
        withdraw(tx, blobs, "faq", "ship", TERMS)
        with pytest.raises(NotFound, match="no entry 'ship'"):  # its withdrawal is not undone
            proposals.approve(tx, blobs, ids[2], terms=TERMS, onto="ship")
        with pytest.raises(Conflict, match="it is the last entry"):
            withdraw(tx, blobs, "faq", "gift", TERMS)
        assert content_of(blobs, current(tx, "faq"))["withdrawn"] == ["ship"]


def test_an_answer_longer_than_the_product_allows_is_refused_before_it_is_approved(
    store: Store, ask: Ask, blobs: BlobStore
) -> None:
    ask(customer(store, "blue", consent=True), ("can you gift-wrap it", False))
    (one,) = proposed(store)
    short = Terms(TERMS.released, most_answer_chars=20)
    with pytest.raises(BadInput, match="21 characters; at most 20"), store.transaction() as tx:
        proposals.approve(tx, blobs, one.id, terms=short, answer="x" * 21)
    with store.transaction() as tx:
        assert proposals.get_proposal(tx, one.id).state == "open" and current(tx, "faq") is None


def test_entries_are_added_changed_and_withdrawn_as_one_present_state(store: Store, blobs: BlobStore) -> None:
    def put(name: str, question: str, answer: str) -> None:
        values = {"id": name, "question": question, "answer": answer}
        add_entry(tx, blobs, "faq", lambda present: values, TERMS, "")

    with store.transaction() as tx:
        put("gift", "Do you wrap?", "Yes.")
        with pytest.raises(Conflict, match="'ship' asks the same and answers otherwise"):
            put("x", "how long does  delivery take?", "Never.")
        withdraw(tx, blobs, "faq", "ship", TERMS)
        put("gift", "Do you wrap?", "No.")
        content = content_of(blobs, current(tx, "faq"))
        assert [(one["id"], one["answer"]) for one in content["entries"]] == [("gift", "No.")]
        assert content["withdrawn"] == ["ship"]
        put("ship", SHIP.question, SHIP.answer)
        assert content_of(blobs, current(tx, "faq"))["withdrawn"] == []
        with pytest.raises(NotFound, match="no entry 'zz'"):
            withdraw(tx, blobs, "faq", "zz", TERMS)
