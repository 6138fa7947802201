"""Partners sign agreements that never change, hand out a code, and cannot refer themselves."""

from decimal import Decimal

import pytest
from books import Books, workspace

from penstock.channels import agreements, commissions
from penstock.channels.attribution import attribute, attribution_of, attributions_of_partner
from penstock.channels.moves import move, preview_move
from penstock.channels.partners import get_partner, list_partners, move_to_latest
from penstock.core.errors import BadInput, Conflict, Forbidden, NotFound
from penstock.identity.customers import add_customer


def test_a_changed_agreement_is_a_new_version_and_partners_keep_theirs(books: Books) -> None:
    partner = books.partner()
    with books.writing() as tx:
        assert agreements.publish(tx, workspace("20%")) == ()
        assert agreements.publish(tx, workspace("25%", reseller={"share": "5%"})) == ("referral v2", "reseller v1")
        assert agreements.get_version(tx, get_partner(tx, partner.id).agreement_version).share == Decimal("0.2")
        assert agreements.latest(tx, "referral").share == Decimal("0.25")
        old = add_customer(tx, name="Old", email="old@example.com")
        new = add_customer(tx, name="New", email="new@example.com")
        attribute(tx, old.id, partner.code)
        moved = move_to_latest(tx, partner.id, "referral")
        attribute(tx, new.id, partner.code)
        versions = [one.agreement_version for one in attributions_of_partner(tx, partner.id)]
        assert set(versions) == {partner.agreement_version, moved.agreement_version} and len(versions) == 2
        with pytest.raises(NotFound, match="no agreement 'gold'"):
            agreements.latest(tx, "gold")


def test_a_partner_moves_to_newer_terms_and_what_it_brought_keeps_its_own(books: Books) -> None:
    partner = books.partner()
    books.pay(books.bill(books.customer("Old", partner.code), 10_000), 10_000)
    with books.writing() as tx:
        assert not preview_move(tx, partner.id).changes
        agreements.publish(tx, workspace("25%"))
        said = preview_move(tx, partner.code)
        assert said.changes and said.kept == 1 and said.after.share == Decimal("0.25")
        assert get_partner(tx, partner.id).agreement_version == said.before.id  # saying changes nothing
        assert move(tx, partner.id) == said
        assert not move(tx, partner.id).changes
    old, new = books.customer("Old 2"), books.customer("New", partner.code)
    assert old.id != new.id
    [commission] = books.pay(books.bill(new, 10_000), 10_000)
    assert commission.amount_minor == 2_500
    with books.writing() as tx:
        assert [one.amount_minor for one in commissions.list_commissions(tx, partner.id)] == [2_000, 2_500]


def test_a_partner_is_found_by_what_people_know(books: Books) -> None:
    made = books.partner("Reed & Co", email="reed@example.com", code="reed-2026")
    assert made.code == "REED-2026" and made.agreement == "referral"
    with books.writing() as tx:
        for ref in (made.id, "Reed & Co", "Reed-2026", "REED@example.com"):
            assert get_partner(tx, ref) == made
        assert list_partners(tx) == [made]
    with pytest.raises(Conflict, match="already a partner"):
        books.partner("Reed & Co")
    with pytest.raises(Conflict, match="already a partner"):
        books.partner("Other", code="REED-2026")
    with pytest.raises(BadInput, match="not a code"):
        books.partner("Third", code="a b")


def test_a_partner_named_like_anothers_code_is_not_taken_for_it(books: Books) -> None:
    reed = books.partner("Reed & Co", email="reed@example.com", code="REED")
    with pytest.raises(Conflict, match="mistaken for a partner that exists: Reed & Co"):
        books.partner("Reed", email="mallory@evil.example")
    posing = books.partner("Reed", email="mallory@evil.example", allow_similar=True)
    with books.writing() as tx:
        for ref in ("REED", "reed"):
            with pytest.raises(BadInput, match="several partners match") as refused:
                get_partner(tx, ref)
            assert reed.id in str(refused.value) and posing.id in str(refused.value)
        assert get_partner(tx, "reed & co") == get_partner(tx, reed.id) == reed
        assert get_partner(tx, posing.code) == posing


def test_an_attribution_is_made_once_and_locked(books: Books) -> None:
    partner, other = books.partner("Reed & Co"), books.partner("Sedge")
    customer = books.customer("Blue Shop", partner.code.lower())
    with books.writing() as tx:
        first = attribution_of(tx, customer.id)
        assert first is not None and first.partner == partner.id
        assert attribute(tx, customer.id, partner.code) == first
        with pytest.raises(Conflict, match="brought by another partner"):
            attribute(tx, customer.id, other.code)
        with pytest.raises(NotFound, match="no partner has the code"):
            attribute(tx, customer.id, "NOSUCH")


def test_a_partner_cannot_refer_itself(books: Books) -> None:
    customer = books.customer("Blue Shop")
    linked = books.partner("Reed & Co", customer=customer.id)
    same_address = books.partner("Sedge", email="blue.shop@EXAMPLE.com")
    with books.writing() as tx:
        for partner in (linked, same_address):
            with pytest.raises(Forbidden, match="cannot refer itself"):
                attribute(tx, customer.id, partner.code)


def test_partners_cannot_refer_each_other_in_a_circle(books: Books) -> None:
    shops = [books.customer(name) for name in ("Blue", "Red", "Green")]
    partners = [books.partner(f"{shop.name} partners", customer=shop.id) for shop in shops]
    with books.writing() as tx:
        attribute(tx, shops[1].id, partners[0].code)
        attribute(tx, shops[2].id, partners[1].code)
        with pytest.raises(Forbidden, match="in a circle"):
            attribute(tx, shops[0].id, partners[2].code)
