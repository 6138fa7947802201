"""The console's languages. English phrases are the keys; `chinese.py` has what they are in Chinese."""

from __future__ import annotations

import re
from functools import cache

from penstock.console.chinese import CHINESE
from penstock.console.chinese_errors import CHINESE_ERRORS

LANGUAGES = ("en", "zh-CN")

DONE = {  # what a page says after a form, by the key in ?done=
    "added": "Added.",
    "archived": "Archived: its keys are revoked; what it used is billed when its month is closed.",
    "changed": "Changed. Issued invoices keep what they say.",
    "accepted": "Accepted: the next retraining learns from it.",
    "acknowledged": "Noted: it is not sent again.",
    "all-rejected": "All of them are rejected.",
    "applied": "Published.",
    "closing": "The month is being closed; its invoices will stand here in a moment.",
    "consent": "Recorded.",
    "credit-noted": "The credit note is issued.",
    "credited": "The credit is added.",
    "decided": "Decided.",
    "mailed": "The mail server took it.",
    "erased": "Erased. What stays, and why, is recorded here.",
    "limited": "The limit is set.",
    "moved": "Moved: the new terms hold for customers that it brings from now on.",
    "paid": "The payment is recorded.",
    "paid-out": "The payout is recorded.",
    "plan-changed": "The plan is changed.",
    "refunded": "The refund is recorded.",
    "rejected": "Rejected: no retraining learns from it.",
    "released": "Released: gateways switch within a second.",
    "resolved": "The alert is over.",
    "revoked": "Revoked: gateways refuse the key within a second.",
    "rolled-back": "Rolled back: gateways switch within a second.",
    "unarchived": "Taken back. Its keys stay revoked and its plan ended.",
    "tax-set": "The tax rate is set, from its month on.",
    "terms-set": "The terms are set: gateways follow within a second.",
    "operator-removed": "Removed: its token and its sessions hold no more.",
    "session-ended": "That browser is signed out.",
    "voided": "The invoice is void. Closing its month again issues what is right.",
    "training": "Training has begun; its candidates will stand here when they are judged.",
}


ONE = {  # how English says it of one
    "The log is whole: {count} entries.": "The log is whole: {count} entry.",
    "{count} customers look as if their partner brought itself: clear or reject them": (
        "{count} customer looks as if its partner brought itself: clear or reject it"
    ),
    "{count} keys end at once": "{count} key ends at once",
    "{count} customers it brought before keep the terms they came under.": (
        "{count} customer it brought before keeps the terms it came under."
    ),
    "{count} customers": "{count} customer",
    "{count} invoices": "{count} invoice",
    "{count} invoices, with tax": "{count} invoice, with tax",
    "{count} invoices are overdue": "{count} invoice is overdue",
    "{count} corrections may be trained on now": "{count} correction may be trained on now",
    "{subject} is not closed: {count} customers have no invoice for it": (
        "{subject} is not closed: {count} customer has no invoice for it"
    ),
    "{subject}: {count} corrections are not trained on yet": ("{subject}: {count} correction is not trained on yet"),
}


def translate(language: str, phrase: str, **values: object) -> str:
    """The phrase in the language, its {names} filled in; a phrase that is not known stays English."""
    if language == "zh-CN":
        text = CHINESE.get(phrase, phrase)
    else:
        text = ONE.get(phrase, phrase) if str(values.get("count")) == "1" else phrase
    return text.format(**values) if values else text


def translate_error(language: str, text: str) -> str:
    """An error's sentence in the language; one that is not known stays English."""
    if language != "zh-CN":
        return text
    if text in CHINESE:
        return CHINESE[text]
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            return chinese.format(**found.groupdict())
    return text


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of the known errors, those with the most words of their own first."""
    ordered = sorted(CHINESE_ERRORS, key=lambda phrase: len(_FILLED_IN.sub("", phrase)), reverse=True)
    return tuple((_pattern(phrase), CHINESE_ERRORS[phrase]) for phrase in ordered)


def _pattern(phrase: str) -> re.Pattern[str]:
    parts = _FILLED_IN.split(phrase)
    names = _FILLED_IN.findall(phrase)
    inner = "".join(
        re.escape(part) + (f"(?P<{names[at][1:-1]}>.+?)" if at < len(names) else "") for at, part in enumerate(parts)
    )
    return re.compile(inner, re.DOTALL)


_FILLED_IN = re.compile(r"\{\w+\}")
