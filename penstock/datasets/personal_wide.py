"""Finds more kinds of personal data than personal.py, by the patterns and check digits of Presidio's recognizers.

Patterns only, no language model: it does not know names of persons, and reads numbers of some countries.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from penstock.core.errors import Unavailable
from penstock.core.installing import install_hint
from penstock.datasets import personal

SURE = 0.5  # of Presidio's scores: 1 is a check digit that holds, 0.5 a form of its own, 0.05 any nine digits
_RECOGNIZERS = {
    "iban": ("IbanRecognizer", "IBANs"),
    "ip": ("IpRecognizer", "IP addresses"),
    "mac": ("MacAddressRecognizer", "MAC addresses"),
    "crypto": ("CryptoRecognizer", "wallet addresses"),
    "us-itin": ("UsItinRecognizer", "US taxpayer numbers"),  # before us-ssn, whose pattern takes them too
    "us-ssn": ("UsSsnRecognizer", "US social security numbers"),
    "us-mbi": ("UsMbiRecognizer", "US Medicare numbers"),
    "uk-nhs": ("NhsRecognizer", "UK NHS numbers"),
    "uk-nino": ("UkNinoRecognizer", "UK national insurance numbers"),
    "uk-driving-licence": ("UkDrivingLicenceRecognizer", "UK driving licences"),
    "es-nif": ("EsNifRecognizer", "Spanish NIFs"),
    "es-nie": ("EsNieRecognizer", "Spanish NIEs"),
    "it-fiscal-code": ("ItFiscalCodeRecognizer", "Italian fiscal codes"),
    "fi-id": ("FiPersonalIdentityCodeRecognizer", "Finnish identity codes"),
    "kr-rrn": ("KrRrnRecognizer", "Korean resident numbers"),
    "sg-nric": ("SgFinRecognizer", "Singapore NRICs and FINs"),
    "in-aadhaar": ("InAadhaarRecognizer", "Indian Aadhaar numbers"),
    "in-pan": ("InPanRecognizer", "Indian PANs"),
}
KINDS = {kind: words for kind, (_, words) in _RECOGNIZERS.items()}
"""Each kind, in words."""

_SIGNS = re.compile(r"[\d０-９]|:[0-9A-Fa-f]|[13bB][A-Za-z]{20}")
_OUTSIDE = re.compile(r"[^\x00-\x7f]")


def find(text: str) -> list[tuple[str, int, int]]:
    """(kind, start, end) of each piece, of personal.py's kinds and of KINDS, in order, not overlapping.

    A number without any other sign in it is no piece of KINDS: one in ten order numbers has a check digit that holds.
    Raises Unavailable without Presidio.
    """
    found = personal.find(text)
    recognizers = _recognizers()
    if _SIGNS.search(text) is None:
        return found
    # a letter of another script ends a word here: Presidio would take "卡号GB33..." for one word, and read nothing
    plain = _OUTSIDE.sub(" ", personal.plain(text))
    for _, start, end in found:
        plain = plain[:start] + " " * (end - start) + plain[end:]
    for kind, analyze in recognizers:
        for start, end in analyze(plain):
            if _is_one(kind, plain[start:end]):
                found.append((kind, start, end))
                plain = plain[:start] + " " * (end - start) + plain[end:]
    return sorted(found, key=lambda each: each[1])


def _is_one(kind: str, piece: str) -> bool:
    """Presidio takes a time before two colons ("12:00::") for an address, and any ten digits may be a number of the
    NHS."""
    if kind == "ip" and "." not in piece:
        return sum(bool(group) for group in piece.split(":")) >= 3
    return bool(piece.strip()) and not piece.isdigit()


@cache
def _recognizers() -> tuple[tuple[str, Callable[[str], list[tuple[int, int]]]], ...]:
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)  # it greets at every start
    try:
        from presidio_analyzer import predefined_recognizers as known
    except ModuleNotFoundError as error:
        raise Unavailable(
            f'mask_personal_data = "presidio" needs the package {error.name!r}, which is not installed',
            hint=f"{install_hint('privacy')}; or mask_personal_data = true, which needs nothing",
        ) from None
    return tuple((kind, _pieces(getattr(known, name)())) for kind, (name, _) in _RECOGNIZERS.items())


def _pieces(recognizer: Any) -> Callable[[str], list[tuple[int, int]]]:
    entities: Sequence[str] = recognizer.supported_entities

    def analyze(text: str) -> list[tuple[int, int]]:
        """Places of what is sure, longest first where they overlap."""
        results = [one for one in recognizer.analyze(text, entities, None) if one.score >= SURE]
        chosen: list[tuple[int, int]] = []
        for one in sorted(results, key=lambda result: (result.start - result.end, result.start)):
            if all(one.end <= start or end <= one.start for start, end in chosen):
                chosen.append((one.start, one.end))
        return chosen

    return analyze
