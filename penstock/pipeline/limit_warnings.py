"""Warns customers who near their monthly limits: recorded, in the log, and mailed where [mail] is set."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from penstock.billing.limit_states import (
    LimitState,
    limit_states,
    limited_customers,
    mark_mailed,
    record_warnings,
)
from penstock.core.clock import period_at
from penstock.core.errors import PenstockError
from penstock.identity.customers import Customer, get_customer
from penstock.runtime.house import House
from penstock.runtime.mail import deliver
from penstock.workspace.records import MailServer

_LETTERS = {
    "en": {
        "subject": "{seller}: {percent} % of a monthly limit is used",
        "greeting": "Dear {buyer},",
        "money": "{used} of {limit} {currency} that you may spend in {period} (before tax)",
        "key": "{used} of {limit} {currency} that the key {name} may spend in {period} (before tax)",
        "product": "{used} of {limit} units of {name} in {period}",
        "end": "At 100 % requests are refused until the next month, or until the limit is raised.\n\n{seller}",
    },
    "zh-CN": {
        "subject": "{seller}：本月限额已用 {percent}%",
        "greeting": "{buyer}，您好：",
        "money": "{period} 的消费限额 {limit} {currency} 已用 {used}（不含税）",
        "key": "{period} 密钥 {name} 的消费限额 {limit} {currency} 已用 {used}（不含税）",
        "product": "{period} {name} 的用量限额 {limit} 已用 {used}",
        "end": "用满后请求将被拒绝，直到下个月或限额提高。\n\n{seller}",
    },
}
_log = logging.getLogger(__name__)


def warn_of_limits(house: House, environment: Mapping[str, str] = os.environ) -> int:
    """Look at every customer with a limit once; answers how many limits reached a new step."""
    with house.store.read() as tx:
        customers = limited_customers(tx)
    return sum(len(_warn(house, customer, environment)) for customer in customers)


def _warn(house: House, customer: str, environment: Mapping[str, str]) -> Sequence[LimitState]:
    company = house.workspace.company
    with house.store.transaction() as tx:
        who = get_customer(tx, customer)
        period = period_at(tx.shared_now, company.timezone).name
        reached = record_warnings(tx, customer, company, limit_states(tx, customer, company))
    for state in reached:
        _log.warning("%s: %d %% of the limit on %s is used", who.name, state.percent, state.subject)
    server = house.workspace.mail
    if not reached or server is None or house.rehearsal:
        return reached
    message = _letter(house, who, reached, period, server)
    try:
        deliver(message, server, environment)
    except PenstockError as error:  # it stays recorded and shown
        _log.warning("the warning to %s was not mailed: %s", who.name, error.message)
        return reached
    with house.store.transaction() as tx:
        mark_mailed(tx, customer, period, [state.subject for state in reached])
    return reached


def _letter(
    house: House, who: Customer, reached: Sequence[LimitState], period: str, server: MailServer
) -> EmailMessage:
    say, company = _LETTERS.get(who.locale, _LETTERS["en"]), house.workspace.company
    facts = {"seller": company.name, "buyer": who.name, "period": period, "currency": company.currency}
    lines = [
        say[one.kind].format(**facts, name=one.name, limit=f"{one.limit:,f}", used=f"{one.used.normalize():,f}")
        for one in reached
    ]
    message = EmailMessage()
    percent = max(one.percent for one in reached)
    message["Subject"] = " ".join(say["subject"].format(**facts, percent=percent).split())
    message["From"] = formataddr((company.name, server.sender))
    message["To"] = who.email
    message["Date"] = format_datetime(house.store.clock.now())
    parts = (say["greeting"].format(**facts), "\n".join(lines), say["end"].format(**facts))
    message.set_content("\n\n".join(parts))
    return message
