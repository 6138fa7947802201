"""Replaces a key by one that may do the same: what identity knows of it, and the limits that serving keeps."""

from __future__ import annotations

from datetime import timedelta

from penstock.identity.keys import OVERLAP, Key, rotate_key
from penstock.serving.limits import copy_key_limit
from penstock.storage.engine import Transaction


def replace_key(tx: Transaction, key_id: str, overlap: timedelta = OVERLAP) -> tuple[Key, str]:
    """A key that may do what `key_id` may, within the same limits, with its text; the old one holds for `overlap`."""
    made, text = rotate_key(tx, key_id, overlap)
    copy_key_limit(tx, key_id, made.id)
    return made, text
