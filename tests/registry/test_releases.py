"""Releases: only a signed yes goes live, one release serves a product at a time, and there is always a way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from registry.shelf import SECRET, candidate, decide, passed, verdict

from penstock.core.clock import SettableClock
from penstock.core.errors import Conflict, GateRefused, NotFound
from penstock.registry import candidates, decisions
from penstock.registry.releases import (
    get_release,
    history,
    list_releases,
    live,
    live_releases,
    release,
    rollback,
)
from penstock.registry.tables import decision as decision_table
from penstock.registry.tables import release as release_table
from penstock.storage import counters
from penstock.storage.engine import Store


def happened(store: Store, product: str = "helpdesk") -> list[tuple[int, str]]:
    """(release number, what happened to it), oldest first."""
    with store.read() as tx:
        return [(get_release(tx, event.release).number, event.kind) for event in history(tx, product)]


def test_a_candidate_that_passed_goes_live(store: Store) -> None:
    with store.transaction() as tx:
        first = passed(tx, "first")
        assert live(tx, "helpdesk") is None
        made = release(tx, first.id, SECRET)
    with store.read() as tx:
        assert live(tx, "helpdesk") == made == get_release(tx, made.id)
    assert (made.number, made.state, made.artifact, made.previous) == (1, "live", first.artifact, None)


def test_a_candidate_that_was_never_judged_is_refused(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
        with pytest.raises(GateRefused, match="never judged") as caught:
            release(tx, of.id, SECRET)
    assert caught.value.where == "helpdesk candidate 1"


def test_a_candidate_that_the_gate_refused_is_refused_with_the_reasons(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
        decide(tx, of, passes=False)
        with pytest.raises(GateRefused, match=r"the gate said no: accuracy 0\.6, .* needs >= 0\.8: no"):
            release(tx, of.id, SECRET)


def test_a_later_no_overrules_an_earlier_yes(store: Store) -> None:
    with store.transaction() as tx:
        of = passed(tx, "first")
        decide(tx, of, passes=False)
        with pytest.raises(GateRefused, match="the gate said no"):
            release(tx, of.id, SECRET)


def test_a_yes_signed_by_someone_else_is_refused(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
        decide(tx, of, secret=b"a secret of the attacker's own")
        with pytest.raises(GateRefused, match="signature does not hold"):
            release(tx, of.id, SECRET)


def test_a_yes_forged_from_a_no_is_refused(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
        no = decide(tx, of, passes=False)
        forged = {**vars(no), "id": "dec_forged", "number": no.number + 1, "passed": True, "reasons": []}
        tx.execute(sa.insert(decision_table).values(organisation=tx.organisation, **forged))
        with pytest.raises(GateRefused, match="signature does not hold"):
            release(tx, of.id, SECRET)


def test_a_yes_copied_from_another_candidate_is_refused(store: Store) -> None:
    with store.transaction() as tx:
        good, poor = passed(tx, "good"), candidate(tx, "poor")
        yes = decisions.latest_decision(tx, good.id)
        assert yes is not None
        copied = {**vars(yes), "id": "dec_copied", "number": yes.number + 1, "candidate": poor.id}
        tx.execute(sa.insert(decision_table).values(organisation=tx.organisation, **copied))
        with pytest.raises(GateRefused, match="signature does not hold"):
            release(tx, poor.id, SECRET)


def test_a_refused_release_leaves_no_trace(store: Store) -> None:
    with store.transaction() as tx:
        of = candidate(tx)
    with pytest.raises(GateRefused), store.transaction() as tx:
        release(tx, of.id, SECRET)
    with store.read() as tx:
        assert (list_releases(tx), history(tx, "helpdesk"), counters.generations(tx)) == ([], [], {})


def test_an_unknown_candidate_cannot_be_released(store: Store) -> None:
    with store.transaction() as tx, pytest.raises(NotFound):
        release(tx, "cand_unknown", SECRET)


def test_a_new_release_retires_the_one_before(store: Store, clock: SettableClock) -> None:
    with store.transaction() as tx:
        one = passed(tx, "one")
        first = release(tx, one.id, SECRET)
    clock.set(clock.now() + timedelta(days=1))
    with store.transaction() as tx:
        second = release(tx, passed(tx, "two", live=one).id, SECRET)
        assert live(tx, "helpdesk") == second
        assert get_release(tx, first.id) == replace(first, state="retired", retired_at=clock.now())
        assert [each.number for each in list_releases(tx, "helpdesk")] == [1, 2]
    assert second.previous == first.id
    assert happened(store) == [(1, "released"), (1, "retired"), (2, "released")]


def test_a_candidate_judged_against_another_model_than_the_live_one_is_a_conflict(store: Store) -> None:
    with store.transaction() as tx:
        one = passed(tx, "one")
        release(tx, one.id, SECRET)
        two, late = passed(tx, "two", live=one), passed(tx, "late", live=one)
        alone = passed(tx, "alone")  # judged as if nothing were live
        release(tx, two.id, SECRET)
        for outdated in (late, alone):
            with pytest.raises(Conflict, match="judged against another model") as caught:
                release(tx, outdated.id, SECRET)
        assert "judge it again" in str(caught.value.hint)


def test_a_candidate_compared_with_a_model_that_never_went_live_is_a_conflict(store: Store) -> None:
    with store.transaction() as tx:
        two = passed(tx, "two", live=passed(tx, "one"))
        with pytest.raises(Conflict, match="nothing is live now"):
            release(tx, two.id, SECRET)


def test_a_candidate_that_is_live_already_is_not_released_twice(store: Store) -> None:
    with store.transaction() as tx:
        one = passed(tx, "one")
        release(tx, one.id, SECRET)
        with pytest.raises(Conflict, match="already live as release 1"):
            release(tx, one.id, SECRET)


def test_rolling_back_makes_the_release_before_live_again_under_its_number(store: Store) -> None:
    with store.transaction() as tx:
        one = passed(tx, "one")
        first = release(tx, one.id, SECRET, actor="ana")
        second = release(tx, passed(tx, "two", live=one).id, SECRET, actor="ana")
        assert rollback(tx, "helpdesk", actor="ben") == first
        assert live(tx, "helpdesk") == first
        assert get_release(tx, second.id).state == "retired"
        assert [event.actor for event in history(tx, "helpdesk")] == ["ana", "ana", "ana", "ben", "ben"]
    assert happened(store)[3:] == [(2, "rolled_back"), (1, "restored")]


def test_rolling_back_again_goes_one_further_and_stops_at_the_first(store: Store) -> None:
    with store.transaction() as tx:
        before = None
        for name in ("one", "two", "three"):
            before = passed(tx, name, live=before)
            release(tx, before.id, SECRET)
        assert [rollback(tx, "helpdesk").number, rollback(tx, "helpdesk").number] == [2, 1]
        with pytest.raises(Conflict, match="release 1 of helpdesk is its first"):
            rollback(tx, "helpdesk")
        assert live(tx, "helpdesk").number == 1  # type: ignore[union-attr]


def test_after_a_rollback_the_next_release_takes_a_fresh_number(store: Store) -> None:
    with store.transaction() as tx:
        one = passed(tx, "one")
        release(tx, one.id, SECRET)
        release(tx, passed(tx, "two", live=one).id, SECRET)
        rollback(tx, "helpdesk")
        third = release(tx, passed(tx, "three", live=one).id, SECRET)
        assert (third.number, rollback(tx, "helpdesk").number) == (3, 1)  # not to 2, which was taken back


def test_there_is_nothing_to_roll_back_before_the_first_release(store: Store) -> None:
    with store.transaction() as tx, pytest.raises(NotFound, match="no live release"):
        rollback(tx, "helpdesk")


def test_gateways_are_told_of_every_change(store: Store) -> None:
    marks = []
    with store.transaction() as tx:
        one = passed(tx, "one")
        for change in (
            lambda: release(tx, one.id, SECRET),
            lambda: release(tx, passed(tx, "two", live=one).id, SECRET),
            lambda: rollback(tx, "helpdesk"),
        ):
            change()
            marks.append(counters.generations(tx)["releases"])
    assert marks == [1, 2, 3]


def test_each_product_has_its_own_live_release(store: Store) -> None:
    with store.transaction() as tx:
        made = [release(tx, passed(tx, "one", product=product).id, SECRET) for product in ("kefu", "helpdesk")]
        assert live_releases(tx) == [made[1], made[0]]
        assert [each.number for each in made] == [1, 1]


def test_the_database_itself_refuses_a_second_live_release(store: Store) -> None:
    with store.transaction() as tx:
        one = passed(tx, "one")
        made = release(tx, one.id, SECRET)
    second = {**vars(made), "id": "rel_second", "number": 2}
    with pytest.raises(sa.exc.IntegrityError), store.transaction() as tx:
        tx.execute(sa.insert(release_table).values(organisation=tx.organisation, **second))


def test_another_organisation_sees_and_changes_nothing(store: Store) -> None:
    other = replace(store, organisation=f"{store.organisation}-other")
    with store.transaction() as tx:
        one = passed(tx, "one")
        made = release(tx, one.id, SECRET)
        yes = decisions.latest_decision(tx, one.id)
        assert yes is not None
    with other.transaction() as tx:
        assert candidates.list_candidates(tx) == decisions.list_decisions(tx, "helpdesk") == list_releases(tx) == []
        assert live(tx, "helpdesk") is None and live_releases(tx) == [] and history(tx, "helpdesk") == []
        assert decisions.latest_decision(tx, one.id) is None
        assert decisions.uses_of_test(tx, verdict().rows_digest) == 0
        assert counters.generations(tx) == {}
        for look in (
            lambda: candidates.get_candidate(tx, one.id),
            lambda: candidates.find_candidate(tx, "helpdesk", "1"),
            lambda: decisions.get_decision(tx, yes.id),
            lambda: get_release(tx, made.id),
        ):
            with pytest.raises(NotFound):
                look()
    for change in (
        lambda tx: release(tx, one.id, SECRET),
        lambda tx: rollback(tx, "helpdesk"),
    ):
        with pytest.raises(NotFound), other.transaction() as tx:
            change(tx)
    with other.transaction() as tx:
        assert candidate(tx).number == 1  # numbers are counted per organisation
    with store.read() as tx:
        assert live(tx, "helpdesk") == made
