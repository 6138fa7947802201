"""Sell: customers, keys, subscriptions, credit, limits and partners."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from penstock.cli import attributions, customer_data, customers, plans, tax, terms
from penstock.cli import limits as money_limits
from penstock.cli.asking import DryRun, Yes, confirmed
from penstock.cli.output import OPTIONS, as_row, counted, note, show


def register(app: typer.Typer) -> None:
    customer = typer.Typer(help="Who pays.", no_args_is_help=True)
    customer.command("add")(customer_add)
    customer.command("list")(customer_list)
    customer.command("consent")(customer_consent)
    customer.command("limit", context_settings=SIGNED)(customer_limit)
    customer.command("limits")(customer_limits)
    customers.register(customer)
    customer_data.register(customer)
    customer.command("terms")(terms.customer_terms)
    customer.command("tax")(tax.customer_tax)
    key = typer.Typer(help="The secrets that programs call with.", no_args_is_help=True)
    key.command("create")(key_create)
    key.command("list")(key_list)
    key.command("rotate")(key_rotate)
    key.command("revoke")(key_revoke)
    subscription = typer.Typer(help="Who is on which plan.", no_args_is_help=True)
    plans.register(subscription)
    credit = typer.Typer(help="Money paid in advance.", no_args_is_help=True)
    credit.command("add", context_settings=SIGNED)(credit_add)
    credit.command("balance")(terms.credit_balance)
    money_limits.register(customer, key)
    partner = typer.Typer(help="Who brings customers.", no_args_is_help=True)
    partner.command("add")(partner_add)
    partner.command("list")(partner_list)
    partner.command("move")(partner_move)
    attribution = typer.Typer(help="Who brought which customer, and what is held for review.", no_args_is_help=True)
    attributions.register(attribution)
    groups = {"customer": customer, "key": key, "subscription": subscription, "credit": credit, "partner": partner}
    groups["attribution"] = attribution
    for name, group in groups.items():
        app.add_typer(group, name=name)


SIGNED = {"ignore_unknown_options": True}  # -5 is an amount (refused in words), not an option
CustomerArg = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Name, e-mail or id.")]
AllowSimilar = Annotated[
    bool, typer.Option("--allow-similar", help="Though it reads like one that exists, it is another one.")
]


def customer_add(
    name: str,
    email: Annotated[str, typer.Option(help="Where invoices go.")],
    ref: Annotated[str | None, typer.Option(help="The referral code of the partner who sent them.")] = None,
    locale: Annotated[str, typer.Option(help="en or zh-CN: the language of invoices.")] = "en",
    address: str = "",
    tax_id: str = "",
    training_consent: Annotated[bool, typer.Option(help="They agree that their corrections may train models.")] = False,
    allow_similar: AllowSimilar = False,
) -> None:
    """Sign a customer up. A name or e-mail that reads like another customer's is refused."""
    from penstock.channels.attribution import attribute
    from penstock.channels.reviews import review_of
    from penstock.identity.customers import add_customer
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        made = add_customer(
            tx,
            name=name,
            email=email,
            locale=locale,
            address=address,
            tax_id=tax_id,
            training_consent=training_consent,
            allow_similar=allow_similar,
        )
        if ref is not None:
            attribute(tx, made.id, ref)
        review = review_of(tx, made.id)
    if review is not None:
        note(customers.held_words(made.name, review))
    show(made)


def customer_list(
    archived: Annotated[bool, typer.Option("--archived", help="Archived customers too.")] = False,
) -> None:
    """Every customer that is not archived."""
    from penstock.identity.customers import list_customers
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = list_customers(tx, archived=archived)
    show(
        found,
        rows=[
            {"name": c.name, "email": c.email, "locale": c.locale, "training_consent": c.training_consent}
            | {"since": c.created_at, "archived": c.archived_at, "id": c.id}
            for c in found
        ],
    )


def customer_consent(customer: CustomerArg, give: Annotated[bool, typer.Option("--give/--withdraw")] = True) -> None:
    """Record that a customer gives or withdraws consent to train on its corrections."""
    from penstock.identity.customers import get_customer, set_training_consent
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        set_training_consent(tx, get_customer(tx, customer).id, give)
    note(f"{customer}: consent to training {'given' if give else 'withdrawn'}")


def customer_limit(
    customer: CustomerArg,
    product: str,
    units: Annotated[int | None, typer.Argument(help="Units a month; leave out for no limit.")] = None,
) -> None:
    """Cap the units of a product that a customer can use in a month."""
    from penstock.billing.limits import set_limit
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        set_limit(tx, get_customer(tx, customer).id, product, units)
    note(f"{customer}: {'no limit' if units is None else f'at most {units:,} units a month'} of {product}")


def customer_limits(customer: CustomerArg) -> None:
    """The monthly caps of a customer."""
    from penstock.billing.limits import list_limits
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = list_limits(tx, get_customer(tx, customer).id)
    rows = [{"product": product, "units_per_month": units} for product, units in found.items()]
    show(rows)


