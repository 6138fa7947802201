"""Decisions: what the gate said, on what it rested, and a signature that shows whether any of it was altered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from registry.shelf import GATE, SECRET, candidate, decide, verdict

from penstock.core.errors import BadInput, NotFound
from penstock.registry import decisions
from penstock.registry.tables import decision as table
from penstock.storage.engine import Store


def test_a_decision_keeps_the_verdict_and_everything_it_rested_on(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx, backbone="b" * 64)
        made = decide(tx, of)
    with store.read() as tx:
        found = decisions.get_decision(tx, made.id)
        assert decisions.verify(tx, found, SECRET)
    assert found == made
    assert found.passed and found.candidate == of.id and found.incumbent is None
    assert [reason["metric"] for reason in found.reasons] == ["accuracy", "accuracy", "parity"]
    assert found.conditions == ({"metric": "accuracy", "op": ">=", "threshold": 0.8},)
    assert found.hashes == {
        "artifact": of.artifact,
        "report": of.report_blob,
        "backbone": "b" * 64,
        "dataset_version": of.dataset_version,
        "rows": verdict().rows_digest,
    }


def test_a_decision_can_be_handed_on_as_json(store: Store) -> None:
    with store.transaction() as tx:
        made = decide(tx, candidate(tx))
    data = json.loads(json.dumps(made.to_json()))
    assert (data["id"], data["signature"], data["created_at"]) == (made.id, made.signature, "2026-11-15T08:00:00+00:00")


@pytest.mark.parametrize(
    "change",
    [
        {"passed": True},
        {"reasons": ()},
        {"conditions": ()},
        {"incumbent": "cand_other"},
        {"test_uses": 0},
        {"hashes": {}},
        {"id": "dec_other"},
        {"product": "kefu"},
        {"number": 7},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": "é"},
    ],
)
def test_a_decision_altered_in_any_part_does_not_verify(store: Store, change: dict[str, Any]) -> None:
    with store.transaction() as tx:
        made = decide(tx, candidate(tx), passes=False)
        assert decisions.verify(tx, made, SECRET)
        assert not decisions.verify(tx, replace(made, **change), SECRET)


def test_a_decision_does_not_verify_with_another_secret_or_for_another_candidate(store: Store) -> None:
    with store.transaction() as tx:
        made, other = decide(tx, candidate(tx)), candidate(tx, "other")
        assert not decisions.verify(tx, made, b"another secret of many bytes")
        assert not decisions.verify(tx, replace(made, candidate=other.id), SECRET)


def test_a_decision_of_another_organisation_does_not_verify_here(store: Store) -> None:
    elsewhere = replace(store, organisation=f"{store.organisation}-elsewhere", ids=lambda prefix: f"{prefix}_same")
    here = replace(store, ids=lambda prefix: f"{prefix}_same")
    with elsewhere.transaction() as tx:
        foreign = decide(tx, candidate(tx))
    with here.transaction() as tx:
        candidate(tx)
        assert not decisions.verify(tx, foreign, SECRET)


def test_a_secret_too_short_to_protect_anything_is_refused(store: Store) -> None:
    with store.transaction() as tx, pytest.raises(BadInput, match="at least 16"):
        decide(tx, candidate(tx), secret=b"short")


def test_a_comparison_and_a_named_live_model_must_tell_the_same(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
        for compared, incumbent in ((True, None), (False, "cand_live")):
            found = verdict(compared=compared)
            with pytest.raises(BadInput, match="do not fit together"):
                decisions.decide(tx, candidate=of, verdict=found, conditions=GATE, incumbent=incumbent, secret=SECRET)


def test_the_newest_decision_on_a_candidate_is_the_one_that_counts(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
        assert decisions.latest_decision(tx, of.id) is None
        yes, no = decide(tx, of), decide(tx, of, passes=False)
        assert decisions.latest_decision(tx, of.id) == no
        assert decisions.list_decisions(tx, "helpdesk") == [yes, no]
        assert (yes.number, no.number) == (1, 2)
        with pytest.raises(NotFound):
            decisions.get_decision(tx, "dec_unknown")


def test_a_test_split_counts_the_candidates_it_has_judged(store: Store) -> None:
    rows = verdict().rows_digest
    with store.transaction() as tx:
        first, second = candidate(tx, "a"), candidate(tx, "b")
        assert decide(tx, first).test_uses == 1
        assert decide(tx, first, passes=False).test_uses == 1  # the same model on the same rows reveals nothing new
        assert decide(tx, second).test_uses == 2
        assert decisions.uses_of_test(tx, rows) == 2
        assert decisions.uses_of_test(tx, "0" * 64) == 0


@pytest.mark.parametrize("change", [sa.update(table).values(passed=True), sa.delete(table)])
def test_the_database_itself_refuses_to_change_a_decision(store: Store, change: sa.Executable) -> None:
    with store.transaction() as tx:
        no = decide(tx, candidate(tx), passes=False)
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), store.transaction() as tx:
        tx.execute(change)
    with store.read() as tx:
        assert decisions.get_decision(tx, no.id) == no
