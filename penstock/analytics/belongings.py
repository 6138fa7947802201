"""All rows that belong to one customer, table by table and page by page: what an export holds.

A table with a `customer` column is in `parts` or, with the reason, in `left_out`: a test looks. It reads only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock import installed
from penstock.billing import limit_tables as caps
from penstock.billing import tables as bills
from penstock.channels import tables as channels
from penstock.identity import tables as people
from penstock.identity.belongings import DERIVED, Belonging, of_key
from penstock.metering import tables as metered
from penstock.monitoring import event_tables as events
from penstock.monitoring import tables as said
from penstock.serving import tables as serving
from penstock.storage.audit import Entry, entries_about, is_personal
from penstock.storage.engine import Store, Transaction
from penstock.storage.schema import Instant
from penstock.storage.sealed import opened

PAGE = 500
AUDIT = "audit"
_LEFT_OUT = {
    "usage_grant": "what gateways hold for a while; its use is in usage",
    "usage_total": "sums over usage",
    "commission": "it belongs to the partner",
    "payout": "it belongs to the partner: see its statement",
}
Row = Mapping[str, Any]


def _of_invoice(name: str, what: str, table: sa.Table) -> Belonging:
    return Belonging(name, what, table, by="invoice", via=bills.invoice, via_key="number")


_PARTS = (
    Belonging("customer", "the customer's own record", people.customer, by="id"),
    Belonging("consents", "each yes and no to training, oldest first", people.consent),
    Belonging("keys", "keys, without their secrets", people.key, hidden=("secret_sha256",)),
    of_key("key_uses", "when each key was last used, to the hour", people.key_use),
    of_key("key_limits", "what each key may do at most", serving.key_limit),
    of_key("key_spending", "what each limited key came to, by month", caps.key_spend),
    Belonging("terms", "how the customer pays", bills.customer_terms),
    Belonging("tax", "tax rates of its own", bills.tax_version),
    Belonging("plans", "plans, from when to when", bills.subscription),
    Belonging("limits", "units of a product in a month", bills.usage_limit),
    Belonging("spend_limit", "what a month may come to", caps.spend_limit),
    Belonging("limit_warnings", "warnings that a limit comes near", caps.limit_warning),
    Belonging("usage", "every usage event", metered.usage_event, order=("seq",)),
    Belonging("usage_corrections", "corrections of use, and why", metered.usage_correction),
    Belonging(
        "answers", "answers still kept, with their inputs", metered.answer, by="source"
    ),  # in its key; of an answer it is the customer
    Belonging("feedback", "ratings, corrections and comments", said.feedback, order=("number",)),
    Belonging(
        "feedback_reviews", "what was decided about them", said.feedback_review, by="feedback", via=said.feedback
    ),
    Belonging(
        "feedback_uses", "data versions that hold rows of them", said.feedback_use, by="feedback", via=said.feedback
    ),
    Belonging("events", "clicks and purchases", events.feedback_event, order=("number",)),
    Belonging(
        "event_uses",
        "data versions that hold rows of them",
        events.feedback_event_use,
        by="event",
        via=events.feedback_event,
    ),
    Belonging("invoices", "invoices; each as PDF too, in invoices/", bills.invoice),
    _of_invoice("invoice_lines", "the lines of invoices", bills.invoice_line),
    _of_invoice("invoice_mails", "to whom invoices were mailed", bills.invoice_mail),
    Belonging("invoice_voids", "invoices taken back", bills.invoice_void),
    Belonging("rating_runs", "the figures behind invoices' lines", bills.rating_run),
    Belonging("credit_notes", "credit notes; each as PDF too, in credit-notes/", bills.credit_note),
    Belonging("payments", "payments of invoices", bills.payment),
    Belonging("refunds", "money given back", bills.refund),
    Belonging("postings", "the ledger's postings in its name: credit, receivables", bills.posting, by="party"),
    Belonging(
        "ledger_operations",
        "what the postings belong to, and when they were made",
        bills.ledger_operation,
        by="operation",
        via=bills.posting,
        via_key="operation",
        via_by="party",
    ),
    Belonging("billing_stops", "why it is put aside from billing", bills.quarantine),
    Belonging("attribution", "which partner brought it", channels.attribution),
    Belonging(
        "attribution_review",
        "whether that is held",
        channels.attribution_review,
        hidden=("signs", "decision"),  # they may name others
    ),
    Belonging("partners", "what it is as a partner", channels.partner),
)


def parts() -> tuple[Belonging, ...]:
    """Everything that an export holds, table by table."""
    return (*_PARTS, *(one for task in installed.tasks().values() for one in task.customers.belongings))


def left_out() -> dict[str, str]:
    """Tables that name a customer and are in no export, and why."""
    found = dict(_LEFT_OUT)
    for task in installed.tasks().values():
        found |= task.customers.left_out
    return found


def rows(store: Store, part: Belonging, customer: str, page: int = PAGE) -> Iterator[dict[str, Any]]:
    """The part's rows as JSON values, each page in a transaction of its own: nothing is held up, memory is bounded."""
    after: Sequence[Any] | None = None
    keys = part.ordered_by
    while True:
        with store.read() as tx:
            found = _page(tx, part, customer, after, page)
        for row in found:
            yield {one.name: _plain(row[one.name]) for one in part.columns}
        if len(found) < page:
            return
        after = [found[-1][f"order_{number}"] for number in range(len(keys))]


