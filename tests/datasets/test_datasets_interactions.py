"""Interactions: files are read exactly, what is wrong is named at file:line, and each user's last one is the test."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock import installed
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.tasks.recommendation.data.preparing import item_of, prepare, pseudonym, read_interactions, records_of
from penstock.tasks.recommendation.task import TASK
from penstock.training.records import TrainRequest
from penstock.workspace.records import Product

HEADER = "user,item,time\n"
ROWS = [("ann", "i1", 1), ("ann", "i2", 2), ("ann", "i3", 3), ("bob", "i1", 5), ("bob", "i3", 6), ("cy", "i2", 7)]


def product(folder: Path, rows: str, options: dict[str, Any] | None = None, **more: Any) -> Product:
    (folder / "log.csv").write_text(rows, encoding="utf-8")
    price = {"tiers": [{"unit_price": "0.001"}]}
    return Product(
        task="recommendation", data="log.csv", gate={"hr_at_10": ">= 0.1"}, price=price, options=options or {}, **more
    )


def prepared(folder: Path, rows: list[tuple[str, str, int]], extra: Any = (), **options: Any) -> Prepared:
    text = HEADER + "".join(f"{user},{item},{time}\n" for user, item, time in rows)
    return prepare(product(folder, text, options), folder, extra, SettableClock(datetime(2026, 11, 1, tzinfo=UTC)))


def pairs(rows: Any) -> set[tuple[str, str]]:
    return {(row["user"], row["item"]) for row in rows if row.get("kind") not in ("item", "taken")}


def test_each_users_last_interaction_is_the_test_and_single_ones_are_only_learned_from(tmp_path: Path) -> None:
    found = prepared(tmp_path, ROWS)
    assert pairs(found.test) == {("ann", "i3"), ("bob", "i3")}
    assert pairs(found.train) == {("ann", "i1"), ("ann", "i2"), ("bob", "i1"), ("cy", "i2")}
    assert found.report.found("short-history") == 1
    assert (found.report.read_train, found.report.rows_train, found.report.rows_test) == (6, 4, 2)


def test_the_order_of_the_file_changes_nothing_even_where_times_are_equal(tmp_path: Path) -> None:
    rows = [("ann", f"i{at}", 10) for at in range(12)] + ROWS
    shuffled = random.Random(1).sample(rows, len(rows))
    one, other = prepared(tmp_path, rows), prepared(tmp_path, shuffled)
    assert (one.train, one.test) == (other.train, other.test)
    assert len(one.test) == 2


def test_from_a_split_date_on_everything_is_the_test(tmp_path: Path) -> None:
    day = 86_400
    rows = [("ann", "i1", 0), ("ann", "i2", day), ("ann", "i3", 2 * day), ("bob", "i2", 0), ("cy", "i1", 2 * day)]
    found = prepared(tmp_path, rows, split_date="1970-01-02")
    assert pairs(found.test) == {("ann", "i2"), ("ann", "i3")}
    assert found.report.found("new-user", "test") == 1


def test_repeats_light_weights_and_programs_are_counted_and_dropped(tmp_path: Path) -> None:
    text = "user,item,time,weight\nann,i1,1,5\nann,i1,4,5\nann,i2,3,1\nann,i3,2,4\nbob,i1,1,4\nbob,i2,2,4\n"
    text += "".join(f"bot,x{at},1,5\n" for at in range(11))
    found = prepare(product(tmp_path, text, {"min_weight": 2, "max_user_rows": 10}), tmp_path)
    counted = {kind: found.report.found(kind) for kind in ("repeat", "below-weight", "program")}
    assert counted == {"repeat": 1, "below-weight": 1, "program": 11}
    assert pairs(found.test) == {("ann", "i1"), ("bob", "i2")}
    assert found.report.read_train - found.report.dropped == found.report.rows_train + found.report.rows_test


def test_items_that_the_items_file_lacks_are_learned_from_but_never_tested(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,title,text,genre\ni1,One,first,crime\ni2,Two,,\n")
    found = prepared(tmp_path, ROWS, items="items.csv", attributes=["genre"])
    items = records_of(found.train, product(tmp_path, HEADER)).items
    assert {name: item.listed for name, item in items.items()} == {"i1": True, "i2": True, "i3": False}
    assert items["i1"].words == "One. first. genre: crime"
    assert pairs(found.test) == {("ann", "i2"), ("bob", "i1")}


def test_a_file_of_items_that_names_one_twice_says_where(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,title\ni1,One\ni1,Two\n")
    with pytest.raises(BadInput, match=r"there already, at items\.csv:2") as caught:
        prepared(tmp_path, ROWS, items="items.csv")
    assert caught.value.where == "items.csv:3"


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        (",i1,5", "log.csv:2: user", "is missing"),
        ("ann,,5", "log.csv:2: item", "is missing"),
        ("ann,i1,", "log.csv:2: time", "is missing"),
        ("ann,i1,yesterday", "log.csv:2: time", "not a time"),
        ("ann,i1,-5", "log.csv:2: time", "between 1970 and 2100"),
        ("ann,i1,nan", "log.csv:2: time", "between 1970 and 2100"),
        ("ann,i1", "log.csv:2", "2 columns"),
        (f"{'a' * 300},i1,5", "log.csv:2: user", "no id"),
    ],
)
def test_a_row_that_says_nothing_is_named_with_its_line(tmp_path: Path, line: str, where: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        prepare(product(tmp_path, f"{HEADER}{line}\nann,i2,6\n"), tmp_path)
    assert caught.value.where == where


def test_a_weight_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a number") as caught:
        prepare(product(tmp_path, "user,item,time,weight\nann,i1,5,good\n"), tmp_path)
    assert caught.value.where == "log.csv:2: weight"


def test_missing_columns_are_named_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no columns 'item' and 'time'") as caught:
        prepare(product(tmp_path, "user,sku,at\na,b,1\n"), tmp_path)
    assert "columns = { user" in str(caught.value.hint)
    with pytest.raises(BadInput, match="unknown field 'who'"):
        prepare(product(tmp_path, "user,item,time\na,b,1\n", columns={"who": "user"}), tmp_path)


def test_nothing_left_to_test_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no user has two interactions"):
        prepared(tmp_path, [("ann", "i1", 1), ("bob", "i1", 2)])


def test_ids_beyond_the_exact_numbers_of_floats_stay_what_they_are(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    large = 2**60 + 1
    table = pa.table({"user": [large, large + 2], "item": [1, 2], "time": [datetime(2026, 1, 1, tzinfo=UTC)] * 2})
    parquet.write_table(table, tmp_path / "log.parquet")
    lines = [json.dumps({"user": large, "item": 7, "time": "2026-01-01"}) for _ in range(2)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert [row.user for row in read_interactions(tmp_path / "log.parquet", {})] == [str(large), str(large + 2)]
    assert read_interactions(tmp_path / "log.jsonl", {})[0].user == str(large)


def test_milliseconds_seconds_and_iso_are_the_same_moment(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    times = (f"{moment:.0f}", f"{moment * 1000:.0f}", "2026-01-01T12:00:00Z", "2026-01-01 20:00+08:00")
    text = HEADER + "".join(f"u{at},i,{time}\n" for at, time in enumerate(times))
    product(tmp_path, text)
    assert {row.time for row in read_interactions(tmp_path / "log.csv", {})} == {moment}


def test_clicks_join_train_and_leave_the_test_as_it_was(tmp_path: Path) -> None:
    click = {"kind": "interaction", "user": "ann", "item": "i9", "time": 9, "event": "buy", "origin": "feedback:ev_1"}
    extra = [
        {**click, "customer": "cus_1"},
        {**click, "item": "i3"},  # what the test asks for stays out
        {**click, "item": "unknown"},
        {"kind": "item", "item": "i9", "title": "Nine", "text": "new"},
    ]
    before, after = prepared(tmp_path, ROWS), prepared(tmp_path, ROWS, extra)
    assert after.test == before.test
    assert pairs(after.train) == pairs(before.train) | {(pseudonym("cus_1", "ann"), "i9")}
    [added] = [row for row in after.train if row.get("origin") == "feedback:ev_1"]
    assert (added["weight"], added["customer"]) == (2, "cus_1")  # a purchase counts as two usual interactions
    assert after.report.found("test-in-train", "feedback") == 1 and after.report.found("unlisted", "feedback") == 1
    assert [item_of(row).title for row in after.train if row.get("item") == "i9" and row["kind"] == "item"] == ["Nine"]


def test_customers_who_name_a_user_alike_write_into_neither_each_other_s_nor_the_data_s_history(tmp_path: Path) -> None:
    click = {"kind": "interaction", "user": "ann", "item": "i9", "time": 9, "event": "click"}
    new = {"kind": "item", "item": "i9", "title": "Nine", "text": "new"}
    extra = [{**click, "origin": f"feedback:ev_{at}", "customer": f"cus_{at}"} for at in (1, 2, 2)]
    before, after = prepared(tmp_path, ROWS), prepared(tmp_path, ROWS, [*extra, new])
    assert {item for user, item in pairs(after.train) if user == "ann"} == {
        item for user, item in pairs(before.train) if user == "ann"
    }
    users = {user for user, item in pairs(after.train) if item == "i9"}
    assert users == {pseudonym("cus_1", "ann"), pseudonym("cus_2", "ann")}
    assert all(user != user.strip() for user in users)  # ids of files and requests are stripped: nobody can say these


def test_times_in_the_future_are_counted(tmp_path: Path) -> None:
    later = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    assert prepared(tmp_path, [*ROWS, ("ann", "i7", later)]).report.found("future") == 1


@pytest.mark.parametrize(
    "options", [{"item_columns": {"item": "id"}}, {"split_date": "soon"}, {"leave_last": 0}, {"items": "x", "tpo": 3}]
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        prepared(tmp_path, ROWS, **options)


def test_a_test_file_of_its_own_keeps_its_rows_and_train_lacks_them(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(HEADER + "ann,i3,9\nbob,i9,9\nzoe,i1,9\n")
    text = HEADER + "".join(f"{user},{item},{time}\n" for user, item, time in ROWS)
    found = prepare(product(tmp_path, text, test="test.csv"), tmp_path)
    assert pairs(found.test) == {("ann", "i3"), ("bob", "i9")}, "nobody knows i9: it counts as wrong; zoe is refused"
    assert ("ann", "i3") not in pairs(found.train) and ("bob", "i3") in pairs(found.train)
    assert found.report.found("unlisted", "test") == found.report.found("new-user", "test") == 1
    assert found.report.found("test-in-train") == 1


def test_test_rows_of_unknown_items_count_as_wrong_and_a_test_of_nothing_else_is_refused(tmp_path: Path) -> None:
    text = HEADER + "".join(f"{user},{item},{time}\n" for user, item, time in ROWS)
    (tmp_path / "test.csv").write_text(HEADER + "ann,i3,9\nbob,i9,9\n")
    wanted = product(tmp_path, text, test="test.csv")
    found = prepare(wanted, tmp_path)
    (told,) = (each for each in found.report.findings if (each.kind, each.part) == ("unlisted", "test"))
    assert (told.found, told.dropped) == (1, 0) and "count as wrong" in told.action
    assert [line for line in found.report.told() if "items file lacks" in line and "count as wrong" in line]
    train, test = records_of(found.train, wanted), records_of(found.test, wanted)
    model = installed.rungs()["popularity.v1"].train(TrainRequest(train=train)).model
    answers = model.predict(TASK.inputs(test))
    both = TASK.measure(model, test, answers, 0).quality["hr_at_10"]
    assert both.value == 0.5, "i3 is found, i9 cannot be"
    (tmp_path / "test.csv").write_text(HEADER + "ann,I3,9\nbob,i9,9\n")
    with pytest.raises(BadInput, match="no test row has an item that can be recommended"):
        prepare(wanted, tmp_path)
