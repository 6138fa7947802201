"""What a customer asks of the gateway beyond predictions: feedback, its own use, its own invoices and their proof."""

from __future__ import annotations

from functools import partial
from typing import Any

from penstock.app.account_api import account
from penstock.app.customer_keys import KEY_ENDPOINTS
from penstock.billing import invoices
from penstock.core.errors import BadInput
from penstock.identity.keys import require_product
from penstock.metering.quantities import charges, daily, quantity
from penstock.metering.usage_log import find_answer
from penstock.monitoring import feedback
from penstock.monitoring.events import record_event
from penstock.pipeline.climb.learning import check_correction, proposes_labels
from penstock.pipeline.money import month
from penstock.runtime.house import House
from penstock.serving.endpoints import Endpoint, EndpointRequest

ACCOUNT = "Your balance (paid, used, held, left), limits with what is used of them, and prices"
LARGEST_PAGE = 1_000
_EVENTS = "/v1/invoices/{number}/lines/{line}/events"
MOST_DIGITS = 18  # of a number that a database's 64-bit integer surely holds


def customer_endpoints(house: House) -> tuple[Endpoint, ...]:
    """The routes; each sees only what belongs to the customer whose key was sent."""

    def usage(request: EndpointRequest) -> Any:
        return _usage(house, request)

    def said(request: EndpointRequest) -> Any:
        return _feedback(house, request)

    return (
        Endpoint("GET", "/v1/account", "customer", partial(account, house), ACCOUNT, "billing", writes=True),
        Endpoint("POST", "/v1/feedback", "customer", said, "Rate or correct one output of an earlier answer"),
        Endpoint("GET", "/v1/usage", "customer", usage, "Units used in a month, by product and by day", "billing"),
        Endpoint("GET", "/v1/invoices", "customer", _invoices, "Your invoices", "billing"),
        Endpoint("GET", "/v1/invoices/{number}", "customer", _invoice, "One invoice with its lines", "billing"),
        Endpoint("GET", _EVENTS, "customer", _events, "The proof of a line", "billing"),
        *KEY_ENDPOINTS,
    )


def _feedback(house: House, request: EndpointRequest) -> Any:
    body = request.body
    known = {"id", "index", "rating", "correction", "comment", "event", "item"}
    if not isinstance(body, dict) or "id" not in body:
        raise BadInput('the body must be an object with "id"', where="body", hint=f"fields: {', '.join(sorted(known))}")
    if unknown := set(body) - known:
        raise BadInput(
            f"unknown field {sorted(unknown)[0]!r}", where="body", hint=f"fields: {', '.join(sorted(known))}"
        )
    _check_key(request, body["id"])
    if "event" in body or "item" in body:
        return _event(request, body)
    said = feedback.record(
        request.tx,
        customer=request.customer,
        request_id=body["id"],
        index=body.get("index", 0),
        rating=body.get("rating"),
        correction=_as_text(body.get("correction")),
        comment=body.get("comment", ""),
        check=partial(check_correction, house),
        proposes=partial(proposes_labels, house),
    )
    return {"feedback": said.id, "id": said.request_id, "index": said.index, "new_label": said.new_label}


def _check_key(request: EndpointRequest, request_id: Any) -> None:
    """Forbidden where the answer is of a product that the key may not call."""
    answer = find_answer(request.tx, request.customer, request_id) if isinstance(request_id, str) else None
    if answer is not None and request.by is not None:
        require_product(request.by, answer.product)


def _event(request: EndpointRequest, body: dict[str, Any]) -> Any:
    """A click or a purchase: not a word on the answer, but what somebody did with an item of it."""
    if also := set(body) & {"rating", "correction", "comment"}:
        hint = f"send the {sorted(also)[0]} in a request of its own"
        raise BadInput("an event goes alone", where=sorted(also)[0], hint=hint)
    made = record_event(
        request.tx,
        customer=request.customer,
        request_id=body["id"],
        index=body.get("index", 0),
        kind=body.get("event", ""),
        item=body.get("item", ""),
    )
    return {"event": made.id, "id": made.request_id, "index": made.index, "kind": made.kind, "item": made.item}


def _as_text(correction: Any) -> Any:
    """A number is a correction too, of a table's estimate or a label; everything else is judged as it is."""
    if isinstance(correction, list):
        return [_as_text(each) for each in correction]
    return repr(correction) if type(correction) in (int, float) else correction


def _usage(house: House, request: EndpointRequest) -> Any:
    period = month(house, request.query.get("period"))
    tx, customer = request.tx, request.customer
    products = [product for _, product in charges(tx, period, customer)]
    return {
        "period": period.name,
        "products": [
            {"product": product, "units": quantity(tx, customer=customer, product=product, period=period).units}
            for product in products
        ],
        "days": [
            {"day": day.day.isoformat(), "product": day.product, "units": day.units}
            for day in daily(tx, customer, period, house.workspace.company.timezone)
        ],
    }


def _invoices(request: EndpointRequest) -> Any:
    found = invoices.list_invoices(request.tx, customer=request.customer, after=request.query.get("after", ""))
    return {"invoices": [invoices.to_json(invoice) for invoice in found]}


def _invoice(request: EndpointRequest) -> Any:
    return invoices.to_json(invoices.get_invoice(request.tx, request.path["number"], customer=request.customer))


def _events(request: EndpointRequest) -> Any:
    events = invoices.line_events(
        request.tx,
        request.path["number"],
        _number(request.path["line"], "line"),
        after=_number(request.query.get("after", "0"), "after"),
        limit=min(LARGEST_PAGE, _number(request.query.get("limit", str(LARGEST_PAGE)), "limit")),
        customer=request.customer,
    )
    return {
        "events": [
            {
                "seq": event.seq,
                "id": event.id,
                "source": event.source,
                "time": event.time.isoformat(),
                "units": event.units,
            }
            for event in events
        ]
    }


def _number(text: str, where: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise BadInput(f"{text[:MOST_DIGITS]!r} is not a whole number", where=where, hint="use at most 18 digits")
    return int(text)
