"""Mails invoices: the PDF with a short letter in the buyer's language, through the server under [mail]."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from penstock.billing.dispatch import Sent, record_sent, sent_of, unsent
from penstock.billing.invoices import Invoice, get_invoice
from penstock.core.clock import local_text
from penstock.core.errors import BadInput, Conflict, PenstockError, Unavailable
from penstock.core.money import Money
from penstock.pipeline.money import invoice_pdf
from penstock.runtime.house import House
from penstock.runtime.mail import deliver
from penstock.runtime.progress import Progress, no_progress
from penstock.workspace.records import MailServer

_LETTERS = {
    "en": {
        "subject": "Invoice {number} from {seller}",
        "greeting": "Dear {buyer},",
        "open": "attached is invoice {number} for {period}. {amount} is due by {due}.",
        "settled": "attached is invoice {number} for {period}. Nothing is due.",
        "end": "Kind regards\n{seller}",
    },
    "zh-CN": {
        "subject": "{seller} 账单 {number}",
        "greeting": "{buyer}，您好：",
        "open": "附件是 {period} 的账单 {number}，应付 {amount}，请于 {due} 前付款。",
        "settled": "附件是 {period} 的账单 {number}，无需付款。",
        "end": "此致\n{seller}",
    },
}


@dataclass(frozen=True)
class Mailing:
    """What mailing a month came to: the invoices that went out, and why others did not, by number."""

    sent: tuple[Sent, ...]
    failed: Mapping[str, str]


def send_invoice(
    house: House,
    number: str,
    *,
    to: str | None = None,
    again: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Sent:
    """Mail one invoice to its buyer, or to another address.

    Raises BadInput without a mail server, Conflict for a void invoice, or one that was sent and is not wanted `again`,
    and Unavailable when the server does not take it; then nothing is recorded.
    """
    server = _server(house)
    if house.rehearsal:
        raise Conflict("this is a copy with a clock of its own: nothing is mailed from it", where=str(house.folder))
    with house.store.read() as tx:
        invoice, before = get_invoice(tx, number), sent_of(tx, number)
    if invoice.void:
        raise Conflict(f"invoice {number} is void: it asks for nothing", where="number")
    if before and not again:
        when = local_text(before[-1].sent_at, house.workspace.company.timezone)
        raise Conflict(f"invoice {number} was sent to {before[-1].recipient} at {when}", hint="send it --again")
    recipient = to or invoice.buyer["email"]
    message = _letter(invoice, server, recipient, copy=len(before) + 1)
    message["Date"] = format_datetime(house.store.clock.now())
    content = invoice_pdf(house, number)
    message.add_attachment(content, maintype="application", subtype="pdf", filename=f"invoice-{number}.pdf")
    deliver(message, server, environment)
    with house.store.transaction() as tx:
        return record_sent(tx, number, recipient)


def send_month(
    house: House, period: str, progress: Progress = no_progress, environment: Mapping[str, str] = os.environ
) -> Mailing:
    """Mail every invoice of the month that was not mailed yet. A refused one does not keep the others.

    Raises BadInput without a mail server, and Unavailable when the server cannot be reached at all.
    """
    _server(house)
    sent: list[Sent] = []
    failed: dict[str, str] = {}
    last = ""
    while numbers := _unsent(house, period, last):
        for number in numbers:
            try:
                sent.append(send_invoice(house, number, environment=environment))
            except Unavailable:
                if not sent:
                    raise
                failed[number] = "the mail server does not answer any longer"
            except PenstockError as error:
                failed[number] = str(error)
            progress("mailing", len(sent) + len(failed), 0)
        last = numbers[-1]
    return Mailing(tuple(sent), failed)


def _unsent(house: House, period: str, after: str) -> list[str]:
    with house.store.read() as tx:
        return unsent(tx, period, after=after)


def _server(house: House) -> MailServer:
    server = house.workspace.mail
    if server is None:
        hint = '[mail] with host = "smtp.example.com" and sender = "billing@example.com"'
        raise BadInput("no mail server is set", where="penstock.toml: mail", hint=f"add {hint}")
    return server


def _letter(invoice: Invoice, server: MailServer, recipient: str, *, copy: int) -> EmailMessage:
    say = _LETTERS.get(invoice.buyer["locale"], _LETTERS["en"])
    facts = {
        "number": invoice.number,
        "seller": invoice.seller["name"],
        "buyer": invoice.buyer["name"],
        "period": invoice.period.name,
        "amount": Money(invoice.open_minor, invoice.currency).display(invoice.buyer["locale"]),
        "due": local_text(invoice.due_at, invoice.seller["timezone"])[:10],
    }
    body = say["open"] if invoice.open_minor > 0 else say["settled"]
    message = EmailMessage()
    message["Subject"] = " ".join(say["subject"].format(**facts).split())
    message["From"] = formataddr((invoice.seller["name"], server.sender))
    message["To"] = recipient
    message["Message-ID"] = f"<invoice-{invoice.number}-{copy}@{server.sender.partition('@')[2]}>"
    message.set_content("\n\n".join(part.format(**facts) for part in (say["greeting"], body, say["end"])))
    return message
