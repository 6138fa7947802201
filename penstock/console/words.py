"""The console's languages. English phrases are the keys; `chinese.py` has what they are in Chinese."""

from __future__ import annotations

from penstock.console.chinese import CHINESE

LANGUAGES = ("en", "zh-CN")

DONE = {  # what a page says after a form, by the key in ?done=
    "added": "Added.",
    "archived": "Archived: its keys are revoked; what it used is billed when its month is closed.",
    "changed": "Changed. Issued invoices keep what they say.",
    "closing": "The month is being closed; its invoices will stand here in a moment.",
    "consent": "Recorded.",
    "credited": "The credit is added.",
    "decided": "Decided.",
    "limited": "The limit is set.",
    "moved": "Moved: the new terms hold for customers that it brings from now on.",
    "paid": "The payment is recorded.",
    "paid-out": "The payout is recorded.",
    "plan-changed": "The plan is changed.",
    "refunded": "The refund is recorded.",
    "released": "Released: gateways switch within a second.",
    "revoked": "Revoked: gateways refuse the key within a second.",
    "rolled-back": "Rolled back: gateways switch within a second.",
    "unarchived": "Taken back. Its keys stay revoked and its plan ended.",
    "terms-set": "The terms are set: gateways follow within a second.",
    "training": "Training has begun; its candidates will stand here when they are judged.",
}


ONE = {  # how English says it of one
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
