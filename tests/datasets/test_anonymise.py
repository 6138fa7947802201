"""Personal data beyond e-mail, phone, id and card: found by check digit or form, masked, and counted."""

import pytest

from penstock.datasets import personal
from penstock.datasets.cleaning import clean
from penstock.datasets.rows import Row
from penstock.workspace.records import Cleaning

pytest.importorskip("presidio_analyzer")

from penstock.datasets import personal_wide

SAID = [
    ("pay to GB33BUKB20201555555555 please", "pay to <iban> please"),
    ("收款账户DE89370400440532013000谢谢", "收款账户<iban>谢谢"),
    ("it came from 192.168.10.4 or fe80::1ff:fe23:4567:890a", "it came from <ip> or <ip>"),
    ("ssn 536-90-4399, nhs 943 476 5919, nino AB123456C", "ssn <us-ssn>, nhs <uk-nhs>, nino <uk-nino>"),
    ("pan ABCPE1234F aadhaar 2341 2341 2346", "pan <in-pan> aadhaar <in-aadhaar>"),
    ("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa, then call 13812345678", "to <crypto>, then call <phone>"),
]
INNOCENT = [
    "order 4005551234 and 9434765919 came at 10:30:00",
    "version 2.10.3, ratio 12:00::",
    "parcel AB-20261105 of line X70123B",
    "订单20261115001什么时候到",
]


@pytest.mark.parametrize(("said", "kept"), SAID)
def test_a_piece_is_masked_by_its_kind(said: str, kept: str) -> None:
    assert personal.mask(said, personal_wide.find) == kept


@pytest.mark.parametrize("said", INNOCENT)
def test_numbers_that_only_look_personal_stay(said: str) -> None:
    assert personal.mask(said, personal_wide.find) == said


@pytest.mark.parametrize("said", [said for said, _ in SAID])
def test_masking_twice_changes_nothing_more(said: str) -> None:
    once = personal.mask(said, personal_wide.find)
    assert personal.mask(once, personal_wide.find) == once


def test_a_report_counts_what_presidio_masked_and_the_plain_rules_leave() -> None:
    said = [("refund to GB33BUKB20201555555555", "refund"), ("my mail is a.b@example.com", "contact")]
    rows = [*said, ("give the money back", "refund"), ("ring me", "contact")]
    train = [Row(text, label, f"a.csv:{line}") for line, (text, label) in enumerate(rows, 2)]
    test = [Row("money please", "refund", "t.csv:2"), Row("write to me", "contact", "t.csv:3")]

    plain = clean(train, test, Cleaning(mask_personal_data=True), seed=0)
    wide = clean(train, test, Cleaning(mask_personal_data="presidio"), seed=0)

    assert {row.text for row in plain.train} >= {"refund to GB33BUKB20201555555555", "my mail is <email>"}
    assert {row.text for row in wide.train} >= {"refund to <iban>", "my mail is <email>"}
    assert plain.report.found("personal-iban") == 0
    assert wide.report.found("personal-iban") == wide.report.found("personal-email") == 1
    assert any("IBANs" in str(line["what"]) for line in wide.report.table())
