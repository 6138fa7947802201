"""Hands a message to the company's own mail server. It knows no invoice, no alert and no customer."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage

from penstock.core.errors import BadInput, Unavailable
from penstock.workspace.records import MailServer

TIMEOUT_S = 15.0


def deliver(message: EmailMessage, server: MailServer, environment: Mapping[str, str]) -> None:
    """Send one message. environment: where the password is read from.

    Raises BadInput when the password is not set, and Unavailable when the server does not take the message.
    """
    password = environment.get(server.password_env, "") if server.password_env else ""
    if server.password_env and not password:
        raise BadInput("the mail password is not set", where=server.password_env, hint="export it before this command")
    context = ssl.create_default_context()
    try:
        with _connected(server, context) as smtp:
            if server.security == "starttls":
                smtp.starttls(context=context)
            if server.user:
                smtp.login(server.user, password)
            smtp.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail was not taken: {error}", where=f"{server.host}:{server.port}") from None


def _connected(server: MailServer, context: ssl.SSLContext) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
