"""Clock, errors, ids and hashes: the small words that every package relies on."""

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.clock import SettableClock, local_text, period_at, period_of
from penstock.core.errors import BadInput, NotFound, PenstockError, RateLimited
from penstock.core.hashing import canonical_json, digest_of
from penstock.core.ids import counting_ids, random_ids


def test_a_month_begins_and_ends_at_midnight_of_the_company_s_zone() -> None:
    november = period_of("2026-11", "Asia/Shanghai")
    assert november.start == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert november.end == datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_a_moment_is_read_in_the_company_s_zone_with_its_offset() -> None:
    due = datetime(2026, 12, 14, 16, 0, 30, tzinfo=UTC)
    assert local_text(due, "Asia/Shanghai") == "2026-12-15 00:00 +08:00"
    assert local_text(due, "UTC") == "2026-12-14 16:00 +00:00"


def test_a_month_with_a_clock_change_is_an_hour_longer() -> None:
    october = period_of("2026-10", "Europe/Berlin")
    assert october.end - october.start == timedelta(days=31, hours=1)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu"]),
)
def test_every_moment_lies_in_exactly_one_month(moment: datetime, zone: str) -> None:
    period = period_at(moment, zone)
    assert period.start <= moment < period.end
    assert period_at(period.end, zone).start == period.end


@pytest.mark.parametrize("name", ["2026", "2026-13", "2026-00", "Nov 2026", "", "2026-11-01", "0001-01", "9999-12"])
def test_what_is_not_a_month_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="not a month"):
        period_of(name, "UTC")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown time zone 'Mars/Olympus'"):
        period_of("2026-11", "Mars/Olympus")


def test_a_settable_clock_moves_only_when_told() -> None:
    clock = SettableClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = NotFound("no such product", where="penstock.toml:3", hint="see: penstock check")
    assert str(error) == "penstock.toml:3: no such product\n  see: penstock check"
    assert isinstance(error, BadInput)


def test_an_error_keeps_all_it_knows_when_it_is_copied() -> None:
    error = RateLimited("too fast", where="key k1", hint="wait", retry_after_s=1.5)
    twin = copy.copy(error)
    assert (type(twin), str(twin), twin.retry_after_s) == (RateLimited, str(error), 1.5)


def test_every_error_has_the_one_base() -> None:
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    own = {kind for kind in below(PenstockError) if kind.__module__ == "penstock.core.errors"}
    assert {kind.__name__ for kind in own} >= {"BadInput", "Conflict", "Exhausted", "GateRefused", "Broken"}


def test_ids_are_unique_and_sort_by_the_time_of_their_making(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in range(1, 200):
        monkeypatch.setattr("time.time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(random_ids("cus"))
    assert made == sorted(set(made))
    assert {len(each) for each in made} == {len("cus_") + 26}


def test_counting_ids_count_by_prefix() -> None:
    ids = counting_ids()
    assert [ids("a"), ids("b"), ids("a")] == ["a_0001", "b_0001", "a_0002"]


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(st.dictionaries(TEXT, JSON))
def test_equal_values_have_one_form_however_they_are_ordered(value: dict[str, object]) -> None:
    shuffled = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(shuffled)
    assert json.loads(canonical_json(value)) == value
    assert digest_of(value) == digest_of(shuffled)


def test_not_a_number_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"x": float("nan")})
