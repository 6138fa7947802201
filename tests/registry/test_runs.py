"""Runs: every training is kept once, under a number of its own, and thousands of them are still read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
import sqlalchemy as sa
from registry.logbook import LOSS, failed, fill, record
from registry.shelf import candidate

from penstock.core.errors import BadInput, Broken, NotFound
from penstock.evaluation.intervals import Metric
from penstock.registry.runs import (
    count_runs,
    curves_of,
    find_run,
    get_run,
    headline_of,
    list_runs,
    put_curves,
    runs_of_candidates,
)
from penstock.registry.tables import run as table
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, is_sqlite

MANY = 5_000


def test_what_is_kept_is_what_was_recorded(store: Store) -> None:
    metrics = {"macro_f1": Metric(0.5, 0.4, 0.6), "accuracy": Metric(0.9, 0.9, 0.9)}
    with store.transaction() as tx:
        made = record(tx, "a", metrics=metrics, seed=2**40, cost=Decimal("0.000000001"), candidate="cand_1")
    with store.read() as tx:
        found = get_run(tx, made.id)
    assert found == made
    assert (found.cost, found.seed, found.created_at) == (Decimal("0.000000001"), 2**40, store.clock.now())
    assert headline_of(found) == "macro_f1"  # the first, though a database may order an object's keys otherwise


def test_recording_the_same_work_twice_makes_one_run(store: Store) -> None:
    with store.transaction() as tx:
        first = record(tx, "workflow 7, full.v1")
    with store.transaction() as tx:
        assert record(tx, "workflow 7, full.v1", seconds=99.0) == first
        assert record(tx, "workflow 8, full.v1").number == 2
        assert record(tx, "workflow 9", product="kefu").number == 1


def test_people_name_a_run_by_product_and_number_or_by_id(store: Store) -> None:
    with store.transaction() as tx:
        made = record(tx, "a")
        assert find_run(tx, "helpdesk/1") == find_run(tx, made.id) == made


@pytest.mark.parametrize("reference", ["helpdesk/2", "kefu/1", "run_unknown", "helpdesk/", "/1", "helpdesk/²", "a/b/1"])
def test_an_unknown_run_is_not_found_and_the_hint_lists_them(store: Store, reference: str) -> None:
    with store.transaction() as tx:
        record(tx, "a")
        with pytest.raises(NotFound) as caught:
            find_run(tx, reference)
    assert "penstock runs list" in str(caught.value.hint)


def test_a_run_that_failed_is_kept_with_its_error_and_has_no_headline(store: Store) -> None:
    with store.transaction() as tx:
        made = failed(tx, "a")
        assert (get_run(tx, made.id).error, headline_of(made)) == ("the loss is not a number", None)
        assert [one.state for one in list_runs(tx, "helpdesk")] == ["failed"]


def test_parameters_that_are_no_json_are_refused_before_the_database_sees_them(store: Store) -> None:
    with store.transaction() as tx:
        for wrong in ({"peak": float("nan")}, {"when": store.clock.now()}):
            with pytest.raises(BadInput, match="parameters of a run must be JSON"):
                record(tx, "a", parameters=wrong)
        assert count_runs(tx, "helpdesk") == 0


def test_runs_are_listed_by_kind_newest_first_or_best_first(store: Store) -> None:
    with store.transaction() as tx:
        for operation, accuracy, kind in (("a", 0.8, "train"), ("b", 0.95, "trial"), ("c", 0.9, "train")):
            record(tx, operation, accuracy=accuracy, kind=kind, cost=Decimal(f"{accuracy}"))
        failed(tx, "d")
        record(tx, "e", product="kefu")
    with store.read() as tx:
        assert [one.number for one in list_runs(tx, "helpdesk")] == [4, 3, 2, 1]
        assert [one.number for one in list_runs(tx, "helpdesk", kind="train")] == [4, 3, 1]
        assert [one.number for one in list_runs(tx, "helpdesk", sort="accuracy")] == [
            2,
            3,
            1,
        ]  # the failed one has none
        assert [one.number for one in list_runs(tx, "helpdesk", sort="cost", rising=True)][1:] == [1, 3, 2]
        assert list_runs(tx, "helpdesk", sort="f1' or 1=1 --") == []


def test_the_run_of_each_candidate_tells_its_measurements(store: Store) -> None:
    with store.transaction() as tx:
        made = candidate(tx)
        run = record(tx, "a", candidate=made.id)
        record(tx, "b", kind="trial")
        assert runs_of_candidates(tx, "helpdesk") == {made.id: run}


def test_curves_are_kept_beside_the_run_without_points_that_are_no_numbers(store: Store, blobs: BlobStore) -> None:
    digest = put_curves(blobs, {"loss": [*LOSS, (40.0, float("nan"))], "held": []})
    with store.transaction() as tx:
        made, bare = record(tx, "a", curves_blob=digest), record(tx, "b", curves_blob=put_curves(blobs, {}))
        broken = record(tx, "c", curves_blob=blobs.put(b"[1, 2]"))
    assert curves_of(blobs, made) == {"loss": tuple(LOSS)}
    assert (bare.curves_blob, curves_of(blobs, bare)) == (None, {})
    with pytest.raises(Broken, match="the curves of helpdesk/3 cannot be read"):
        curves_of(blobs, broken)


@pytest.mark.parametrize("change", [sa.update(table).values(rung="other"), sa.delete(table)])
def test_the_database_itself_refuses_to_change_a_run(store: Store, change: sa.Executable) -> None:
    with store.transaction() as tx:
        made = record(tx, "a")
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), store.transaction() as tx:
        tx.execute(change)
    with store.read() as tx:
        assert get_run(tx, made.id) == made


def test_a_page_of_five_thousand_runs_reads_only_its_own_rows(store: Store) -> None:
    with store.transaction() as tx:
        fill(tx, MANY)
        fill(tx, 100, product="kefu")
    with store.read() as tx, _statements(tx.connection) as asked:
        page = list_runs(tx, "helpdesk", limit=20)
        after = list_runs(tx, "helpdesk", limit=20, before=page[-1].number)
        best = list_runs(tx, "helpdesk", limit=20, sort="accuracy")
        assert count_runs(tx, "helpdesk") == MANY
    assert [one.number for one in (*page, *after)] == list(range(MANY, MANY - 40, -1))
    assert [one.number for one in best] == list(range(MANY, MANY - 20, -1))
    assert len(asked) == 4 and all("LIMIT" in one for one in asked[:3])
    if is_sqlite(store.engine):  # by the index on the number, without sorting or reading the rest
        with store.read() as tx:
            query = (
                "explain query plan select * from run where organisation = 'o' and product = 'helpdesk' "
                "and number < 4000 order by number desc limit 20"
            )
            plan = " ".join(str(row["detail"]) for row in tx.all(sa.text(query)))
        assert "SEARCH run USING INDEX" in plan and "TEMP B-TREE" not in plan


@contextmanager
def _statements(connection: sa.Connection) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    yield asked
    sa.event.remove(connection, "before_cursor_execute", note)
