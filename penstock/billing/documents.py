"""An invoice as JSON and as PDF. Both are made from the record as it stands: what was paid since is on them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

from penstock.billing import tax_lines
from penstock.billing.document_words import UNITS, WORDS
from penstock.billing.records import CreditNote, Invoice, Line, LineTier
from penstock.core.clock import local_text, zone_of
from penstock.core.money import Money, display, exponent
from penstock.workspace.records import PaymentDetails

TEMPLATE = "invoice.typ"


def to_json(invoice: Invoice) -> dict[str, Any]:
    """The invoice as JSON values: amounts as decimal strings of the currency, times in UTC."""

    def amount(minor: int) -> str:
        return f"{Money(minor, invoice.currency).to_decimal():f}"

    return {
        "number": invoice.number,
        "state": invoice.state,
        "customer": invoice.customer,
        "period": _period(invoice.period.name, invoice.period.start, invoice.period.end),
        "currency": invoice.currency,
        "issued_at": _instant(invoice.issued_at),
        "issued_on": _local_day(invoice, invoice.issued_at),
        "due_at": _instant(invoice.due_at),
        "due_on": _local_day(invoice, invoice.due_at),
        "seller": dict(invoice.seller),
        "buyer": dict(invoice.buyer),
        "lines": [
            {
                "line": line.number,
                "kind": line.kind,
                "title": line.title,
                "product": line.product,
                "period": _period(line.period.name, line.period.start, line.period.end),
                "quantity": line.quantity,
                "unit": line.unit,
                "tiers": [
                    {
                        "units": tier.units,
                        "unit_price": None if tier.unit_price is None else f"{tier.unit_price:f}",
                        "amount": f"{tier.amount:f}",
                    }
                    for tier in line.tiers
                ],
                "amount": amount(line.amount_minor),
                "tax_rate": str(line.tax_rate),
                "events": f"/v1/invoices/{invoice.number}/lines/{line.number}/events" if line.product else None,
            }
            for line in invoice.lines
        ],
        "net": amount(invoice.net_minor),
        "tax": tax_lines.invoice_json(invoice),
        "total": amount(invoice.total_minor),
        "paid_from_credit": amount(invoice.credit_minor),
        "paid": amount(invoice.paid_minor),
        "refunded": amount(invoice.refunded_minor),
        "credited": amount(sum(note.total_minor for note in invoice.notes)),
        "open": amount(invoice.open_minor),
        "credit_notes": [note_json(note) for note in invoice.notes],
        "void": invoice.void and {"reason": invoice.void.reason, "voided_at": _instant(invoice.void.voided_at)},
    }


def note_json(note: CreditNote) -> dict[str, Any]:
    """A credit note as JSON values. reduced: taken off the open amount; returned: had been paid, and was given back."""
    minor = {"net": note.net_minor, "tax": note.tax_minor, "total": note.total_minor, "reduced": note.reduced_minor}
    minor["returned"] = note.total_minor - note.reduced_minor
    amounts = {name: f"{Money(amount, note.currency).to_decimal():f}" for name, amount in minor.items()}
    facts = {"number": note.number, "invoice": note.invoice, "reason": note.reason, "operation": note.operation}
    rates = tax_lines.note_json(note)
    return {**facts, "currency": note.currency, **amounts, "rates": rates, "issued_at": _instant(note.issued_at)}


def pdf(invoice: Invoice, pay_to: PaymentDetails, *, draft: bool = False) -> bytes:
    """The invoice as an A4 PDF in the buyer's language, as it stands: open, paid, void or a draft.

    pay_to: printed while something is open. The same record always gives the same bytes.
    """
    return _compiled(printed(invoice, pay_to, draft=draft), invoice.issued_at)


def note_pdf(note: CreditNote, invoice: Invoice, *, in_cash: bool = False) -> bytes:
    """The credit note of this invoice as an A4 PDF. in_cash: what had been paid goes back by bank, not to credit."""
    return _compiled(printed_note(note, invoice, in_cash=in_cash), note.issued_at)


def _compiled(document: dict[str, Any], issued_at: datetime) -> bytes:
    import typst

    # the text travels as data, never as markup: a customer's name cannot become a command
    content = json.dumps(document, ensure_ascii=False, sort_keys=True)
    return bytes(
        typst.compile(
            str(files("penstock.billing").joinpath(TEMPLATE)),
            font_paths=[str(files("noto_cjk_sans_otc"))],
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"invoice": content},
            timestamp=int(issued_at.timestamp()),
        )
    )


def printed(invoice: Invoice, pay_to: PaymentDetails, *, draft: bool = False) -> dict[str, Any]:
    """What the PDF says, as text in the buyer's language: all that the template needs to know."""
    locale = invoice.buyer["locale"] if invoice.buyer["locale"] in WORDS else "en"
    words = dict(WORDS[locale])
    zone = zone_of(invoice.seller["timezone"])
    due_minor = 0 if invoice.void else max(0, invoice.open_minor)
    asks = due_minor > 0 and not draft

    def amount(minor: int) -> str:
        return Money(minor, invoice.currency).display(locale)

    def day(moment: datetime) -> str:
        return _date(moment.astimezone(zone), locale)

    totals = tax_lines.totals(words, locale, invoice)
    totals += [(words[word], amount(minor)) for word, minor in _since(invoice) if minor and not invoice.void]
    title, note = _said(invoice, words, draft=draft)
    if draft:
        words["amount_due"] = words["draft_due"]
    number = words["draft"] if draft else invoice.number
    dates = [] if draft else [(words["issued"], day(invoice.issued_at))]
    if asks:
        dates.append((words["due"], day(invoice.due_at)))
    facts = [(words["number"], number), *dates, (words["period"], _month(invoice.period.name, locale))]
    return {
        "locale": locale,
        "words": words,
        "title": title,
        "number": number,
        "facts": facts,
        "seller": _party(invoice.seller, words),
        "buyer": _party(invoice.buyer, words),
        "lines": [
            _line(line, invoice.currency, locale, words, with_rate=len(invoice.taxes) > 1) for line in invoice.lines
        ],
        "totals": totals,
        "due": amount(due_minor),
        "reasons": tax_lines.reasons(words, invoice),
        "note": note.format(
            date=day(invoice.void.voided_at if invoice.void else invoice.issued_at if draft else invoice.due_at),
            number=invoice.number,
            reason=invoice.void.reason if invoice.void else "",
        ),
        "pay_to": _pay_to(pay_to, words) if asks else [],
        "proof": words["proof"].format(number=invoice.number)
        if any(line.product for line in invoice.lines) and not draft
        else "",
    }


