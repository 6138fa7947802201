"""Customers: found by what people know of them, and never trained on unless they said yes."""

from datetime import timedelta

import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.identity.customers import (
    add_customer,
    consent_history,
    consenting_customers,
    get_customer,
    list_customers,
    set_training_consent,
)
from penstock.storage import counters
from penstock.storage.engine import Store


def test_a_customer_is_found_by_id_name_or_email(store: Store) -> None:
    with store.transaction() as tx:
        made = add_customer(tx, name="Blue Shop", email="Ada@Example.com", locale="zh-CN")
    with store.read() as tx:
        assert get_customer(tx, made.id) == get_customer(tx, "Blue Shop") == get_customer(tx, "ada@example.com") == made
        assert made.training_consent is False
        with pytest.raises(NotFound, match="no customer 'Red Shop'"):
            get_customer(tx, "Red Shop")


def test_two_customers_cannot_share_a_name_and_the_transaction_goes_on(store: Store) -> None:
    with store.transaction() as tx:
        add_customer(tx, name="Blue Shop", email="a@example.com")
        with pytest.raises(Conflict, match="already a customer named 'Blue Shop'"):
            add_customer(tx, name=" Blue Shop ", email="b@example.com")
        add_customer(tx, name="Red Shop", email="a@example.com", allow_similar=True)
    with store.read() as tx:
        assert [one.name for one in list_customers(tx)] == ["Blue Shop", "Red Shop"]
        with pytest.raises(BadInput, match=r"several customers match .*Blue Shop <a@example.com>.*Red Shop"):
            get_customer(tx, "a@example.com")


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@example.com", "a b@example.com", "a@b", "a@x.com\n", "<a@x.com>"]
)
def test_a_malformed_address_is_refused(store: Store, email: str) -> None:
    with store.transaction() as tx:
        if email == "a@x.com\n":  # white space around is no harm
            assert add_customer(tx, name="Blue", email=email).email == "a@x.com"
            return
        with pytest.raises(BadInput, match="not an e-mail address"):
            add_customer(tx, name="Blue", email=email)


def test_consent_is_off_until_given_and_ends_when_withdrawn(store: Store, clock: SettableClock) -> None:
    with store.transaction() as tx:
        one = add_customer(tx, name="Blue", email="a@example.com")
        other = add_customer(tx, name="Red", email="b@example.com", training_consent=True)
        assert consenting_customers(tx) == {other.id}
        assert set_training_consent(tx, one.id, True).training_consent
        assert set_training_consent(tx, one.id, True).training_consent
        clock.advance(timedelta(days=1))
        assert not set_training_consent(tx, one.id, False).training_consent
        assert [(c.granted, c.recorded_at) for c in consent_history(tx, one.id)] == [
            (True, tx.now - timedelta(days=1)),
            (False, tx.now),
        ]
        assert consenting_customers(tx) == {other.id}


def test_one_company_never_sees_another_s_customers(store: Store) -> None:
    with store.transaction() as tx:
        made = add_customer(tx, name="Blue", email="a@example.com")
        mark = counters.generations(tx)["customers"]
    stranger = Store(store.engine, store.organisation + "-other", store.clock)
    with stranger.transaction() as tx:
        assert list_customers(tx) == []
        with pytest.raises(NotFound):
            get_customer(tx, made.id)
        with pytest.raises(NotFound):
            set_training_consent(tx, made.id, True)
        add_customer(tx, name="Blue", email="a@example.com")
    with store.read() as tx:
        assert counters.generations(tx)["customers"] == mark == 1
