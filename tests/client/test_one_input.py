"""One text is one input: no client call iterates a text's characters, and what is of a wrong type is never sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from penstock.client import AsyncClient, Client, images, knowledge, opinion, recommendation, tabular, texts
from penstock.client.core import Call

DOCUMENT = opinion.Document("Good.", datetime(2026, 11, 1, tzinfo=UTC))
ROW = {"age": 41}


def sent(call: Call[Any]) -> Any:
    assert call.body is not None
    return json.loads(call.body)["inputs"]


def test_one_text_is_one_input_sync_and_async() -> None:
    bodies: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.content)["inputs"])
        usage = {"units": 1, "amount": "0.01", "currency": "USD"}
        return httpx2.Response(
            200, json={"id": "r", "product": "p", "release": "1", "outputs": [{"label": "a"}], "usage": usage}
        )

    async def asking() -> None:
        async with AsyncClient("http://gateway", "sk_live_x", transport=httpx2.MockTransport(answer)) as client:
            await client.predict("helpdesk", "refund")
            for wrong in (7, b"refund", None, {"refund"}):
                with pytest.raises(TypeError):
                    await client.predict("helpdesk", wrong)  # type: ignore[arg-type]

    with Client("http://gateway", "sk_live_x", transport=httpx2.MockTransport(answer)) as client:
        client.predict("helpdesk", "refund")
        client.predict("risk", ROW)
        client.predict("helpdesk", (text for text in ("a", "b")))
        for wrong in (7, b"refund", None, {"refund"}, True):
            with pytest.raises(TypeError, match="inputs must be a list, or one str, or one Mapping, not"):
                client.predict("helpdesk", wrong)  # type: ignore[arg-type]
        for index in ("0", 0.5, True):
            with pytest.raises(TypeError, match="number of its output"):
                client.feedback("r", index, rating=1)  # type: ignore[arg-type]
    asyncio.run(asking())
    assert bodies == [["refund"], [ROW], ["a", "b"], ["refund"]]


def test_one_input_of_every_task_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    ask = recommendation.recommendations
    assert sent(texts.labels("p", "refund")) == ["refund"]
    assert sent(knowledge.questions("p", "Where?", locale="en")) == [{"question": "Where?", "locale": "en"}]
    assert sent(images.pictures("p", str(tmp_path / "a.png"))) == sent(images.pictures("p", b"\x89PNG")) == ["iVBORw=="]
    assert sent(opinion.documents("p", DOCUMENT)) == sent(opinion.documents("p", [DOCUMENT]))
    assert sent(tabular.risks("p", ROW)) == sent(tabular.estimates("p", [ROW])) == [ROW]
    assert sent(ask("p", {"popular": True})) == [{"popular": True}]
    assert sent(ask("p", recommendation.for_users("u17", exclude="b1"))) == [{"user": "u17", "exclude": ["b1"]}]
    assert sent(ask("p", recommendation.for_items([["b1", "b2"]]))) == [{"items": ["b1", "b2"]}]


@pytest.mark.parametrize(
    "call",
    [
        lambda: texts.labels("p", 7),  # type: ignore[arg-type]
        lambda: texts.labels("p", ["fine", 7]),  # type: ignore[list-item]
        lambda: texts.labels("p", {"a": 1}),
        lambda: knowledge.questions("p", b"Where?"),  # type: ignore[arg-type]
        lambda: knowledge.questions("p", [None]),  # type: ignore[list-item]
        lambda: images.pictures("p", [7]),  # type: ignore[list-item]
        lambda: opinion.documents("p", "Good."),  # type: ignore[arg-type]
        lambda: opinion.documents("p", ["Good."]),  # type: ignore[list-item]
        lambda: tabular.risks("p", "age=41"),  # type: ignore[arg-type]
        lambda: tabular.risks("p", ["age"]),  # type: ignore[list-item]
        lambda: recommendation.recommendations("p", "u17"),  # type: ignore[arg-type]
        lambda: recommendation.for_users({"u17": 1}),
        lambda: recommendation.for_items(["b1", "b2"]),
        lambda: recommendation.for_items("b1"),
    ],
)
def test_another_type_is_a_type_error_that_names_the_place(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"must be .*, not \w+"):
        call()