def _since(invoice: Invoice) -> list[tuple[str, int]]:
    """(word, minor units) of what came off the total, and what went back: with the total they sum to what is due."""
    from_credit = min(invoice.credit_minor, invoice.paid_minor)  # credit that was taken on issue may have come back
    return [
        ("credit" if from_credit > 0 else "to_credit", -from_credit),
        ("paid", from_credit - invoice.paid_minor),
        ("taken_off", -invoice.returned_minor),
        ("refunded", invoice.refunded_minor),
    ]


def _said(invoice: Invoice, words: dict[str, str], *, draft: bool) -> tuple[str, str]:
    """The title, with the invoice's state where it asks for nothing, and the sentence below the amount."""
    title = words["credit_note" if invoice.total_minor < 0 else "title"]
    if invoice.void:
        return f"{title} · {words['void']}", words["voided"]
    if draft:
        return f"{title} · {words['draft']}", words["draft_note"]
    if invoice.open_minor > 0:
        return title, words["pay_by"]
    if invoice.total_minor <= 0:
        return title, words["nothing_note"]
    state = {"credited": "taken_off", "refunded": "refunded"}.get(invoice.state, "paid")
    note = {"credited": "credited_note", "refunded": "refunded_note"}.get(invoice.state, "paid_note")
    return f"{title} · {words[state]}", words[note]


def _pay_to(details: PaymentDetails, words: dict[str, str]) -> list[tuple[str, str]]:
    """The rows of the payment details: (label, value); the note has no label."""
    iban = details.iban and " ".join(details.iban[start : start + 4] for start in range(0, len(details.iban), 4))
    given = {**details.model_dump(exclude={"note"}), "iban": iban}
    return [(words[name], value) for name, value in given.items() if value] + (
        [("", details.note)] if details.note else []
    )


