"""`penstock apply`: what differs between penstock.toml and what is sold, and publishing it in one transaction."""

from __future__ import annotations

from penstock.billing import catalogue
from penstock.channels import agreements
from penstock.jobs.check import check_words
from penstock.registry.releases import Release, live_releases
from penstock.runtime.house import House
from penstock.storage.documents import get_document, put_document
from penstock.workspace.plan import Change, plan, without_secrets
from penstock.workspace.records import dump

APPLIED = "workspace"


def plan_workspace(house: House) -> tuple[Change, ...]:
    """The differences from what was last applied."""
    with house.store.read() as tx:
        applied = get_document(tx, APPLIED)
    return plan(applied, house.workspace)


def apply_workspace(house: House) -> tuple[str, ...]:
    """Publish new versions of what changed; answers a line for each. Applying the same file again does nothing."""
    for name, product in house.workspace.products.items():
        check_words(house.workspace, name, product)
    with house.store.transaction() as tx:
        published = (*catalogue.publish(tx, house.workspace), *agreements.publish(tx, house.workspace))
        applied = {key: value for key, value in dump(house.workspace).items() if key != "folder"}
        put_document(tx, APPLIED, without_secrets(applied))  # a backup of the database must not open it
        left = [one for one in live_releases(tx) if one.product not in house.workspace.products]
    return (*map(_when, published), *map(_left, left))


def _when(published: str) -> str:
    later = ".price v" in published and not published.endswith(" v1")
    return f"published {published}" + (", in force from next month on" if later else "")


def _left(release: Release) -> str:
    return (
        f"careful: {release.product} is no longer in penstock.toml, but its release {release.number} is live: "
        "gateways that run now go on serving and metering it until they are restarted"
    )
