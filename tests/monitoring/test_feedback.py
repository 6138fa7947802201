"""Feedback: customers rate and correct their own answers; corrections train only while they consent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, NotFound
from penstock.datasets.report import ClassCount, CleaningReport
from penstock.datasets.rows import Prepared, Row, as_objects
from penstock.datasets.versions import add_version
from penstock.identity.customers import add_customer, set_training_consent
from penstock.metering.usage_log import Answer, UsageEvent, append, forget_answers
from penstock.monitoring.feedback import (
    Correction,
    list_feedback,
    mark_used,
    record,
    unusable_corrections,
    usable_corrections,
)
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction

Ask = Callable[..., str]


@pytest.fixture
def ask(store: Store) -> Ask:
    """Answers a request of a customer, as the gateway would."""

    def asking(customer: str, *texts: Any, id: str = "req_1") -> str:
        with store.transaction() as tx:
            event = UsageEvent(customer, id, customer, "helpdesk", "1", "key", tx.now, len(texts), "0" * 64)
            append(tx, [event], [Answer(customer, id, customer, "helpdesk", list(texts), b"{}", tx.now)])
        return id

    return asking


def customer(store: Store, name: str, *, consent: bool = False) -> str:
    with store.transaction() as tx:
        return add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id


def test_a_customer_rates_and_corrects_an_answer_of_its_own(store: Store, ask: Ask) -> None:
    blue, red = customer(store, "blue", consent=True), customer(store, "red")
    request = ask(blue, "where is my card", "card lost")
    with store.transaction() as tx:
        said = record(tx, customer=blue, request_id=request, index=1, correction=" lost_card ", rating=-1)
        assert (said.product, said.correction, said.rating) == ("helpdesk", "lost_card", -1)
        assert list_feedback(tx, "helpdesk") == [said] and list_feedback(tx, "mood") == []
        (usable,) = usable_corrections(tx, "helpdesk")
        assert usable == Correction(said.id, blue, "card lost", "lost_card")
        assert usable.origin == f"feedback:{said.id}"
        errors = []
        for who, what in ((red, request), (blue, "req_unknown")):
            with pytest.raises(NotFound) as caught:
                record(tx, customer=who, request_id=what, index=0, rating=1)
            errors.append(str(caught.value).replace(what, "…"))
        assert errors[0] == errors[1]  # another's request and none at all read the same


def test_a_newer_word_replaces_the_older_which_stays_on_record(store: Store, ask: Ask) -> None:
    blue = customer(store, "blue", consent=True)
    request = ask(blue, "card lost")

    def say(tx: Transaction, **what: Any) -> Any:
        return record(tx, customer=blue, request_id=request, index=0, **what)

    with store.transaction() as tx:
        first = say(tx, rating=-1)
        second = say(tx, correction="lost_card", comment="wrong")
        assert (second.rating, second.comment) == (-1, "wrong")
        assert say(tx, correction="lost_card") == second  # a retry changes nothing
        third = say(tx, correction="stolen_card")
        assert say(tx, rating=-1) == third
        everything = list_feedback(tx)
        assert [(one.id, one.superseded) for one in everything] == [
            (third.id, False),
            (second.id, True),
            (first.id, True),
        ]
        assert [one.truth for one in usable_corrections(tx, "helpdesk")] == ["stolen_card"]


def test_corrections_train_only_while_their_customer_consents(store: Store, ask: Ask, clock: SettableClock) -> None:
    yes, no = customer(store, "yes", consent=True), customer(store, "no")
    with store.transaction() as tx:
        kept = record(tx, customer=yes, request_id=ask_in(tx, yes), index=0, correction="a")
        withheld = record(tx, customer=no, request_id=ask_in(tx, no), index=0, correction="b")
        assert [one.feedback_id for one in usable_corrections(tx, "helpdesk")] == [kept.id]
        (reason,) = unusable_corrections(tx, "helpdesk")
        assert (reason.feedback_id, reason.customer) == (withheld.id, no) and "not consented" in reason.reason
        set_training_consent(tx, yes, False)
        assert usable_corrections(tx, "helpdesk") == []
        set_training_consent(tx, no, True)
        assert [one.input for one in usable_corrections(tx, "helpdesk")] == [f"text of {no}"]

    # an input that was not copied is gone with its answer; a copied one stays
    clock.advance(timedelta(days=40))
    with store.transaction() as tx:
        assert forget_answers(tx, before=tx.now) == 2
        set_training_consent(tx, yes, True)
        assert [one.input for one in usable_corrections(tx, "helpdesk")] == [f"text of {yes}"]
        assert [one.reason for one in unusable_corrections(tx, "helpdesk")] == ["the input is no longer kept"]
        with pytest.raises(NotFound, match="no answer to request"):
            record(tx, customer=yes, request_id=f"req_{yes}", index=0, rating=1)


def ask_in(tx: Transaction, who: str) -> str:
    event = UsageEvent(who, f"req_{who}", who, "helpdesk", "1", "key", tx.now, 1, "0" * 64)
    append(tx, [event], [Answer(who, event.id, who, "helpdesk", [f"text of {who}"], b"{}", tx.now)])
    return event.id


def test_an_unknown_label_is_refused_with_the_nearest_named_or_kept_as_a_proposal(
    store: Store, ask: Ask, blobs: BlobStore
) -> None:
    blue = customer(store, "blue", consent=True)
    request = ask(blue, "one", "two")
    counts = (ClassCount("card", 1, 1),)
    report = CleaningReport(1, 1, 0, 1, 1, counts, ())
    prepared = Prepared(as_objects([Row("a", "card", "f:1")]), as_objects([Row("b", "card", "f:2")]), report)
    with store.transaction() as tx:
        assert not record(tx, customer=blue, request_id=request, index=0, correction="loan").new_label
        version = add_version(tx, blobs, product="helpdesk", prepared=prepared, source="f")
        assert not record(tx, customer=blue, request_id=request, index=1, correction="card").new_label
        with pytest.raises(BadInput, match=r"correction: 'Crad' is not a label of helpdesk\n  did you mean 'card'"):
            record(tx, customer=blue, request_id=request, index=1, correction="Crad")
        with pytest.raises(BadInput, match="its labels: 'card'"):
            record(tx, customer=blue, request_id=request, index=1, correction="mortgage")
        assert [one.correction for one in list_feedback(tx)] == ["card", "loan"]
        said = record(
            tx, customer=blue, request_id=request, index=1, correction="mortgage", proposes=lambda product: True
        )
        assert said.new_label
        mark_used(tx, [said.id], version.id)
        mark_used(tx, [said.id], version.id)
        assert [one.used_in for one in list_feedback(tx) if one.id == said.id] == [version.id]
        with pytest.raises(NotFound, match="no feedback 'fb_other'"):
            mark_used(tx, ["fb_other"], version.id)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"index": 2, "rating": 1}, "index: there is no output 2"),
        ({"index": -1, "rating": 1}, "index: there is no output -1"),
        ({"index": True, "rating": 1}, "index: True is not an index"),
        ({"index": "0", "rating": 1}, "index: '0' is not an index"),
        ({"index": 0}, "nothing was said"),
        ({"index": 0, "rating": 0}, "rating: 0 is not a rating"),
        ({"index": 0, "rating": 6}, "rating: 6 is not a rating"),
        ({"index": 0, "rating": True}, "rating: True is not a rating"),
        ({"index": 0, "rating": 4.0}, "rating: 4.0 is not a rating"),
        ({"index": 0, "rating": [1]}, r"rating: \[1\] is not a rating"),
        ({"index": 0, "correction": "  "}, "correction: the correction must be text"),
        ({"index": 0, "correction": "x" * 2_001}, "correction: the correction must be text"),
        ({"index": 0, "correction": 7}, "correction: the correction must be text"),
        ({"index": 0, "comment": "x" * 2_001}, "comment: the comment must be text"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(store: Store, ask: Ask, what: dict[str, Any], says: str) -> None:
    blue = customer(store, "blue")
    request = ask(blue, "one", 2)
    with store.transaction() as tx:
        with pytest.raises(BadInput, match=says):
            record(tx, customer=blue, request_id=request, **what)
        assert list_feedback(tx) == []


def test_what_the_product_s_task_cannot_learn_from_is_refused_and_not_kept(store: Store, ask: Ask) -> None:
    blue = customer(store, "blue")
    request = ask(blue, {"age": 41})
    told: list[tuple[str, Any, str]] = []

    def check(product: str, input: Any, correction: str) -> None:
        told.append((product, input, correction))
        raise BadInput("no such class", where="correction")

    with store.transaction() as tx:
        with pytest.raises(BadInput, match="correction: no such class"):
            record(tx, customer=blue, request_id=request, index=0, correction=" high ", check=check)
        assert told == [("helpdesk", {"age": 41}, "high")]
        assert list_feedback(tx) == []
        assert record(tx, customer=blue, request_id=request, index=0, rating=-1, check=check).correction is None


@pytest.mark.parametrize("input", ["a text", {"age": 41, "name": "Zoë"}, ["a", 1.5, None], 7])
def test_an_input_of_any_task_comes_back_as_it_was_sent(store: Store, ask: Ask, input: Any) -> None:
    blue = customer(store, "blue", consent=True)
    request = ask(blue, input)
    with store.transaction() as tx:
        record(tx, customer=blue, request_id=request, index=0, correction="right")
        forget_answers(tx, before=tx.now + timedelta(days=1))
        assert [one.input for one in usable_corrections(tx, "helpdesk")] == [input]
