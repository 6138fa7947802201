"""Alerts as webhooks, signed as Standard Webhooks ask: any verifier of theirs will do."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from penstock.core.errors import Unavailable
from penstock.core.hashing import canonical_json
from penstock.tasks.opinion.outbox import Delivery
from penstock.tasks.opinion.outgoing import call


def signing_secret(secret: bytes) -> str:
    """A house secret in the form that verifiers take: whsec_…"""
    return f"whsec_{base64.b64encode(secret).decode()}"


def post(delivery: Delivery, *, secret: bytes, now: datetime, private: bool) -> None:
    """Send one. A repetition bears the same webhook-id. Raises BadInput, or Unavailable unless the answer is 2xx."""
    from standardwebhooks.webhooks import Webhook

    body = canonical_json(delivery.body)
    signature = Webhook(signing_secret(secret)).sign(delivery.id, now.astimezone(UTC), body.decode())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    answer = call("POST", delivery.target, body=body, headers=headers, private=private)
    if not 200 <= answer.status < 300:
        raise Unavailable(f"the receiver answered {answer.status}", where=f"delivery {delivery.id}")
