"""The operator accepts and rejects corrections; each piece of feedback is in one state, and the counts say which."""

from datetime import timedelta

import pytest

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.identity.customers import add_customer, set_training_consent
from penstock.metering.usage_log import Answer, UsageEvent, append, forget_answers
from penstock.monitoring.feedback import page_of_feedback, record, unusable_corrections, usable_corrections
from penstock.monitoring.review import decide, note_rows, state_counts, undecided_of
from penstock.storage.engine import Store, Transaction


def asked(tx: Transaction, who: str, *texts: str) -> str:
    id = tx.new_id("req")
    event = UsageEvent(who, id, who, "desk", "1", "key", tx.now, len(texts), "0" * 64)
    body = b'{"outputs": [%s]}' % b",".join(b'{"label": "wrong", "score": 0.5}' for _ in texts)
    append(tx, [event], [Answer(who, id, who, "desk", list(texts), body, tx.now)])
    return id


def customer(tx: Transaction, name: str, *, consent: bool = True) -> str:
    return add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id


def corrected(tx: Transaction, who: str, *texts: str) -> list[str]:
    request = asked(tx, who, *texts)
    return [
        record(tx, customer=who, request_id=request, index=index, correction="right").id for index in range(len(texts))
    ]


def states(tx: Transaction) -> dict[str, str]:
    return {one.said.id: one.state for one in page_of_feedback(tx, product="desk", limit=100)}


def test_what_is_rejected_trains_nothing_and_no_longer_waits(store: Store) -> None:
    with store.transaction() as tx:
        blue = customer(tx, "blue")
        first, second, third = corrected(tx, blue, "one", "two", "three")
        rated = record(tx, customer=blue, request_id=asked(tx, blue, "four"), index=0, rating=1).id
        assert state_counts(tx) == {"desk": {"waiting": 3, "noted": 1}}
        assert decide(tx, [first, second], "rejected", " spam ") == 2
        assert decide(tx, [first], "rejected", "spam") == 0
        assert decide(tx, [third], "accepted") == 1
        assert states(tx) == {first: "rejected", second: "rejected", third: "accepted", rated: "noted"}
        assert state_counts(tx) == {"desk": {"rejected": 2, "accepted": 1, "noted": 1}}
        assert [one.feedback_id for one in usable_corrections(tx, "desk")] == [third]
        assert {one.reason for one in unusable_corrections(tx, "desk")} == {"you rejected it"}
        decide(tx, [second], "accepted")
        assert [one.feedback_id for one in usable_corrections(tx, "desk")] == [second, third]


def test_a_product_may_train_on_accepted_corrections_only(store: Store) -> None:
    with store.transaction() as tx:
        first, second = corrected(tx, customer(tx, "blue"), "one", "two")
        decide(tx, [second], "accepted")
        assert [one.feedback_id for one in usable_corrections(tx, "desk", accepted_only=True)] == [second]
        (left,) = unusable_corrections(tx, "desk", accepted_only=True)
        assert left.feedback_id == first and "you have not accepted it" in left.reason


def test_what_cannot_be_decided_is_refused_and_then_nothing_is(store: Store) -> None:
    with store.transaction() as tx:
        blue = customer(tx, "blue")
        request = asked(tx, blue, "one", "two")
        old = record(tx, customer=blue, request_id=request, index=0, correction="a").id
        new = record(tx, customer=blue, request_id=request, index=0, correction="b").id
        rated = record(tx, customer=blue, request_id=request, index=1, rating=1).id
        for wrong, kind, says in (
            ("fb_none", NotFound, "no feedback 'fb_none'"),
            (old, Conflict, "said something newer"),
            (rated, Conflict, "corrects nothing"),
        ):
            with pytest.raises(kind, match=says):
                decide(tx, [new, wrong], "accepted")
        with pytest.raises(BadInput, match="at most 500"):
            decide(tx, [new], "rejected", "x" * 501)
        assert states(tx) == {new: "waiting", old: "replaced", rated: "noted"}


def test_a_customer_s_are_decided_together(store: Store) -> None:
    with store.transaction() as tx:
        blue, red = customer(tx, "blue"), customer(tx, "red")
        first, second = corrected(tx, blue, "one", "two")
        corrected(tx, red, "three")
        decide(tx, [first], "accepted")
        assert undecided_of(tx, blue) == [second] == undecided_of(tx, blue, "desk")
        assert undecided_of(tx, blue, "other") == []


def test_one_that_gave_no_row_no_longer_waits_until_it_is_decided_anew(store: Store) -> None:
    with store.transaction() as tx:
        first, second = corrected(tx, customer(tx, "blue"), "one", "two")
        note_rows(tx, [second, "ev_other"], {first: "rows that repeat an earlier one"})
        assert state_counts(tx) == {"desk": {"no_row": 1, "waiting": 1}}
        (shown,) = page_of_feedback(tx, states=["no_row"], limit=9)
        assert shown.review is not None and shown.review.no_row == "rows that repeat an earlier one"
        decide(tx, [first], "accepted")
        assert state_counts(tx) == {"desk": {"accepted": 1, "waiting": 1}}
        note_rows(tx, [], {first: "TRAINING ROWS"})
        note_rows(tx, [first], {})
        assert state_counts(tx) == {"desk": {"accepted": 1, "waiting": 1}}


def test_message_and_answer_are_shown_while_kept_or_consented_to(store: Store) -> None:
    with store.transaction() as tx:
        yes, no = customer(tx, "yes"), customer(tx, "no", consent=False)
        [with_copy], [without] = corrected(tx, yes, "mine"), corrected(tx, no, "theirs")

        def pairs() -> dict[str, object]:
            return {one.said.id: one.pair for one in page_of_feedback(tx, limit=9)}

        output = {"label": "wrong", "score": 0.5}
        assert pairs() == {with_copy: ("mine", output), without: ("theirs", output)}
        forget_answers(tx, before=tx.now + timedelta(days=1))
        assert pairs() == {with_copy: ("mine", output), without: None}
        set_training_consent(tx, yes, False)
        assert pairs() == {with_copy: None, without: None}


def test_pages_follow_each_other(store: Store) -> None:
    with store.transaction() as tx:
        ids = corrected(tx, customer(tx, "blue"), *"abcde")
        first = [one.said.id for one in page_of_feedback(tx, limit=2)]
        rest = [one.said.id for one in page_of_feedback(tx, limit=9, after=first[-1])]
        assert first + rest == ids[::-1]
        with pytest.raises(NotFound, match="fb_gone"):
            page_of_feedback(tx, limit=2, after="fb_gone")
