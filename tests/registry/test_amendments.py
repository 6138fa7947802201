"""Amendments: facts added to a live model, numbered and kept, each the whole present state of its product."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from registry.shelf import SECRET, passed

from penstock.registry.amendments import Live, amend, content_of, current, live
from penstock.registry.releases import release
from penstock.registry.tables import amendment as table
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store


def test_a_new_amendment_is_numbered_within_its_product_and_is_the_one_that_counts(
    store: Store, blobs: BlobStore
) -> None:
    with store.transaction() as tx:
        assert current(tx, "faq") is None
        first = amend(
            tx, blobs, product="faq", edit=lambda _: {"entries": ["opening hours"]}, note="added opening hours"
        )
        second = amend(tx, blobs, product="faq", edit=lambda _: {"entries": ["opening hours", "退货"]})
        other = amend(tx, blobs, product="shop", edit=lambda _: {"sold_out": [7]})
    assert [(one.product, one.number, one.note) for one in (first, second, other)] == [
        ("faq", 1, "added opening hours"),
        ("faq", 2, ""),
        ("shop", 1, ""),
    ]
    with store.read() as tx:
        assert (current(tx, "faq"), current(tx, "shop")) == (second, other)
    assert content_of(blobs, first) == {"entries": ["opening hours"]}
    assert content_of(blobs, second) == {"entries": ["opening hours", "退货"]}
    assert content_of(blobs, None) == {}


def test_the_same_content_again_changes_nothing(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        first = amend(tx, blobs, product="faq", edit=lambda _: {"a": 1, "b": [2]}, note="once")
        assert amend(tx, blobs, product="faq", edit=lambda _: {"b": [2], "a": 1}, note="again") == first
        second = amend(tx, blobs, product="faq", edit=lambda _: {"a": 2})
        back = amend(tx, blobs, product="faq", edit=lambda _: {"a": 1, "b": [2]})  # an earlier state is a new amendment
    assert (first.number, second.number, back.number) == (1, 2, 3) and back.blob == first.blob


def test_gateways_are_told_of_every_amendment(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        before = counters.generations(tx).get("releases", 0)
        amend(tx, blobs, product="faq", edit=lambda _: {"a": 1})
        assert counters.generations(tx)["releases"] > before


def test_what_is_served_is_the_release_with_its_newest_amendment(store: Store, blobs: BlobStore) -> None:
    with store.transaction() as tx:
        plain = release(tx, passed(tx, "plain", product="aplain").id, SECRET)
        made = release(tx, passed(tx, "first").id, SECRET)
        amend(tx, blobs, product="helpdesk", edit=lambda _: {"a": 1})
        newest = amend(tx, blobs, product="helpdesk", edit=lambda _: {"a": 2})
        amend(tx, blobs, product="unreleased", edit=lambda _: {"a": 1})
    with store.read() as tx:
        assert live(tx) == (Live(plain, None), Live(made, newest))


@pytest.mark.parametrize("change", [sa.update(table).values(note="other"), sa.delete(table)])
def test_the_database_itself_refuses_to_change_an_amendment(
    store: Store, blobs: BlobStore, change: sa.Executable
) -> None:
    with store.transaction() as tx:
        made = amend(tx, blobs, product="faq", edit=lambda _: {"a": 1})
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), store.transaction() as tx:
        tx.execute(change)
    with store.read() as tx:
        assert current(tx, "faq") == made


def test_another_organisation_sees_no_amendment(store: Store, blobs: BlobStore) -> None:
    elsewhere = replace(store, organisation=f"{store.organisation}-elsewhere")
    with store.transaction() as tx:
        amend(tx, blobs, product="faq", edit=lambda _: {"a": 1})
    with elsewhere.transaction() as tx:
        assert current(tx, "faq") is None and live(tx) == ()
        assert amend(tx, blobs, product="faq", edit=lambda _: {"a": 1}).number == 1
