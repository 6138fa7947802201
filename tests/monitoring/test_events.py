"""Clicks and purchases: counted once, only for what was shown, learned from only while the customer consents."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, NotFound
from penstock.identity.customers import add_customer, set_training_consent
from penstock.metering.usage_log import Answer, UsageEvent, append, forget_answers
from penstock.monitoring.events import event_rows, list_events, mark_events_used, record_event
from penstock.storage.engine import Store

Ask = Callable[..., str]


@pytest.fixture
def ask(store: Store) -> Ask:
    """Answers a request of a customer with items b1 and b2 for each input, as the gateway would."""

    def asking(customer: str, *inputs: Any, id: str = "req_1", output: Any = None) -> str:
        shown = output or {"items": [{"item": "b1"}, {"item": "b2"}]}
        body = json.dumps({"outputs": [shown for _ in inputs]}).encode()
        with store.transaction() as tx:
            event = UsageEvent(customer, id, customer, "books", "1", "key", tx.now, len(inputs), "0" * 64)
            append(tx, [event], [Answer(customer, id, customer, "books", list(inputs), body, tx.now)])
        return id

    return asking


def customer(store: Store, *, consent: bool = True, name: str = "shop") -> str:
    with store.transaction() as tx:
        return add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id


def say(store: Store, who: str, request: str, item: str = "b1", kind: str = "click", index: int = 0) -> Any:
    with store.transaction() as tx:
        return record_event(tx, customer=who, request_id=request, index=index, kind=kind, item=item)


def test_an_event_is_kept_once_however_often_it_is_sent(store: Store, ask: Ask) -> None:
    shop = customer(store)
    request = ask(shop, {"user": "r1"})
    first = say(store, shop, request)
    assert say(store, shop, request) == first
    bought = say(store, shop, request, kind="buy")
    with store.read() as tx:
        assert list_events(tx, "books") == [bought, first] and list_events(tx, "other") == []


def test_events_become_interactions_of_the_user_that_the_input_named(store: Store, ask: Ask) -> None:
    shop = customer(store)
    request = ask(shop, {"user": 17}, {"items": ["b9"]})
    clicked = say(store, shop, request, "b2", "buy")
    say(store, shop, request, index=1)  # nobody is named, so there is nothing to learn of anybody
    with store.read() as tx:
        [row] = event_rows(tx, "books")
    moment = int(clicked.created_at.timestamp())
    assert row == {
        "kind": "interaction",
        "user": "17",
        "item": "b2",
        "time": moment,
        "event": "buy",
        "origin": f"feedback:{clicked.id}",
        "customer": shop,
    }
    with store.read() as tx:
        assert event_rows(tx, "books", [clicked.id]) == [row] and event_rows(tx, "books", []) == []


def test_without_consent_no_user_is_kept_and_nothing_is_learned(store: Store, ask: Ask, clock: SettableClock) -> None:
    shop = customer(store, consent=False)
    said = say(store, shop, ask(shop, {"user": "r1"}))
    assert said.user is None
    with store.transaction() as tx:
        assert event_rows(tx, "books") == []
        set_training_consent(tx, shop, True)
        assert [row["user"] for row in event_rows(tx, "books")] == ["r1"]  # the answer is still kept
        clock.advance(timedelta(days=40))
        forget_answers(tx, before=clock.now())
        assert event_rows(tx, "books") == []


def test_consent_withdrawn_takes_the_events_back(store: Store, ask: Ask) -> None:
    shop = customer(store)
    say(store, shop, ask(shop, {"user": "r1"}))
    with store.transaction() as tx:
        set_training_consent(tx, shop, False)
        assert event_rows(tx, "books") == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"item": "b7"}, "item"),
        ({"item": ""}, "item"),
        ({"item": 3}, "item"),
        ({"kind": "view"}, "event"),
        ({"kind": None}, "event"),
        ({"index": 1}, "index"),
        ({"index": True}, "index"),
        ({"request_id": ""}, "id"),
    ],
)
def test_what_was_not_shown_or_means_nothing_is_refused(store: Store, ask: Ask, change: Any, where: str) -> None:
    shop = customer(store)
    event: dict[str, Any] = {"request_id": ask(shop, {"user": "r1"}), "index": 0, "kind": "click", "item": "b1"}
    with store.transaction() as tx, pytest.raises(BadInput) as caught:
        record_event(tx, customer=shop, **{**event, **change})
    assert caught.value.where == where


def test_another_customers_answer_is_unknown_and_other_products_recommend_nothing(store: Store, ask: Ask) -> None:
    shop, other = customer(store), customer(store, name="other")
    request = ask(shop, {"user": "r1"})
    with pytest.raises(NotFound):
        say(store, other, request)
    text = ask(shop, "where is my order", id="req_2", output={"label": "parcel"})
    with pytest.raises(BadInput, match="recommends no items"):
        say(store, shop, text)


def test_what_was_learned_from_an_event_can_be_found_again(store: Store, ask: Ask) -> None:
    shop = customer(store)
    said = say(store, shop, ask(shop, {"user": "r1"}))
    with store.transaction() as tx:
        mark_events_used(tx, [said.id], "version")
        mark_events_used(tx, [said.id], "version")
        with pytest.raises(NotFound):
            mark_events_used(tx, ["ev_unknown"], "version")