def key_create(
    customer: CustomerArg,
    name: Annotated[str, typer.Option(help="What it is for.")] = "default",
    product: Annotated[list[str] | None, typer.Option(help="Only this product (repeatable; default: all).")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Expires after so many days.")] = None,
    access: Annotated[str, typer.Option(help="full, read-only or billing-only.")] = "full",
    manages_keys: Annotated[
        bool, typer.Option("--manages-keys", help="It makes and ends keys over HTTP that may do no more than itself.")
    ] = False,
) -> None:
    """Make a key. Its secret is printed once, now, and never kept."""
    from penstock.billing.versions import priced_products
    from penstock.identity.customers import get_customer
    from penstock.identity.keys import create_key
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    with house.store.transaction() as tx:
        known = priced_products(tx)
        for each in product or ():
            if each not in known:
                product_of(house.workspace, each)
        key, secret = create_key(
            tx,
            customer=get_customer(tx, customer).id,
            name=name,
            products=tuple(product) if product else None,
            requests_per_minute=requests_per_minute,
            expires_at=None if days is None else tx.now + timedelta(days=days),
            access=access,
            manages_keys=manages_keys,
        )
    facts = {"key": secret, "id": key.id, "customer": customer, "products": key.products, "expires_at": key.expires_at}
    show(facts, rows=[{**facts, "products": key.products or "all"}])
    note("keep it now: only its hash is stored")


def key_list(customer: Annotated[str | None, typer.Argument(metavar="[CUSTOMER]")] = None) -> None:
    """Every key: never its secret."""
    from penstock.identity.customers import get_customer, list_customers
    from penstock.identity.keys import list_keys
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        keys = list_keys(tx, get_customer(tx, customer).id if customer else None)
        names = {one.id: one.name for one in list_customers(tx)}
    facts = [{k: v for k, v in as_row(key).items() if k != "secret_sha256"} for key in keys]
    show(facts, rows=[{**fact, "customer": names[fact["customer"]]} for fact in facts])


def key_rotate(
    key_id: str,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=720, help="How long the old key goes on working; 0 ends it now.")
    ] = 24,
) -> None:
    """Replace a key by a new one that may do the same; the old one goes on working for a while."""
    from penstock.identity.keys import get_key
    from penstock.pipeline.keys import replace_key
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        made, secret = replace_key(tx, key_id, timedelta(hours=overlap_hours))
        old = get_key(tx, key_id)
    facts = {"key": secret, "id": made.id, "replaces": old.id, "old_expires_at": old.expires_at}
    show(facts, rows=[facts])
    note("keep it now: only its hash is stored")


def key_revoke(key_id: str) -> None:
    """Revoke a key: every gateway refuses it within a second."""
    from penstock.identity.keys import revoke_key
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        revoke_key(tx, key_id)
    note(f"{key_id} is revoked")


def credit_add(
    customer: CustomerArg,
    amount: Annotated[str, typer.Argument(help='In the company\'s currency, e.g. "5.00".')],
    operation: Annotated[str | None, typer.Option(help="Your own id: the same id counts once.")] = None,
) -> None:
    """Record money received in advance. How the customer pays stays as it is: see `penstock customer terms`."""
    from penstock.billing.credits import add_credit, credit_balance
    from penstock.core.money import exact_money
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.transaction() as tx:
        who = get_customer(tx, customer)
        paid = exact_money(amount, house.workspace.company.currency)
        add_credit(tx, who.id, paid, operation or tx.new_id("op"))
        show({"customer": who.name, "added": paid, "balance": credit_balance(tx, who.id)})


def partner_add(
    name: str,
    email: Annotated[str, typer.Option()],
    agreement: Annotated[str, typer.Option(help="Its name under [agreements].")] = "referral",
    customer: Annotated[str | None, typer.Option(help="The partner's own customer, if it is one.")] = None,
    code: Annotated[str | None, typer.Option(help="The referral code (default: one is made up).")] = None,
    allow_similar: AllowSimilar = False,
) -> None:
    """Add a partner; its referral code is printed."""
    from penstock.channels.partners import add_partner
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        own = get_customer(tx, customer).id if customer else None
        show(
            add_partner(
                tx,
                name=name,
                email=email,
                agreement=agreement,
                customer=own,
                code=code,
                allow_similar=allow_similar,
            )
        )


def partner_move(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="Name, code, e-mail or id.")],
    agreement: Annotated[str | None, typer.Option(help="Default: the agreement that it has.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Put a partner under the newest terms of its agreement: for customers it brings from now on."""
    from penstock.channels.agreements import share_text
    from penstock.channels.moves import move, preview_move
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        said = preview_move(tx, partner, agreement)
    share, before = share_text(said.after.share), share_text(said.before.share)
    if said.changes:
        note(f"{said.partner.name} earns {share} (before: {before}) of what customers pay that it brings from now on,")
        note(f"payable after {said.after.hold_days} days; what it brought before ({counted(said.kept, 'customer')})")
        note("keeps the terms it came under, and no commission that is booked or due changes")
    else:
        note(f"{said.partner.name} is under {said.after.name} v{said.after.number} already: nothing changes")
    if not dry_run and said.changes:
        confirmed("Move it?", yes=yes)
        with house.store.transaction() as tx:
            said = move(tx, said.partner.id, agreement)
    row = {"partner": said.partner.name, "before": f"{said.before.name} v{said.before.number}"}
    then = {"after": f"{said.after.name} v{said.after.number}", "holds_from": said.holds_from}
    show(said, rows=[{**row, **then, "customers_kept": said.kept}])


def partner_list() -> None:
    """Every partner with its code and the version of its terms."""
    from penstock.channels.agreements import list_versions, share_text
    from penstock.channels.partners import list_partners
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = list_partners(tx)
        versions = {one.id: one for one in list_versions(tx)}
    newest = {one.name: one.number for one in versions.values()}  # by name and number: the last one stays
    rows = []
    for p in found:
        terms = versions[p.agreement_version]
        newer = f" (v{newest[terms.name]} is out)" if newest[terms.name] > terms.number else ""
        row = {"name": p.name, "email": p.email, "code": p.code, "agreement": f"{terms.name} v{terms.number}{newer}"}
        rows.append({**row, "share": share_text(terms.share), "since": p.created_at, "id": p.id})
    show(found, rows=rows)
