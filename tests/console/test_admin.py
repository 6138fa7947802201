"""A program with the admin token does what the command line does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from analytics.harbour import Harbour
from console.conftest import Runs
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.billing.verification import quarantine
from penstock.core.errors import GateRefused

V1 = "/admin/v1"


def test_a_customer_is_signed_up_through_a_partner_with_a_key_a_plan_and_a_limit(
    admin: TestClient, harbour: Harbour
) -> None:
    made = admin.post(f"{V1}/customers", json={"name": "New Shop", "email": "new@example.com", "ref": "REED"})
    assert made.status_code == 201
    customer = made.json()["id"]
    key = admin.post(f"{V1}/keys", json={"customer": customer, "products": ["helpdesk"], "days": 30})
    assert key.status_code == 201 and key.json()["key"].startswith("sk_live_")
    plan = admin.post(f"{V1}/subscriptions", json={"customer": customer, "plan": "team"})
    assert plan.json()["plan"]["monthly"] == {"amount": "49.00", "currency": "USD"}
    limit = admin.put(f"{V1}/limits", json={"customer": customer, "product": "helpdesk", "units": 1000})
    assert limit.json()["limits"] == {"helpdesk": 1000}
    assert admin.get(f"{V1}/customers/{customer}").json()["name"] == "New Shop"


def test_no_answer_holds_a_keys_secret_or_its_hash(admin: TestClient) -> None:
    listed = admin.get(f"{V1}/keys").json()
    assert listed and all("secret" not in name for key in listed for name in key)


def test_a_revoked_key_stays_listed_as_revoked(admin: TestClient, harbour: Harbour) -> None:
    [key] = admin.get(f"{V1}/keys", params={"customer": harbour.blue}).json()
    assert admin.post(f"{V1}/keys/{key['id']}/revoke").json()["revoked_at"] is not None
    assert admin.get(f"{V1}/keys").json()[0]["revoked_at"] is not None


def test_credit_with_the_same_operation_counts_once(admin: TestClient, harbour: Harbour) -> None:
    for _ in range(2):
        body = {"customer": harbour.quiet, "amount": "5.00", "operation": "wire 7"}
        assert admin.post(f"{V1}/credits", json=body).json()["balance"]["amount"] == "5.00"
    other = admin.post(f"{V1}/credits", json={"customer": harbour.quiet, "amount": "6.00", "operation": "wire 7"})
    assert other.status_code == 409
    assert admin.get(f"{V1}/customers/{harbour.quiet}/credit").json()["balance"]["amount"] == "5.00"


@pytest.mark.parametrize("amount", ["0.005", "1_000", "٣", "1e2", " 5"])
def test_an_amount_is_exact_or_refused(admin: TestClient, harbour: Harbour, amount: str) -> None:
    refused = admin.post(f"{V1}/credits", json={"customer": harbour.quiet, "amount": amount})
    assert refused.status_code == 422 and amount in refused.json()["detail"]
    assert admin.get(f"{V1}/customers/{harbour.quiet}/credit").json()["balance"]["amount"] == "0.00"


def test_terms_are_a_setting_of_their_own(admin: TestClient, harbour: Harbour) -> None:
    admin.post(f"{V1}/credits", json={"customer": harbour.quiet, "amount": "5.00", "operation": "wire 8"})
    path = f"{V1}/customers/{harbour.quiet}"
    assert admin.get(f"{path}/credit").json()["terms"] == "invoice"
    now = admin.put(f"{path}/terms", json={"terms": "prepaid"}).json()
    assert (now["terms"], now["credit"]["amount"], now["owed"]["amount"], now["left"]["amount"]) == (
        "prepaid", "5.00", "0.00", "5.00",
    )  # fmt: skip
    assert admin.put(f"{path}/terms", json={"terms": "barter"}).status_code == 422


def test_an_invoice_is_credited_by_a_note_and_an_unpaid_one_voided(admin: TestClient, harbour: Harbour) -> None:
    path = f"{V1}/invoices/{harbour.invoices[harbour.blue]}"
    body = {"amount": "10.60", "reason": "one line twice", "operation": "note 1"}
    for _ in range(2):
        made = admin.post(f"{path}/credit-notes", json=body).json()
        assert (made["number"], made["net"], made["tax"], made["reduced"], made["returned"]) == (
            "CN-2026-000001", "10.00", "0.60", "10.60", "0.00",
        )  # fmt: skip
    assert admin.get(f"{V1}/credit-notes/CN-2026-000001/pdf").content.startswith(b"%PDF")
    shown = admin.get(path).json()
    assert (shown["credited"], shown["credit_notes"]) == ("10.60", [made])
    refused = admin.post(f"{path}/void", json={"reason": "wrong"})
    assert refused.status_code == 409 and "CN-2026-000001" in refused.json()["detail"]
    other = f"{V1}/invoices/{harbour.invoices[harbour.hai]}"
    operation = admin.get(f"{other}/payments").json()["payments"][0]["operation"]
    admin.post(f"{V1}/payments/cancel", json={"payment_operation": operation})
    assert admin.post(f"{other}/void", json={"reason": "wrong name"}).status_code == 201
    assert (admin.get(other).json()["state"], admin.get(other).json()["void"]["reason"]) == ("void", "wrong name")


def test_an_overpayment_is_kept_as_credit_on_request(admin: TestClient, harbour: Harbour) -> None:
    path = f"{V1}/invoices/{harbour.invoices[harbour.blue]}/payments"
    assert admin.post(path, json={"amount": "90.00", "operation": "wire 9"}).status_code == 409
    for _ in range(2):
        made = admin.post(path, json={"amount": "90.00", "operation": "wire 9", "keep_rest": True}).json()
        assert made["amount_minor"] + made["kept_minor"] == 9_000 and made["kept_minor"] > 0
    assert admin.get(f"{V1}/customers/{harbour.blue}/credit").json()["credit"]["amount"] == (
        f"{made['kept_minor'] / 100:.2f}"
    )


def test_consent_is_recorded_and_withdrawn(admin: TestClient, harbour: Harbour) -> None:
    path = f"{V1}/customers/{harbour.quiet}/consent"
    assert admin.put(path, json={"training": True}).json()["training_consent"] is True
    assert admin.put(path, json={"training": False}).json()["training_consent"] is False


def test_an_invoice_is_read_proven_paid_and_refunded(admin: TestClient, harbour: Harbour) -> None:
    number = harbour.invoices[harbour.blue]
    shown = admin.get(f"{V1}/invoices/{number}").json()
    assert (shown["state"], shown["period"]["name"]) == ("open", "2026-10")
    proof = admin.get(f"{V1}/invoices/{number}/lines/2/events").json()
    assert sum(event["units"] for event in proof) == 2_000
    paid = admin.post(f"{V1}/invoices/{number}/payments", json={"operation": "bank 2"})
    assert paid.status_code == 201 and paid.json()["amount_minor"] == 2_724
    back = admin.post(f"{V1}/invoices/{number}/refunds", json={"amount": "1.00", "reason": "late"})
    assert back.status_code == 201
    assert admin.get(f"{V1}/invoices/{number}").json()["state"] == "partly refunded"
    assert admin.get(f"{V1}/invoices/{number}/pdf").content.startswith(b"%PDF")
    assert [one["number"] for one in admin.get(f"{V1}/invoices", params={"customer": harbour.blue}).json()] == [number]


def test_a_payment_earns_the_partner_at_once(admin: TestClient, harbour: Harbour) -> None:
    def earned() -> str:
        found = admin.get(f"{V1}/partners/{harbour.partner}/statement", params={"period": "2026-11"})
        return str(found.json()["earned"])

    before = earned()
    admin.post(f"{V1}/invoices/{harbour.invoices[harbour.blue]}/payments", json={})
    assert float(earned()) > float(before)


def test_a_statement_comes_as_csv_too(admin: TestClient, harbour: Harbour) -> None:
    found = admin.get(f"{V1}/partners/REED/statement", params={"period": "2026-11", "format": "csv"})
    assert found.headers["content-type"].startswith("text/csv")
    assert 'filename="statement-REED-2026-11.csv"' in found.headers["content-disposition"]
    assert "opening balance" in found.text and "Blue Shop" in found.text


def test_the_books_are_sound_and_sum_to_zero(admin: TestClient) -> None:
    assert admin.get(f"{V1}/ledger/verify").json() == {"sound": True, "problems": []}
    balances = admin.get(f"{V1}/ledger/balances").json()
    assert sum(round(float(one["balance"]["amount"]) * 100) for one in balances) == 0


def test_training_is_started_once_and_can_be_followed_to_its_end(admin: TestClient, runs: Runs) -> None:
    begun = admin.post(f"{V1}/products/helpdesk/train", json={})
    assert begun.status_code == 202 and begun.headers["location"] == f"{V1}/jobs/{begun.json()['id']}"
    again = admin.post(f"{V1}/products/helpdesk/train", json={})
    assert again.json()["id"] == begun.json()["id"]
    assert admin.get(begun.headers["location"]).json()["state"] == "running"
    assert len(admin.get(f"{V1}/jobs").json()) == 1
    runs.ended_as["run-1"] = {"version": 1, "outcomes": []}
    assert admin.get(f"{V1}/jobs/run-1").json() == {
        "id": "run-1",
        "state": "done",
        "result": {"version": 1, "outcomes": []},
        "error": None,
    }
    assert admin.get(f"{V1}/jobs/run-9").status_code == 404


def test_a_run_that_failed_says_why(admin: TestClient, runs: Runs) -> None:
    admin.post(f"{V1}/products/helpdesk/retrain")
    runs.ended_as["run-1"] = GateRefused("no rung passed", where="helpdesk", hint="add data")
    assert admin.get(f"{V1}/jobs/run-1").json()["error"] == {
        "kind": "GateRefused",
        "message": "no rung passed",
        "where": "helpdesk",
        "hint": "add data",
    }


def test_closing_a_month_is_started_and_not_waited_for(admin: TestClient, runs: Runs) -> None:
    answer = admin.post(f"{V1}/bill/close", json={"period": "2026-10"})
    assert answer.status_code == 202
    assert (runs.started[0].name, runs.started[0].arguments) == ("close", {"period": "2026-10"})
    assert admin.post(f"{V1}/bill/close", json={"period": "October"}).status_code == 422


def test_a_better_candidate_is_released_and_rolled_back(admin: TestClient, harbour: Harbour) -> None:
    better = harbour.candidate("helpdesk", "full-finetune.v1", 117)
    assert admin.post(f"{V1}/products/helpdesk/release", json={}).json()["number"] == 2
    live = [one for one in admin.get(f"{V1}/releases").json() if one["state"] == "live"]
    assert [one["candidate"] for one in live] == [better.id]
    assert admin.post(f"{V1}/products/helpdesk/rollback").json()["number"] == 1
    assert admin.post(f"{V1}/products/helpdesk/rollback").status_code == 409


def test_a_refused_candidate_cannot_be_released(admin: TestClient, harbour: Harbour) -> None:
    answer = admin.post(f"{V1}/products/helpdesk/release", json={"candidate": harbour.poor})
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:penstock:problem:gate-refused"
    assert "accuracy" in answer.json()["detail"]


def test_candidates_and_reports_are_shown(admin: TestClient, harbour: Harbour) -> None:
    assert [one["passed"] for one in admin.get(f"{V1}/products/helpdesk/candidates").json()].count(True) == 1
    report = admin.get(f"{V1}/candidates/{harbour.good}/report").json()
    assert report["report"]["rows"] == 120 and report["decision"]["passed"] is True
    drawn = admin.get(f"{V1}/candidates/{harbour.good}/report.html")
    assert drawn.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in drawn.headers["content-security-policy"]


def test_the_overview_and_feedback_are_data_too(admin: TestClient) -> None:
    found = admin.get(f"{V1}/overview", params={"period": "2026-10"}).json()
    assert found["money"]["revenue"] == {"amount": "59.00", "currency": "USD"}
    [said] = admin.get(f"{V1}/feedback").json()
    assert (said["correction"], said["state"], said["customer_name"]) == ("billing", "waiting", "Blue Shop")


def test_corrections_are_accepted_and_rejected(admin: TestClient) -> None:
    [said] = admin.get(f"{V1}/feedback", params={"state": "waiting"}).json()
    assert admin.get(f"{V1}/feedback/counts").json() == {"helpdesk": {"waiting": 1}}
    done = admin.post(f"{V1}/feedback/reject", json={"customer": "Blue Shop", "reason": "a joke"})
    assert (done.status_code, done.json()) == (200, {"verdict": "rejected", "ids": [said["id"]]})
    [now] = admin.get(f"{V1}/feedback").json()
    assert (now["state"], now["reason"]) == ("rejected", "a joke")
    assert admin.post(f"{V1}/feedback/accept", json={"ids": [said["id"]]}).status_code == 200
    assert admin.get(f"{V1}/feedback/counts").json() == {"helpdesk": {"accepted": 1}}
    for wrong in ({}, {"ids": ["fb_none"]}, {"ids": [said["id"]], "customer": "Blue Shop"}):
        assert admin.post(f"{V1}/feedback/accept", json=wrong).status_code in (404, 422)
    assert admin.get(f"{V1}/feedback", params={"state": "odd"}).status_code == 422


def test_what_is_wrong_with_a_body_is_said_with_its_place(admin: TestClient, harbour: Harbour) -> None:
    def problem(body: Any) -> dict[str, Any]:
        answer = admin.post(f"{V1}/customers", json=body)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        return dict(answer.json())

    assert problem({"name": "X"})["where"] == "email"
    assert problem({"name": "X", "email": "x@example.com", "colour": "red"})["where"] == "colour"
    assert problem({"name": 7, "email": "x@example.com"})["where"] == "name"
    assert "e-mail" in problem({"name": "X", "email": "nowhere"})["detail"]
    assert admin.get(f"{V1}/customers/nobody").status_code == 404
    assert admin.get(f"{V1}/nothing").status_code == 404
    assert admin.post(f"{V1}/products/tarot/train", json={}).status_code in (404, 422)


def test_an_unforeseen_error_is_a_problem_that_tells_no_secrets(
    office: FastAPI, harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("penstock.console.admin.company.said_page", fail)
    client = TestClient(office, raise_server_exceptions=False)
    token = harbour.house.secret("admin").decode()
    answer = client.get(f"{V1}/feedback", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 500 and answer.headers["content-type"] == "application/problem+json"
    assert "RuntimeError" in answer.text and "swordfish" not in answer.text
    assert "default-src" in answer.headers["content-security-policy"]


def test_the_interface_describes_itself(admin: TestClient) -> None:
    paths = admin.get(f"{V1}/openapi.json").json()["paths"]
    assert f"{V1}/customers" in paths and len(paths) > 25
    assert all(path.startswith(V1) for path in paths)


def test_a_customer_is_shown_whole_edited_archived_and_taken_back(admin: TestClient, harbour: Harbour) -> None:
    blue = f"{V1}/customers/{harbour.blue}"
    shown = admin.get(blue).json()
    assert (shown["name"], shown["terms"], shown["plan"]["plan"]["plan"]) == ("Blue Shop", "invoice", "team")
    assert shown["brought_by"]["code"] == "REED" and "secret_sha256" not in shown["keys"][0]
    assert [one["number"] for one in shown["open_invoices"]] == [harbour.invoices[harbour.blue]]

    changed = admin.patch(blue, json={"email": "new@blue.example.com"}).json()
    assert (changed["before"]["email"], changed["after"]["email"]) == ("pay@blue.example.com", "new@blue.example.com")
    assert admin.get(f"{V1}/invoices/{harbour.invoices[harbour.blue]}").json()["buyer"]["email"] == (
        "pay@blue.example.com"
    )
    assert admin.patch(blue, json={"name": "quiet co"}).status_code == 409
    assert admin.patch(blue, json={"name": "quiet co", "allow_similar": True}).status_code == 200

    refused = admin.post(f"{blue}/archive", json={})
    assert refused.status_code == 409 and harbour.invoices[harbour.blue] in refused.json()["detail"]
    said = admin.post(f"{blue}/archive", json={"dry_run": True}).json()
    assert said["customer"]["archived_at"] is None and said["keys"] == 1
    done = admin.post(f"{blue}/archive", json={"force": True}).json()
    assert done["customer"]["archived_at"] and done["unsettled"][0]["kind"] == "invoice"
    assert harbour.blue not in {one["id"] for one in admin.get(f"{V1}/customers").json()}
    assert harbour.blue in {one["id"] for one in admin.get(f"{V1}/customers", params={"archived": True}).json()}
    assert admin.post(f"{V1}/keys", json={"customer": harbour.blue}).status_code == 409
    assert admin.post(f"{blue}/unarchive").json()["archived_at"] is None


def test_a_plan_says_what_holds_from_when_and_what_is_due(admin: TestClient, harbour: Harbour) -> None:
    body = {"customer": harbour.quiet, "plan": "team"}
    said = admin.post(f"{V1}/subscriptions", json={**body, "dry_run": True}).json()
    assert said["change"]["due"] == [
        {"period": "2026-11", "plan": "team", "amount": {"amount": "49.00", "currency": "USD"}}
    ]
    assert admin.get(f"{V1}/subscriptions", params={"customer": harbour.quiet}).json() == []
    assert admin.post(f"{V1}/subscriptions", json=body).json()["change"] == said["change"]
    ended = admin.post(f"{V1}/subscriptions/end", json={"customer": harbour.quiet}).json()
    assert ended["change"]["cancelled"] and ended["change"]["due"] == [] and ended["ended_at"] == ended["started_at"]


def test_a_partner_is_moved_to_the_newest_terms(admin: TestClient, harbour: Harbour) -> None:
    moved = admin.post(f"{V1}/partners/REED/move", json={"dry_run": True}).json()
    assert (moved["before"]["number"], moved["after"]["number"], moved["kept"]) == (1, 1, 1)
    assert admin.post(f"{V1}/partners/REED/move", json={"agreement": "gold"}).status_code == 404


def test_what_is_meant_by_two_is_refused_at_the_door(admin: TestClient, harbour: Harbour) -> None:
    posing = {"name": "pay@blue.example.com", "email": "mallory@evil.example"}
    assert admin.post(f"{V1}/customers", json=posing).status_code == 409
    assert admin.post(f"{V1}/customers", json={**posing, "allow_similar": True}).status_code == 201
    credit = {"customer": "pay@blue.example.com", "amount": "5.00"}
    refused = admin.post(f"{V1}/credits", json=credit)
    assert refused.status_code == 422 and harbour.blue in refused.json()["detail"]
    assert admin.post(f"{V1}/credits", json={**credit, "customer": harbour.blue}).status_code == 201


def test_a_payments_history_is_read_and_one_that_did_not_arrive_is_taken_back(
    admin: TestClient, harbour: Harbour
) -> None:
    path = f"{V1}/invoices/{harbour.invoices[harbour.blue]}"
    before = admin.get(path).json()["open"]
    found = admin.get(f"{path}/payments").json()
    assert [one["operation"] for one in found["payments"]] == ["bank 1"]
    assert [one["operation"] for one in found["refunds"]] == ["back 1"]
    admin.post(f"{path}/payments", json={"operation": "bank 2"})
    body = {"payment_operation": "bank 2", "operation": "bounced 2"}
    for _ in range(2):
        assert admin.post(f"{V1}/payments/cancel", json=body).status_code == 201
    assert admin.get(path).json()["open"] == before
    assert len(admin.get(f"{path}/payments").json()["payments"]) == 3
    assert admin.post(f"{V1}/payments/cancel", json={"payment_operation": "nobody's"}).status_code == 404
    assert admin.get(f"{V1}/invoices/2026-999999/payments").status_code == 404


def test_usage_is_exported_and_corrected(admin: TestClient, harbour: Harbour) -> None:
    export = admin.get(f"{V1}/usage/export", params={"period": "2026-11", "customer": harbour.blue})
    assert export.headers["content-type"] == "text/csv; charset=utf-8"
    assert export.content.startswith(b"\xef\xbb\xbfseq,")
    rows = export.text.splitlines()[1:]
    bare = admin.get(f"{V1}/usage/export", params={"period": "2026-11", "customer": harbour.blue, "bom": False})
    assert bare.content == export.content[3:]
    lines = admin.get(f"{V1}/usage/export", params={"period": "2026-11", "format": "json"}).text.splitlines()
    assert len(rows) == len(lines) == 20

    body = {"customer": "Blue Shop", "product": "kefu", "units": -20, "reason": "a test of theirs", "operation": "c1"}
    for _ in range(2):
        assert admin.post(f"{V1}/usage/corrections", json=body).json()["units"] == -20
    assert admin.post(f"{V1}/usage/corrections", json={**body, "units": -999, "operation": "c2"}).status_code == 409
    more = admin.get(f"{V1}/usage/export", params={"period": "2026-11", "customer": harbour.blue})
    assert len(more.text.splitlines()[1:]) == 21


def test_a_statement_is_a_csv_that_spreadsheets_read(admin: TestClient, harbour: Harbour) -> None:
    path = f"{V1}/partners/REED/statement"
    marked = admin.get(path, params={"period": "2026-11", "format": "csv"}).content
    bare = admin.get(path, params={"period": "2026-11", "format": "csv", "bom": False}).content
    assert marked == b"\xef\xbb\xbf" + bare and bare.startswith(b"date,")


def test_a_partner_that_brings_itself_is_held_seen_and_decided_on(admin: TestClient, harbour: Harbour) -> None:
    body = {"name": "Reed Buying", "email": "hello+buying@reed.example.com", "ref": "REED"}
    made = admin.post(f"{V1}/customers", json=body).json()
    assert made["review"]["state"] == "held" and made["review"]["signs"][0]["kind"] == "same mailbox"
    [held] = admin.get(f"{V1}/attributions", params={"held": True}).json()
    assert held["customer"] == made["id"] and held["review"]["partner"] == harbour.partner
    assert len(admin.get(f"{V1}/attributions").json()) == 2
    assert admin.get(f"{V1}/customers/{made['id']}").json()["review"]["state"] == "held"
    path = f"{V1}/attributions/{made['id']}"
    assert admin.post(f"{path}/reject", json={"reason": ""}).status_code == 422
    assert admin.post(f"{path}/reject", json={"reason": "the same person"}).json()["state"] == "rejected"
    assert admin.post(f"{path}/clear", json={"reason": "no"}).status_code == 409
    assert admin.post(f"{V1}/attributions/check").json() == []

    blue = f"{V1}/customers/{harbour.blue}"
    admin.patch(blue, json={"email": "blue@reed.example.com"})
    assert admin.get(blue).json()["review"]["signs"][0]["kind"] == "same company domain"
    statement = admin.get(f"{V1}/partners/REED/statement", params={"period": "2026-11"}).json()
    assert float(statement["in_review"]) > 0 and float(statement["payable"]) <= 0
    assert admin.post(f"{V1}/attributions/Blue Shop/clear", json={"reason": "asked"}).json()["state"] == "cleared"


def test_a_customer_put_aside_is_listed_with_the_cause_and_resumed(admin: TestClient, harbour: Harbour) -> None:
    with harbour.store.transaction() as tx:
        quarantine(tx, harbour.blue, "too many units of helpdesk")
    [aside] = admin.get(f"{V1}/bill/aside").json()
    assert (aside["customer"], aside["name"], aside["reason"]) == (
        harbour.blue,
        "Blue Shop",
        "too many units of helpdesk",
    )
    resumed = admin.post(f"{V1}/bill/resume", json={"customer": "Blue Shop"})
    assert resumed.json() == {
        "customer": harbour.blue,
        "name": "Blue Shop",
        "was": "too many units of helpdesk",
        "close": [],  # October has its invoice
    }
    assert admin.get(f"{V1}/bill/aside").json() == []
    again = admin.post(f"{V1}/bill/resume", json={"customer": "Blue Shop"})
    assert again.status_code == 404 and "is not put aside" in again.json()["detail"]


def test_a_skipped_month_is_refused_or_caught_up(admin: TestClient, runs: Runs, harbour: Harbour) -> None:
    harbour.clock.set(datetime(2027, 1, 5, tzinfo=UTC))
    refused = admin.post(f"{V1}/bill/close", json={"period": "2026-12"})
    assert refused.status_code == 409 and "2026-11" in refused.json()["detail"] and runs.started == []
    begun = admin.post(f"{V1}/bill/close", json={"period": "2026-12", "catch_up": True})
    assert begun.status_code == 202
    assert runs.started[0].arguments == {"period": "2026-12", "catch_up": True}