def audit_rows(store: Store, customer: str, page: int = PAGE) -> Iterator[dict[str, Any]]:
    """The audit log's entries about the customer and its keys, oldest first; of what one act changed, only what is the
    customer's."""
    shown = {part.table.name: frozenset(part.hidden) for part in parts()}
    with store.read() as tx:
        keys = sa.select(people.key.c.id).where(
            people.key.c.organisation == tx.organisation, people.key.c.customer == customer
        )
        mine = frozenset([customer, *(row["id"] for row in tx.all(keys))])
    subjects = sa.union_all(sa.select(sa.literal(customer)), keys)
    after = 0
    while True:
        with store.read() as tx:
            found = entries_about(tx, subjects, after, page)
        yield from (row for entry in found if (row := _of_entry(entry, mine, shown)))
        if len(found) < page:
            return
        after = found[-1].number


def personal_entries(store: Store, customer: str, page: int = PAGE) -> Iterator[tuple[list[Entry], frozenset[str]]]:
    """The audit log's entries that hold personal values of the customer, oldest first, page by page; with the ids that
    name its rows in them."""
    owned = [one for one in parts() if any(column.info.get("personal") for column in one.table.columns)]
    with store.read() as tx:
        theirs = sa.union(
            *(sa.select(one.table.c[one.by]).where(*one.mine(tx.organisation, customer)) for one in owned)
        )
        names = frozenset(str(name) for (name,) in tx.execute(theirs))
    after = 0
    while True:
        with store.read() as tx:
            found = entries_about(tx, theirs, after, page)
        yield [one for one in found if is_personal(one, names)], names
        if len(found) < page:
            return
        after = found[-1].number


def count(tx: Transaction, part: Belonging, customer: str) -> int:
    """How many rows the part has."""
    query = sa.select(sa.func.count()).select_from(part.table).where(*part.mine(tx.organisation, customer))
    return int(tx.scalar(query) or 0)


def fields(part: Belonging) -> list[dict[str, str]]:
    """Name and type of each field of the part's rows."""
    return [{"name": one.name, "type": _type(one.type)} for one in part.columns]


def _page(
    tx: Transaction, part: Belonging, customer: str, after: Sequence[Any] | None, size: int
) -> list[dict[str, Any]]:
    keys = part.ordered_by
    order = [one.label(f"order_{number}") for number, one in enumerate(keys)]
    query = sa.select(*part.columns, *order).where(*part.mine(tx.organisation, customer))
    if after is not None:
        given = [sa.literal(value, one.type) for value, one in zip(after, keys, strict=True)]
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*given))
    return opened(tx, part.table, query.order_by(*keys).limit(size))


def _of_entry(entry: Entry, mine: frozenset[str], shown: Mapping[str, frozenset[str]]) -> dict[str, Any] | None:
    def seen(row: Row | None, hidden: frozenset[str]) -> Row | None:
        return None if row is None else {name: value for name, value in row.items() if name not in hidden | _HIDDEN}

    changes = [
        {
            "table": one.table,
            "key": one.key,
            "before": seen(one.before, shown[one.table]),
            "after": seen(one.after, shown[one.table]),
        }
        for one in entry.changes
        if one.table in shown and one.names(mine)
    ]
    if not changes:
        return None
    facts = {"number": entry.number, "at": _plain(entry.at), "who": entry.who, "role": entry.role, "act": entry.act}
    return {**facts, "changes": changes}


_HIDDEN = frozenset(DERIVED)
_TYPES: tuple[tuple[type[Any], str], ...] = (
    (sa.Boolean, "true or false"),
    (sa.Integer, "integer"),
    (sa.Float, "number"),
    (sa.JSON, "JSON"),
    (sa.LargeBinary, "JSON, as it was sent; other bytes as base64"),
)


def _type(kind: Any) -> str:
    if isinstance(kind, Instant):
        return "time, ISO 8601 in UTC"
    kind = kind.impl if isinstance(kind, sa.types.TypeDecorator) else kind
    return next((word for known, word in _TYPES if isinstance(kind, known)), "text")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes | memoryview):
        return _bytes(bytes(value))
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return str(value)


def _bytes(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return {"base64": base64.b64encode(content).decode()}
