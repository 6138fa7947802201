"""A partner that brings itself under another address is held for review; strangers at a free-mail domain are not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from books import Books

from penstock.billing import ledger
from penstock.channels import statements
from penstock.channels.attribution import attribute
from penstock.channels.commissions import list_commissions, reject, settle
from penstock.channels.partners import Partner
from penstock.channels.payouts import outlook, owed, payable, payout
from penstock.channels.reviews import clear, list_reviews, look_around, look_at_all, review_of
from penstock.channels.self_referral import Party, signs
from penstock.channels.tables import attribution_review
from penstock.core.clock import period_at
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.money import Money
from penstock.identity.customers import Customer, add_customer, edit_customer

FRAUDS = [
    ("ada@acme.cn", "ada+shop@acme.cn", "same mailbox"),
    ("ada.king@gmail.com", "a.d.a.king@gmail.com", "same mailbox"),
    ("adaking@gmail.com", "ada.king+2@googlemail.com", "same mailbox"),
    ("Ada@QQ.com", "ada+1@qq.com", "same mailbox"),
    ("ada@proton.me", "ada@protonmail.com", "same mailbox"),
    ("ada@icloud.com", "ada+x@me.com", "same mailbox"),
    ("ａｄａ@acme.cn", "ada+y@acme.cn", "same mailbox"),
    ("ada@acme.cn", "bob@acme.cn", "same company domain"),
    ("ada@acme.cn", "bob@mail.ACME.cn", "same company domain"),
    ("ada@hk.acme.cn", "bob@acme.cn", "same company domain"),
]
HONEST = [
    ("ada@qq.com", "bob@qq.com"),
    ("ada@163.com", "bob@163.com"),
    ("ada@vip.163.com", "bob@vip.163.com"),
    ("ada@126.com", "bob@126.com"),
    ("ada@sina.com", "bob@sina.com"),
    ("ada@foxmail.com", "bob@foxmail.com"),
    ("ada@gmail.com", "bob@googlemail.com"),
    ("ada@outlook.com", "ada@hotmail.com"),
    ("a.da@acme.cn", "ada@bolt.cn"),
    ("a.da@outlook.com", "ada@outlook.com"),  # dots matter everywhere but at Gmail
    ("ada@acme.cn", "ada@acme.com"),
    ("ada@notacme.cn", "bob@acme.cn"),
    ("ada@acme.co.uk", "bob@bolt.co.uk"),
    ("+1@qq.com", "+2@qq.com"),
]


def brought(books: Books, partner: Partner, email: str, name: str = "Blue Shop", **further: str) -> Customer:
    with books.writing() as tx:
        made = add_customer(tx, name=name, email=email, allow_similar=True, **further)
        attribute(tx, made.id, partner.code)
        return made


def paid(books: Books, customer: Customer, amount_minor: int = 10_000) -> str:
    number = books.bill(customer, amount_minor)
    books.pay(number, amount_minor)
    return number


def ripen(books: Books) -> None:
    books.clock.advance(timedelta(days=31))


@pytest.mark.parametrize(("partner", "customer", "kind"), FRAUDS)
def test_planted_self_referrals_are_held_with_the_reason(books: Books, partner: str, customer: str, kind: str) -> None:
    who = brought(books, books.partner(email=partner), customer)
    with books.writing() as tx:
        review = review_of(tx, who.id)
        assert review is not None and review.state == "held"
        assert [sign.kind for sign in review.signs] == [kind] and str(review.signs[0]).startswith(kind)


@pytest.mark.parametrize(("partner", "customer"), HONEST)
def test_two_strangers_are_not_held(partner: str, customer: str) -> None:
    assert signs([Party(partner)], Party(customer)) == ()


def test_the_partners_own_customer_is_compared_too(books: Books) -> None:
    with books.writing() as tx:
        own = add_customer(tx, name="Reed GmbH", email="office@reed.example", tax_id="DE 123-456")
    partner = books.partner(customer=own.id)
    brought(books, partner, "x@elsewhere.example", tax_id="de123456")
    brought(books, partner, "buying@reed.example", name="Reed Buying")
    brought(books, partner, "y@honest.example", name="Honest", tax_id="DE 999")
    with books.writing() as tx:
        kinds = [review.signs[0].kind for review in list_reviews(tx, partner=partner.id)]
    assert sorted(kinds) == ["same company domain", "same tax number"]


def test_what_is_held_is_booked_and_not_paid_out_until_it_is_cleared(books: Books) -> None:
    partner = books.partner(email="ada@acme.cn")
    honest = books.customer("Honest", partner.code)
    suspect = brought(books, partner, "bob@acme.cn")
    paid(books, honest, 5_000)
    paid(books, suspect)
    ripen(books)
    with books.writing() as tx:
        assert (owed(tx, partner.id), payable(tx, partner.id)) == (Money(3_000, "USD"), Money(1_000, "USD"))
        assert payout(tx, partner, "out 1").amount_minor == 1_000
        with pytest.raises(Conflict, match="nothing is payable") as refused:
            payout(tx, partner, "out 2")
        assert refused.value.hint == "20.00 USD is held for review: penstock attribution list"
        assert (outlook(tx, partner.id).held, outlook(tx, partner.id).next_at) == (Money(0, "USD"), None)
        made = statements.statement(tx, partner, period_at(tx.now - timedelta(days=31), "UTC"))
        assert {line.customer: line.state for line in made.lines} == {"Honest": "payable", "Blue Shop": "in review"}
        assert statements.facts(made)["in_review"] == "20.00" and "in review" in statements.to_csv(made)

        with pytest.raises(BadInput, match="needs a reason"):
            clear(tx, suspect.id, " ")
        review = clear(tx, suspect.id, "a sister company, invoiced apart")
        assert (review.state, review.decided_at) == ("cleared", tx.now)
        assert clear(tx, suspect.id, "again") == review
        with pytest.raises(Conflict, match="was cleared already"):
            reject(tx, suspect.id, "no")
        assert payout(tx, partner, "out 2").amount_minor == 2_000


def test_a_rejected_attribution_gives_everything_back_and_earns_no_more(books: Books) -> None:
    partner = books.partner(email="ada@acme.cn")
    honest = books.customer("Honest", partner.code)
    suspect = brought(books, partner, "bob@acme.cn")
    paid(books, honest, 5_000)
    first = paid(books, suspect)
    paid(books, suspect, 4_000)
    books.refund(first, 2_500)
    ripen(books)
    with books.writing() as tx:
        for _ in range(2):
            assert reject(tx, suspect.id, "the same person").state == "rejected"
        mine = [one for one in list_commissions(tx, partner.id) if one.customer == suspect.id]
        assert sum(one.amount_minor for one in mine) == sum(one.net_minor for one in mine) == 0
        assert owed(tx, partner.id) == payable(tx, partner.id) == Money(1_000, "USD")
        assert ledger.balance(tx, "commission_expense", partner.id) == {"USD": 1_000}
        made = statements.statement(tx, partner, period_at(tx.now, "UTC"))
        assert made.closing == Money(1_000, "USD") and {line.kind for line in made.lines} == {"reversal"}
        with pytest.raises(Conflict, match="was rejected already: the same person"):
            clear(tx, suspect.id, "no")
    paid(books, suspect, 7_000)
    books.refund(first, 1_000)
    with books.writing() as tx:
        assert settle(tx) == []
        assert owed(tx, partner.id) == Money(1_000, "USD")


def test_an_address_changed_later_is_looked_at_again(books: Books) -> None:
    partner = books.partner(email="ada@acme.cn")
    who = books.customer("Blue Shop", partner.code)
    with books.writing() as tx:
        assert review_of(tx, who.id) is None
        edit_customer(tx, who.id, {"email": "ada+1@acme.cn"})
        [held] = look_around(tx, who.id)
        assert (held.state, held.signs[0].kind) == ("held", "same mailbox")
        clear(tx, who.id, "asked on the telephone")
        assert [one.state for one in look_around(tx, who.id)] == ["cleared"]  # a person has looked at this sign
        edit_customer(tx, who.id, {"email": "sales@acme.cn"})
        assert [one.state for one in look_around(tx, who.id)] == ["held"]  # and not at that one


def test_attributions_from_before_reviews_are_looked_at_by_a_verb(books: Books) -> None:
    partner = books.partner(email="ada@acme.cn")
    suspect = brought(books, partner, "bob@acme.cn")
    books.customer("Honest", partner.code)
    with books.writing() as tx:
        tx.execute(attribution_review.delete().where(attribution_review.c.organisation == tx.organisation))
        assert [one.customer for one in look_at_all(tx)] == [suspect.id]
        with pytest.raises(NotFound, match="was never held"):
            clear(tx, "Honest", "why not")
