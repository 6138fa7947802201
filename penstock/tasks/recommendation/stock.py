"""What the operator of a recommender does between trainings: take items out of stock and back, add new ones.

Each change is an amendment of the live release: gateways serve it at once, and the model is not trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, NotFound
from penstock.models.artifact import Artifact, read_artifact
from penstock.registry import amendments, releases
from penstock.runtime.house import House
from penstock.tasks.recommendation.data.options import RecommendationOptions
from penstock.tasks.recommendation.data.preparing import item_row, read_items
from penstock.tasks.recommendation.model.files import HYBRID
from penstock.tasks.recommendation.task import TASK, check_amendment
from penstock.workspace.loader import product_of

SHOWN = 5


@dataclass(frozen=True)
class Stock:
    """unavailable: items that are not recommended now. added: items that came since the last training."""

    product: str
    amendment: int | None
    unavailable: tuple[str, ...]
    added: tuple[Mapping[str, Any], ...]


def stock(house: House, product: str) -> Stock:
    """What is out of stock, and what was added. Raises NotFound, BadInput."""
    _check_product(house, product)
    with house.store.read() as tx:
        present = amendments.current(tx, product)
    return _stock(product, present, amendments.content_of(house.blobs, present))


def change_stock(house: House, product: str, *, out: Sequence[str] = (), back: Sequence[str] = ()) -> Stock:
    """Stop recommending some items, and begin again with others. Raises NotFound for items that the model lacks."""
    if not out and not back:
        raise BadInput("nothing to change", where="--out", hint="name items: --out i5 --in i9")
    both = sorted(set(out) & set(back))
    if both:
        raise BadInput(f"{both[0]!r} is named twice", where="--in", hint="an item is either out or in stock")
    known = set(_live(house, product).labels)

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        items = known | {row["item"] for row in content.get("items", ())}
        unknown = [item for item in (*out, *back) if item not in items]
        if unknown:
            more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
            listed = ", ".join(map(repr, unknown[:SHOWN]))
            raise NotFound(f"no such items: {listed}{more}", where=product, hint="ids are those of the items file")
        left = (set(content.get("unavailable", ())) | set(out)) - set(back)
        return {**content, "unavailable": sorted(left)}

    return _amended(house, product, changed, f"{len(out)} out of stock, {len(back)} back")


def add_items(house: House, product: str, file: Path) -> Stock:
    """Recommend new items from now on; they join the data at the next training. file: of items, as the product's.

    Raises BadInput where the live release cannot judge items by their text.
    """
    artifact = _live(house, product)
    if artifact.kind != HYBRID:
        raise BadInput(
            f"the live release is {artifact.kind}, which knows items only by who took them",
            where=product,
            hint=f"name a backbone in penstock.toml, then: penstock train {product} --rung {HYBRID}",
        )
    options = RecommendationOptions(**product_of(house.workspace, product).options)
    items = read_items(file, options)
    known = set(artifact.labels)
    fresh = {item.item: item_row(item) for item in items.values() if item.item not in known}
    if not fresh:
        raise BadInput("holds no item that is new", where=file.name, hint="known ones are learned again by training")

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        rows = {**{row["item"]: row for row in content.get("items", ())}, **fresh}
        return {**content, "items": [rows[item] for item in sorted(rows)]}

    return _amended(house, product, changed, f"{len(fresh)} new items")


def _amended(house: House, product: str, changed: Any, note: str) -> Stock:
    def checked(content: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = changed(content)
        check_amendment(made)
        return made

    with house.store.transaction() as tx:
        made = amendments.amend(tx, house.blobs, product=product, edit=checked, note=note)
    return _stock(product, made, amendments.content_of(house.blobs, made))


def _live(house: House, product: str) -> Artifact:
    """The live release's artifact; its model is not loaded. Raises NotFound."""
    _check_product(house, product)
    with house.store.read() as tx:
        live = releases.live(tx, product)
    if live is None:
        hint = f"penstock train {product}; penstock release {product}"
        raise NotFound(f"{product} has no live release", where="PRODUCT", hint=hint)
    return read_artifact(house.blobs, live.artifact)


def _check_product(house: House, product: str) -> None:
    described = product_of(house.workspace, product)
    if described.task != TASK.name:
        named = [name for name, each in house.workspace.products.items() if each.task == TASK.name]
        hint = f"products of {TASK.name}: {', '.join(named) or 'none'}"
        raise BadInput(f"{product} is a product of {described.task}", where="PRODUCT", hint=hint)


def _stock(product: str, present: amendments.Amendment | None, content: Mapping[str, Any]) -> Stock:
    number = None if present is None else present.number
    return Stock(product, number, tuple(content.get("unavailable", ())), tuple(content.get("items", ())))
