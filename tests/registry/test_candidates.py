"""Candidates: each trained model has a number of its own, and registering it twice changes nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from registry.shelf import candidate

from penstock.core.errors import BadInput, NotFound
from penstock.registry.candidates import find_candidate, get_candidate, list_candidates
from penstock.registry.tables import candidate as table
from penstock.storage.engine import Store


def test_candidates_are_numbered_per_product(store: Store) -> None:
    with store.transaction() as tx:
        made = [candidate(tx, "a"), candidate(tx, "b"), candidate(tx, "c", product="kefu"), candidate(tx, "d")]
        assert [(each.product, each.number) for each in made] == [
            ("helpdesk", 1),
            ("helpdesk", 2),
            ("kefu", 1),
            ("helpdesk", 3),
        ]
        assert list_candidates(tx, "helpdesk") == [made[0], made[1], made[3]]
        assert list_candidates(tx) == [made[0], made[1], made[3], made[2]]


def test_what_is_kept_is_what_was_registered(store: Store) -> None:
    with store.transaction() as tx:
        made = candidate(tx, backbone="b" * 64, seed=2**40, seconds=0.1)
        found = get_candidate(tx, made.id)
    assert found == made
    assert (found.backbone, found.seed, found.seconds, found.created_at) == ("b" * 64, 2**40, 0.1, store.clock.now())


def test_a_job_that_registers_its_model_again_gets_the_same_candidate(store: Store) -> None:
    with store.transaction() as tx:
        first = candidate(tx, "a")
    with store.transaction() as tx:
        assert candidate(tx, "a") == first
        assert candidate(tx, "a", seconds=9.9) == first  # how long it took does not make it another model
        assert candidate(tx, "b").number == 2
        assert len(list_candidates(tx)) == 2


@pytest.mark.parametrize("change", ["artifact", "report_blob", "dataset_version", "product"])
def test_a_model_measured_or_trained_otherwise_is_another_candidate(store: Store, change: str) -> None:
    with store.transaction() as tx:
        first = candidate(tx)
        assert candidate(tx, **{change: "other"}).id != first.id


def test_people_name_a_candidate_by_number_or_by_id(store: Store) -> None:
    with store.transaction() as tx:
        made = candidate(tx)
        assert find_candidate(tx, "helpdesk", "1") == find_candidate(tx, "helpdesk", made.id) == made


@pytest.mark.parametrize("reference", ["2", "cand_unknown", "", "²", "-1"])
def test_an_unknown_candidate_is_not_found_and_the_hint_lists_them(store: Store, reference: str) -> None:
    with store.transaction() as tx:
        candidate(tx)
        with pytest.raises(NotFound) as caught:
            find_candidate(tx, "helpdesk", reference)
    assert "penstock candidates" in str(caught.value.hint)


def test_a_number_longer_than_any_database_counts_is_not_found(store: Store) -> None:
    with store.transaction() as tx, pytest.raises(NotFound):
        find_candidate(tx, "helpdesk", "9" * 30)


def test_another_products_candidate_is_not_taken_for_this_ones(store: Store) -> None:
    with store.transaction() as tx:
        made = candidate(tx, product="kefu")
        with pytest.raises(BadInput, match="a candidate of kefu, not of helpdesk"):
            find_candidate(tx, "helpdesk", made.id)


@pytest.mark.parametrize("change", [sa.update(table).values(artifact="f" * 64), sa.delete(table)])
def test_the_database_itself_refuses_to_change_a_candidate(store: Store, change: sa.Executable) -> None:
    with store.transaction() as tx:
        made = candidate(tx)
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), store.transaction() as tx:
        tx.execute(change)
    with store.read() as tx:
        assert get_candidate(tx, made.id) == made
