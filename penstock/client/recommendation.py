"""Recommendations for customers' programs: builds the inputs from users and items, reads the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from penstock.client.core import Call, Prediction, listed, predict_as, said

_IDS = (str, int)


@dataclass(frozen=True)
class Recommended:
    """An item, how strongly, and why. new: judged by its text alone. because: the known item that spoke most for it,
    as (item, title); None where there is none."""

    item: str
    title: str
    score: float
    new: bool
    because: tuple[str, str] | None


@dataclass(frozen=True)
class Recommendations:
    """The items of one output, the best first. There may be fewer than asked for."""

    items: tuple[Recommended, ...]

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Recommendations:
        """One of `Prediction.outputs`."""
        return cls(tuple(_recommended(each) for each in output["items"]))


def recommendations(
    product: str, inputs: Mapping[str, Any] | Iterable[Mapping[str, Any]], request_id: str | None = None
) -> Call[Prediction[Recommendations]]:
    """The call that recommends: `client.ask(recommendation.recommendations("books", for_users(["u17"])))`."""
    return predict_as(Recommendations.from_output, product, listed(inputs, (Mapping,), each=(Mapping,)), request_id)


def happened(kind: Literal["click", "buy"], item: str, request_id: str, index: int = 0) -> Call[dict[str, Any]]:
    """The call that tells what somebody did with an item of output `index` of an answer."""
    return said({"id": request_id, "index": index, "event": kind, "item": item})


def for_users(
    users: str | int | Iterable[str | int],
    *,
    top: int | None = None,
    exclude: str | Sequence[str] = (),
    available: str | Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Inputs of known users. exclude: items not wanted. available: the only items that may come."""
    return [{"user": user, **_asked(top, exclude, available)} for user in listed(users, _IDS, "users", each=_IDS)]


def for_items(
    histories: Iterable[Sequence[str]],
    *,
    user: str | None = None,
    top: int | None = None,
    exclude: str | Sequence[str] = (),
    available: str | Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Inputs of what somebody took lately, the latest last: a list of items for each. user: whose, so that clicks are
    learned from."""
    whose = {} if user is None else {"user": user}
    each = listed(histories, (), "histories", each=(list, tuple))
    return [{**whose, "items": list(items), **_asked(top, exclude, available)} for items in each]


def popular(
    *, top: int | None = None, exclude: str | Sequence[str] = (), available: str | Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The input of somebody of whom nothing is known."""
    return [{"popular": True, **_asked(top, exclude, available)}]


def _asked(top: int | None, exclude: str | Sequence[str], available: str | Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if top is not None:
        found["top"] = top
    if exclude:
        found["exclude"] = listed(exclude, _IDS, "exclude")
    if available is not None:
        found["available"] = listed(available, _IDS, "available")
    return found


def _recommended(each: Mapping[str, Any]) -> Recommended:
    because = each["because"]
    reason = None if because is None else (str(because["item"]), str(because["title"]))
    return Recommended(each["item"], each["title"], float(each["score"]), bool(each["new"]), reason)
