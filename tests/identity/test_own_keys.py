"""Keys are replaced without a gap, are for what they were made for, and customers make none that may do more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, Forbidden, NotFound, Unauthorised
from penstock.identity import own_keys
from penstock.identity.customers import add_customer
from penstock.identity.keys import (
    ACCESSES,
    Key,
    active_keys,
    create_key,
    get_key,
    list_keys,
    record_uses,
    require_access,
    revoke_key,
    rotate_key,
    verify,
)
from penstock.identity.own_keys import make_own, revoke_own, rotate_own
from penstock.storage.engine import Store


@pytest.fixture
def customer(store: Store) -> str:
    with store.transaction() as tx:
        return add_customer(tx, name="Blue Shop", email="a@example.com").id


def make(store: Store, customer: str, **facts: Any) -> tuple[Key, str]:
    with store.transaction() as tx:
        return create_key(tx, customer=customer, **facts)


def opens(store: Store, text: str) -> bool:
    with store.read() as tx:
        try:
            verify({one.id: one for one in active_keys(tx)}, text, tx.now)
        except Unauthorised:
            return False
    return True


def test_a_replaced_key_goes_on_for_the_stated_time_and_the_new_one_may_do_the_same(
    store: Store, customer: str, clock: SettableClock
) -> None:
    old, before = make(store, customer, name="shop", products=["desk"], access="read-only", requests_per_minute=7)
    with store.transaction() as tx:
        new, after = rotate_key(tx, old.id, timedelta(hours=2))
        assert get_key(tx, old.id).replaced_by == new.id
    same = ("customer", "name", "products", "access", "requests_per_minute", "manages_keys")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert opens(store, before) and opens(store, after)
    clock.advance(timedelta(hours=2))
    assert not opens(store, before) and opens(store, after)


def test_an_overlap_never_lengthens_a_key_and_is_bounded(store: Store, customer: str, clock: SettableClock) -> None:
    short, text = make(store, customer, expires_at=clock.now() + timedelta(minutes=5))
    with store.transaction() as tx:
        new, _ = rotate_key(tx, short.id)
        assert get_key(tx, short.id).expires_at == new.expires_at == short.expires_at
    for overlap in (timedelta(seconds=-1), timedelta(days=31)):
        with pytest.raises(BadInput), store.transaction() as tx:
            rotate_key(tx, new.id, overlap)
    with pytest.raises(Conflict), store.transaction() as tx:
        rotate_key(tx, short.id)  # twice
    with store.transaction() as tx:
        revoke_key(tx, new.id)
    with pytest.raises(Conflict), store.transaction() as tx:
        rotate_key(tx, new.id)
    assert opens(store, text)


@pytest.mark.parametrize("access", list(ACCESSES))
def test_a_key_is_for_what_it_was_made_for(store: Store, customer: str, access: str) -> None:
    key, _ = make(store, customer, access=access)
    for need in ("call", "read", "billing"):
        if need in {"full": ("call", "read", "billing"), "read-only": ("read", "billing")}.get(access, ("billing",)):
            require_access(key, need)
        else:
            with pytest.raises(Forbidden, match="may not"):
                require_access(key, need)
    with pytest.raises(Forbidden, match="manage keys"):
        require_access(key, "keys")


def test_an_unknown_access_is_refused(store: Store, customer: str) -> None:
    with pytest.raises(BadInput, match="no access"):
        make(store, customer, access="root")


def test_last_use_is_the_latest_that_any_gateway_saw(store: Store, customer: str, clock: SettableClock) -> None:
    key, _ = make(store, customer)
    for hours in (2, 5, 3):
        with store.transaction() as tx:
            record_uses(tx, {key.id: clock.now() + timedelta(hours=hours)})
    with store.read() as tx:
        assert list_keys(tx)[0].last_used_at == clock.now() + timedelta(hours=5)


@pytest.mark.parametrize(
    "more",
    [
        {"products": ["mood"]},
        {"products": ["desk", "mood"]},
        {"access": "full"},
        {"requests_per_minute": 61},
        {"days": 31},
    ],
)
def test_no_key_makes_one_that_may_do_more(
    store: Store, customer: str, clock: SettableClock, more: dict[str, Any]
) -> None:
    ends = clock.now() + timedelta(days=30)
    facts: dict[str, Any] = {"products": ["desk"], "access": "read-only", "requests_per_minute": 60, "expires_at": ends}
    by, _ = make(store, customer, manages_keys=True, **facts)
    with store.transaction() as tx:
        made, _ = make_own(tx, by, name="ok", access="billing-only")
    assert (made.products, made.requests_per_minute, made.expires_at) == (("desk",), 60, ends)
    assert made.made_by == by.id and not made.manages_keys
    with pytest.raises(Forbidden, match="no more than"), store.transaction() as tx:
        make_own(tx, by, name="more", **{"access": "read-only", **more})


def test_a_key_ends_what_it_could_have_made_and_itself_and_nothing_else(store: Store, customer: str) -> None:
    by, _ = make(store, customer, manages_keys=True, products=["desk"])
    mine, _ = make(store, customer, products=["desk"])
    wider, _ = make(store, customer)
    other_manager, _ = make(store, customer, manages_keys=True, products=["desk"])
    with store.transaction() as tx:
        stranger = add_customer(tx, name="Red Shop", email="r@example.com").id
    theirs, _ = make(store, stranger, products=["desk"])
    for do in (revoke_own, rotate_own):
        for key, error in ((wider, Forbidden), (other_manager, Forbidden), (theirs, NotFound)):
            with pytest.raises(error), store.transaction() as tx:
                do(tx, by, key.id)
    with store.transaction() as tx:
        rotate_own(tx, by, mine.id)
        revoke_own(tx, by, mine.id)
        new, _ = rotate_own(tx, by, by.id)
        assert new.manages_keys
        revoke_own(tx, by, by.id)
    with pytest.raises(Forbidden), store.transaction() as tx:
        make_own(tx, by, name="late")  # a gateway may not know yet that it was revoked


def test_keys_that_hold_are_bounded(store: Store, customer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_keys, "MAX_KEYS", 3)
    by, _ = make(store, customer, manages_keys=True)
    for number in range(2):
        with store.transaction() as tx:
            made, _ = make_own(tx, by, name=f"n{number}")
    with pytest.raises(Conflict), store.transaction() as tx:
        make_own(tx, by, name="one too many")
    with store.transaction() as tx:
        revoke_own(tx, by, made.id)
        make_own(tx, by, name="again")
