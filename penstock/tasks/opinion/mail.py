"""Alerts as e-mail: plain text with the numbers and the documents, through the company's own mail server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from penstock.runtime.mail import deliver
from penstock.tasks.opinion.i18n import words
from penstock.tasks.opinion.model.options import Mail
from penstock.tasks.opinion.outbox import Delivery


def send(delivery: Delivery, mail: Mail, *, locale: str, now: datetime, environment: Mapping[str, str]) -> None:
    """Send one. environment: where the password is read from. Raises BadInput or Unavailable."""
    deliver(compose(delivery, mail, locale=locale, now=now), mail, environment)


def compose(delivery: Delivery, mail: Mail, *, locale: str, now: datetime) -> EmailMessage:
    """The message. A repetition bears the same Message-ID."""
    say = words(locale)
    alert: Mapping[str, Any] = delivery.body["data"]
    kind = say[alert["kind"]]
    subject = say["mail_subject"].format(entity=alert["entity"], kind=kind, product=alert["product"])
    lines = [
        say["mail_first"].format(
            entity=alert["entity"],
            kind=kind,
            observed=alert["observed"],
            expected=f"{alert['expected']:.1f}",
            onset=alert["onset"][:16].replace("T", " "),
        ),
        "",
        *(f"- {document['time'][:10]}  {_line(document)}" for document in alert["documents"]),
        "",
        say["mail_last"].format(id=alert["id"]),
    ]
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{delivery.id}@{mail.sender.partition('@')[2]}>"
    message.set_content("\n".join(lines))
    return message


def _line(document: Mapping[str, Any]) -> str:
    text = " ".join((document["text"] or "").split())
    return f"{text[:200]}  {document['url']}".rstrip()