def printed_note(note: CreditNote, invoice: Invoice, *, in_cash: bool = False) -> dict[str, Any]:
    """What a credit note's PDF says, as text in the buyer's language."""
    locale = note.buyer["locale"] if note.buyer["locale"] in WORDS else "en"
    words = dict(WORDS[locale])
    words["amount_due"] = words["credited"]
    paid = note.total_minor - note.reduced_minor
    parts = [("reduces", note.reduced_minor), ("given_cash" if in_cash else "given", paid)]
    said = [
        words[word].format(amount=Money(minor, note.currency).display(locale), number=invoice.number)
        for word, minor in parts
        if minor
    ]
    net = Money(note.net_minor, note.currency).display(locale)
    return {
        "locale": locale,
        "words": words,
        "title": words["credit_note"],
        "number": note.number,
        "facts": [
            (words["number"], note.number),
            (words["issued"], _date(note.issued_at.astimezone(zone_of(note.seller["timezone"])), locale)),
            (words["for_invoice"], invoice.number),
            (words["period"], _month(invoice.period.name, locale)),
        ],
        "seller": _party(note.seller, words),
        "buyer": _party(note.buyer, words),
        "lines": [
            {
                "title": note.reason,
                "detail": f"{words['for_invoice']} {invoice.number}",
                "quantity": "",
                "unit_price": "",
                "amount": net,
                "tiers": [],
            }
        ],
        "totals": tax_lines.totals(words, locale, invoice, note),
        "reasons": [],
        "due": Money(note.total_minor, note.currency).display(locale),
        "note": " ".join(said),
        "pay_to": [],
        "proof": "",
    }


def _line(line: Line, currency: str, locale: str, words: dict[str, str], *, with_rate: bool = False) -> dict[str, Any]:
    unit = _unit(line.unit, line.quantity, locale)
    detail = words["fee"] if line.kind == "plan" else line.product or ""
    if line.kind == "late usage":
        detail = words["late"].format(period=_month(line.period.name, locale))
    rate = tax_lines.said_rate(words, line.tax_rate) if with_rate else ""
    tiers = list(line.tiers)
    simple = len(tiers) == 1 and tiers[0].unit_price is not None
    return {
        "title": line.title,
        "detail": " · ".join(part for part in (detail if detail != line.title else "", rate) if part),
        "quantity": f"{_count(line.quantity, locale)} {unit}",
        "unit_price": _price(tiers[0].unit_price, currency, locale) if simple else "",
        "amount": Money(line.amount_minor, currency).display(locale),
        "tiers": [] if simple else [_tier(tier, currency, locale, words) for tier in tiers],
    }


def _tier(tier: LineTier, currency: str, locale: str, words: dict[str, str]) -> dict[str, str]:
    free = tier.unit_price is None
    return {
        "quantity": _count(tier.units, locale),
        "unit_price": words["included"] if free else "× " + _price(tier.unit_price, currency, locale),
        "amount": "" if free else _price(tier.amount, currency, locale),
    }


def _party(who: Any, words: dict[str, str]) -> dict[str, Any]:
    lines = [part.strip() for part in str(who.get("address", "")).splitlines() if part.strip()]
    if who.get("email"):
        lines.append(who["email"])
    if who.get("tax_id"):
        lines.append(f"{words['tax_id']} {who['tax_id']}")
    return {"name": who["name"], "lines": lines}


def _price(value: Decimal | None, currency: str, locale: str) -> str:
    """A unit price with all its decimals, at least those of the currency."""
    amount = value or Decimal(0)
    exact = amount.normalize().as_tuple().exponent
    least = exponent(currency)
    return display(amount, currency, locale, places=max(least, -exact if isinstance(exact, int) else least))


def _count(units: int, locale: str) -> str:
    from babel.numbers import format_decimal

    text: str = format_decimal(units, locale=locale.replace("-", "_"))
    return text


def _date(moment: datetime, locale: str) -> str:
    from babel.dates import format_date

    text: str = format_date(moment.date(), "d MMM y" if locale == "en" else "long", locale=locale.replace("-", "_"))
    return text


def _month(name: str, locale: str) -> str:
    """'2026-12' as 'December 2026' or '2026年12月'."""
    from babel.dates import format_date

    first = date.fromisoformat(f"{name}-01")
    text: str = format_date(first, "MMMM y" if locale == "en" else "y年M月", locale=locale.replace("-", "_"))
    return text


def _unit(unit: str, quantity: int, locale: str) -> str:
    if locale in UNITS:
        return UNITS[locale].get(unit, unit)
    return unit if abs(quantity) == 1 else f"{unit}s"


def _period(name: str, start: datetime, end: datetime) -> dict[str, str]:
    return {"name": name, "start": _instant(start), "end": _instant(end)}


def _local_day(invoice: Invoice, moment: datetime) -> str:
    return local_text(moment, invoice.seller["timezone"])[:10]


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
