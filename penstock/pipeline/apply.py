"""`penstock apply`: what differs between penstock.toml and what is sold, and publishing it in one transaction."""

from __future__ import annotations

from penstock.billing import catalogue
from penstock.billing.taxes import BEGINNING, TaxVersion, rates_of
from penstock.channels import agreements
from penstock.core.clock import period_at, zone_of
from penstock.pipeline.check import check_words
from penstock.registry.releases import Release, live_releases
from penstock.runtime.house import APPLIED, House
from penstock.storage.documents import get_document, put_document
from penstock.storage.engine import Transaction
from penstock.workspace.plan import Change, plan, without_secrets
from penstock.workspace.records import dump


def plan_workspace(house: House) -> tuple[Change, ...]:
    """The differences from what was last applied."""
    with house.store.read() as tx:
        applied = get_document(tx, APPLIED)
    return plan(applied, house.workspace)


def apply_workspace(house: House) -> tuple[str, ...]:
    """Publish new versions of what changed. Applying the same file again does nothing.

    Returns one line for each version, which says from when it holds and for whom. Raises BadInput for a file that
    names what does not exist.
    """
    _check(house)
    with house.store.transaction() as tx:
        return _publish(tx, house)


def preview_apply(house: House) -> tuple[str, ...]:
    """The lines of `apply_workspace`, and its refusals, without publishing: it is done, and then rolled back."""
    _check(house)
    with house.store.dry_run() as tx:
        return _publish(tx, house)


def _check(house: House) -> None:
    for name, product in house.workspace.products.items():
        check_words(house.workspace, name, product)


def _publish(tx: Transaction, house: House) -> tuple[str, ...]:
    rates = rates_of(tx, ()).company
    published = [_in_force(tx, house, key) for key in catalogue.publish(tx, house.workspace)]
    published += [_rate_in_force(house, one) for one in rates_of(tx, ()).company if one not in rates and _says(one)]
    published += [_for_newcomers(key, "partners and customers") for key in agreements.publish(tx, house.workspace)]
    applied = {key: value for key, value in dump(house.workspace).items() if key != "folder"}
    put_document(tx, APPLIED, without_secrets(applied))  # a backup of the database must not open it
    left = [one for one in live_releases(tx) if one.product not in house.workspace.products]
    return (*published, *map(_left, left))


def _in_force(tx: Transaction, house: House, key: str) -> str:
    """From when a published price or plan (such as "products.helpdesk.price v2") holds, and for whom."""
    if key.endswith(" v1"):
        return f"{key}: in force now"
    if key.startswith("plans."):
        return _for_newcomers(key, "subscribers")
    zone = house.workspace.company.timezone
    starts = period_at(tx.now, zone).end.astimezone(zone_of(zone))
    return f"{key}: in force for everyone from {starts:%Y-%m-%d %H:%M} ({zone}); this month keeps the price it has"


def _says(version: TaxVersion) -> bool:
    """Not the rate of a company without tax, in force before anything was sold."""
    return bool(version.rate) or version.effective_from > BEGINNING


def _rate_in_force(house: House, version: TaxVersion) -> str:
    if version.effective_from == BEGINNING:
        return f"company.tax_rate {version.percent}: in force now"
    month = period_at(version.effective_from, house.workspace.company.timezone).name
    return f"company.tax_rate {version.percent}: in force for use and fees of {month} and later, until another begins"


def _for_newcomers(key: str, who: str) -> str:
    if key.endswith(" v1"):
        return f"{key}: in force now"
    move = "; a partner moves by: penstock partner move" if who.startswith("partners") else ""
    return f"{key}: in force now for new {who}; those of today keep their version{move}"


def _left(release: Release) -> str:
    return (
        f"careful: {release.product} is no longer in penstock.toml, but its release {release.number} is live: "
        "gateways that run now go on serving and metering it until they are restarted"
    )
