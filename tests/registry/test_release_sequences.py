"""Whatever is released and rolled back, in whatever order: one live release at most, and a history that explains it."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry.shelf import SECRET, passed

from penstock.core.errors import Conflict, NotFound, PenstockError
from penstock.core.ids import random_ids
from penstock.registry import candidates
from penstock.registry.releases import Release, history, list_releases, live, release, rollback
from penstock.storage import counters
from penstock.storage.engine import Store, Transaction

PRODUCTS = ("helpdesk", "kefu")

steps = st.lists(
    st.tuples(st.sampled_from(("release", "release", "release outdated", "rollback")), st.sampled_from(PRODUCTS)),
    max_size=12,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_at_most_one_release_of_a_product_is_ever_live(store: Store, steps: list[tuple[str, str]]) -> None:
    own = Store(store.engine, random_ids("org"), store.clock, random_ids, store.keys)
    expected: dict[str, list[int]] = {product: [] for product in PRODUCTS}  # numbers live now and before, oldest first
    made = dict.fromkeys(PRODUCTS, 0)
    for turn, (action, product) in enumerate(steps):
        with own.transaction() as tx:
            before = live(tx, product)
            if action == "release":
                made[product] += 1
                assert take(tx, product, f"model {turn}", before).number == made[product]
                expected[product].append(made[product])
            elif action == "release outdated" and before is not None:
                outdated = passed(tx, f"model {turn}", product=product)
                with pytest.raises(Conflict):
                    release(tx, outdated.id, SECRET)
            elif action == "rollback" and len(expected[product]) > 1:
                expected[product].pop()
                assert rollback(tx, product).number == expected[product][-1]
            elif action == "rollback":
                with pytest.raises((Conflict, NotFound)):
                    rollback(tx, product)
    with own.read() as tx:
        for product in PRODUCTS:
            found = [each.number for each in list_releases(tx, product) if each.state == "live"]
            assert found == expected[product][-1:] == told_by_history(tx, product)


@pytest.mark.parametrize("action", ["release", "rollback"])
def test_of_two_people_who_change_releases_at_once_both_cannot_win_on_the_same_state(store: Store, action: str) -> None:
    with store.transaction() as tx:
        take(tx, "helpdesk", "one", None)
        two = take(tx, "helpdesk", "two", live(tx, "helpdesk"))
        incumbent = candidates.get_candidate(tx, two.candidate)
        rivals = [passed(tx, name, live=incumbent) for name in ("three", "four")]
    outcomes: list[str] = []

    def act(rival: str) -> None:
        try:
            with store.transaction() as tx:
                release(tx, rival, SECRET) if action == "release" else rollback(tx, "helpdesk")
            outcomes.append("done")
        except PenstockError as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=act, args=(rival.id,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["Conflict", "done"]
    with store.read() as tx:
        assert sum(each.state == "live" for each in list_releases(tx, "helpdesk")) == 1
        assert counters.generations(tx)["releases"] == 3


def take(tx: Transaction, product: str, name: str, before: Release | None) -> Release:
    """Release a new candidate that was judged against what is live."""
    incumbent = candidates.get_candidate(tx, before.candidate) if before else None
    return release(tx, passed(tx, name, live=incumbent, product=product).id, SECRET)


def told_by_history(tx: Transaction, product: str) -> list[int]:
    """The live releases according to the events alone."""
    numbers = {each.id: each.number for each in list_releases(tx, product)}
    alive: set[str] = set()
    for event in history(tx, product):
        (alive.add if event.kind in ("released", "restored") else alive.remove)(event.release)
    return sorted(numbers[each] for each in alive)
