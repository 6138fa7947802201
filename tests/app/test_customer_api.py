"""The customers' own routes, called without a gateway."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from billing.shop import Shop, open_shop

from penstock.app.customer_api import _as_text, _events, _feedback
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Forbidden
from penstock.identity.keys import create_key, list_keys
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.serving.endpoints import EndpointRequest
from penstock.storage.engine import Store


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    return open_shop(store, clock)


@pytest.mark.parametrize("after", ["-1", "x", "9" * 19, "9" * 5_000])
def test_a_number_that_no_event_can_have_is_refused_not_broken_on(shop: Shop, after: str) -> None:
    blue = shop.customer()
    shop.use(blue, 1_000)
    shop.wait_until("2026-12")
    place = {"number": shop.invoice("2026-11").number, "line": "1"}
    with shop.store.read() as tx:
        assert len(_events(EndpointRequest(tx, blue, "key", place, {"after": "0"}, None))["events"]) == 1
        assert _events(EndpointRequest(tx, blue, "key", place, {"after": "9" * 18}, None)) == {"events": []}
        with pytest.raises(BadInput, match="not a whole number"):
            _events(EndpointRequest(tx, blue, "key", place, {"after": after}, None))


@pytest.mark.parametrize(
    ("sent", "kept"), [(500_000, "500000"), (71.5, "71.5"), ("refund", "refund"), (True, True), (None, None)]
)
def test_a_number_corrects_an_estimate_as_its_text_would(sent: object, kept: object) -> None:
    assert _as_text(sent) == kept  # what is neither text nor number is left to be refused


def test_a_key_of_one_product_says_nothing_of_answers_of_another(shop: Shop) -> None:
    blue = shop.customer("Blue Shop")
    with shop.store.transaction() as tx:
        create_key(tx, customer=blue, products=["translate"])
        event = UsageEvent(blue, "req_1", blue, "helpdesk", "1", "key", tx.now, 1, "0" * 64)
        append(tx, [event], [Answer(blue, "req_1", blue, "helpdesk", ["where is it"], b"{}", tx.now)])
        [key] = list_keys(tx, blue)
        for body in ({"id": "req_1", "rating": 1}, {"id": "req_1", "event": "click", "item": "x"}):
            with pytest.raises(Forbidden, match="may not call 'helpdesk'"):
                _feedback(Mock(), EndpointRequest(tx, blue, key.id, {}, {}, body, key))
