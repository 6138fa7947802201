"""Keys: shown once, kept as a hash, refused when mistyped, expired or revoked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Forbidden, NotFound, Unauthorised
from penstock.identity import tables
from penstock.identity.customers import add_customer
from penstock.identity.keys import active_keys, create_key, list_keys, require_product, revoke_key, verify
from penstock.storage import counters
from penstock.storage.engine import Store


@pytest.fixture
def customer(store: Store) -> str:
    with store.transaction() as tx:
        return add_customer(tx, name="Blue Shop", email="a@example.com").id


def test_a_key_opens_the_door_and_its_text_is_not_kept(store: Store, customer: str) -> None:
    with store.transaction() as tx:
        made, text = create_key(tx, customer="Blue Shop")
        keys = {one.id: one for one in active_keys(tx)}
        assert verify(keys, text, tx.now) == made == keys[made.id]
        assert made.customer == customer
        secret = text.rsplit("_", 1)[1]
        stored = str(tx.all(sa.select(tables.key).where(tables.key.c.id == made.id)))
        assert secret not in stored and secret[:-6] not in stored
        assert counters.generations(tx)["keys"] == 1


def test_a_typo_is_told_apart_from_a_wrong_key(store: Store, customer: str) -> None:
    with store.transaction() as tx:
        made, text = create_key(tx, customer=customer)
        _, other = create_key(tx, customer=customer)
    keys = {made.id: made}
    for position in range(len(text)):
        swapped = "a" if text[position] != "a" else "b"
        with pytest.raises(Unauthorised, match="cut or mistyped"):
            verify(keys, text[:position] + swapped + text[position + 1 :], made.created_at)
    for bad in ("", "sk_live_", text[:-1], text + "x", text + "\n", "sk_live_密钥", " " + text, text * 1000):
        with pytest.raises(Unauthorised, match="cut or mistyped"):
            verify(keys, bad, made.created_at)
    with pytest.raises(Unauthorised, match="unknown key"):
        verify(keys, other, made.created_at)


def test_new_keys_are_secret_by_name_and_old_ones_go_on_working(store: Store, customer: str) -> None:
    from penstock.identity.secret_text import _checksum

    with store.transaction() as tx:
        made, text = create_key(tx, customer=customer)
    assert text.startswith("sk_live_")
    body = "pk_live_" + text.removeprefix("sk_live_")[:-6]
    old = body + _checksum(body)  # as keys were made before: the checksum is of the prefix too
    assert verify({made.id: made}, old, made.created_at).id == made.id
    with pytest.raises(Unauthorised, match="cut or mistyped"):
        verify({made.id: made}, "pk_live_" + text.removeprefix("sk_live_"), made.created_at)


def test_another_key_s_secret_under_a_known_id_is_refused(store: Store, customer: str) -> None:
    from penstock.identity.keys import PREFIX
    from penstock.identity.secret_text import _checksum

    with store.transaction() as tx:
        made, _ = create_key(tx, customer=customer)
        _, other = create_key(tx, customer=customer)
    forged = f"{PREFIX}{made.id}_{other.rsplit('_', 1)[1][:-6]}"
    with pytest.raises(Unauthorised, match="unknown key"):
        verify({made.id: made}, forged + _checksum(forged), made.created_at)


def test_a_key_stops_at_its_expiry_even_in_a_stale_cache(store: Store, customer: str, clock: SettableClock) -> None:
    with store.transaction() as tx:
        made, text = create_key(tx, customer=customer, expires_at=tx.now + timedelta(hours=1))
        cached = {made.id: made}
        assert verify(cached, text, tx.now).id == made.id
        clock.advance(timedelta(hours=1))
        assert active_keys(tx) == []
        with pytest.raises(Unauthorised, match="expired on 2026-11-15 09:00 UTC"):
            verify(cached, text, tx.now)
        with pytest.raises(BadInput, match="expire before"):
            create_key(tx, customer=customer, expires_at=tx.now)


def test_revoking_twice_is_revoking_once(store: Store, customer: str, clock: SettableClock) -> None:
    with store.transaction() as tx:
        made, text = create_key(tx, customer=customer, name="laptop")
        first = revoke_key(tx, made.id)
        mark = counters.generations(tx)["keys"]
        clock.advance(timedelta(minutes=5))
        assert revoke_key(tx, made.id) == first
        assert counters.generations(tx)["keys"] == mark == 2
        assert active_keys(tx) == [] and list_keys(tx, "Blue Shop") == [first]
        with pytest.raises(Unauthorised, match="revoked"):
            verify({first.id: first}, text, tx.now)
        with pytest.raises(NotFound):
            revoke_key(tx, "nosuchkey")


def test_a_key_is_confined_to_its_products(store: Store, customer: str) -> None:
    with store.transaction() as tx:
        made, _ = create_key(tx, customer=customer, products=["helpdesk", "mood"], requests_per_minute=60)
        anything, _ = create_key(tx, customer=customer)
        assert list_keys(tx)[0].products in (("helpdesk", "mood"), None)
        require_product(made, "mood")
        require_product(anything, "risk")
        with pytest.raises(Forbidden, match="may not call 'risk'"):
            require_product(made, "risk")
        with pytest.raises(BadInput):
            create_key(tx, customer=customer, products=[])
        with pytest.raises(BadInput):
            create_key(tx, customer=customer, requests_per_minute=0)


def test_one_company_cannot_revoke_another_s_key(store: Store, customer: str) -> None:
    with store.transaction() as tx:
        made, _ = create_key(tx, customer=customer)
    with Store(store.engine, store.organisation + "-other", store.clock).transaction() as tx:
        assert list_keys(tx) == active_keys(tx) == []
        with pytest.raises(NotFound):
            revoke_key(tx, made.id)
