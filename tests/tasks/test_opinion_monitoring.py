"""The task on the wire and on its data: documents in, entities and sentiment out, histories split by time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from monitoring.opinion_house import ENTITIES, day_of_documents, opinion_model, usual_days
from pydantic import ValidationError

from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput
from penstock.tasks.opinion.model.options import Options
from penstock.tasks.opinion.task import TASK, measure, parse, prepare
from penstock.workspace.records import Product

START = datetime(2026, 1, 5, tzinfo=UTC)
CLOCK = SettableClock(datetime(2026, 11, 15, 8, 0, tzinfo=UTC))


def product(**options: Any) -> Product:
    chosen = {"entities": ENTITIES, "sentiment": "mood", **options}
    values = {"task": TASK.name, "data": "history.csv", "gate": {}, "options": chosen}
    return Product.model_validate({**values, "price": {"tiers": [{"unit_price": "0.001"}]}})


def write(folder: Path, days: int, extra: str = "") -> None:
    rows = [f"{one.id},{one.time.isoformat()},{one.text!r}".replace("'", '"') for one in usual_days(START, days)]
    (folder / "history.csv").write_text("id,time,text\n" + "\n".join(rows) + "\n" + extra)


def test_a_document_is_answered_with_its_entities_aliases_and_sentiment() -> None:
    model = opinion_model()
    sent = [{"text": "HarbourAir and Harbour Air, never again", "time": "2026-11-15T09:00:00+02:00", "id": "d1"}]
    [document] = parse(sent, model, CLOCK)
    answer = TASK.render(model, document, model.predict([document])[0])
    assert answer["document"] == "d1"
    assert answer["entities"] == [
        {"name": "Harbour Air", "aliases": ["HarbourAir", "Harbour Air"], "sentiment": "negative"}
    ]
    assert answer["sentiment"]["label"] == answer["sentiment"]["tone"] == "negative"
    assert 0 < answer["sentiment"]["score"] <= 1
    json.dumps(answer, allow_nan=False)


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ([{"text": "a"}], "inputs[0].time"),
        ([{"text": "a", "time": "2027-01-01T00:00:00Z"}], "inputs[0].time"),
        ([{"text": "a", "time": "2026-01-01T00:00:00Z"}, "b"], "inputs[1]"),
        (
            [
                {"text": "a", "time": "2026-01-01T00:00:00Z", "id": "x"},
                {"text": "b", "time": "2026-01-01T00:00:00Z", "id": "x"},
            ],
            "inputs[1].id",
        ),
        ([{"text": "a", "time": "2026-01-01T00:00:00Z"}] * 2, "inputs[1].id"),
    ],
)
def test_what_is_wrong_with_an_input_is_found_before_it_is_billed(inputs: list[Any], where: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(inputs, opinion_model(), CLOCK)
    assert refused.value.where == where


def test_probes_are_answered() -> None:
    model = opinion_model()
    probes = TASK.probes(model)
    for document, row in zip(probes, model.predict(probes), strict=True):
        assert TASK.render(model, document, row)["document"] == document.id


def test_the_newest_part_tests_and_begins_with_weeks_that_only_warm_up(tmp_path: Path) -> None:
    write(tmp_path, 110)
    prepared = prepare(product(), tmp_path, (), CLOCK)
    train, test = (TASK.split(rows, product()) for rows in (prepared.train, prepared.test))
    assert train.documents[-1].time < test.start <= test.documents[-1].time
    assert test.start - timedelta(days=35) <= test.documents[0].time < test.start
    assert len(train.documents) + sum(one.time >= test.start for one in test.documents) == 110 * 6
    assert prepared.report.rows_train == len(train.documents)
    assert {one.label: one.train for one in prepared.report.classes} == {"Harbour Air": 4 * 88, "Tidebank": 2 * 88}
    assert train.entities == {name: tuple(aliases) for name, aliases in ENTITIES.items()}


def test_the_order_of_the_file_does_not_matter_but_the_entities_do(tmp_path: Path) -> None:
    write(tmp_path, 110)
    one = prepare(product(), tmp_path, (), CLOCK)
    head, *lines = (tmp_path / "history.csv").read_text().splitlines()
    (tmp_path / "history.csv").write_text("\n".join([head, *reversed(lines)]) + "\n")
    two = prepare(product(), tmp_path, (), CLOCK)
    plain = [[{**row, "origin": ""} for row in each.train] for each in (one, two)]
    assert plain[0] == plain[1]
    three = prepare(product(entities={"Harbour Air": []}), tmp_path, (), CLOCK)
    assert three.train[0] != one.train[0] and three.train[1:] == two.train[1:]


def test_entities_may_come_from_a_file(tmp_path: Path) -> None:
    write(tmp_path, 110)
    (tmp_path / "brands.csv").write_text("name,alias\nTidebank,Tide Bank\nHarbour Air,HarbourAir\nTidebank,TB\n")
    prepared = prepare(product(entities="brands.csv"), tmp_path, (), CLOCK)
    assert TASK.split(prepared.train, product()).entities == {
        "Harbour Air": ("HarbourAir",),
        "Tidebank": ("Tide Bank", "TB"),
    }


def test_rare_entities_are_told(tmp_path: Path) -> None:
    write(tmp_path, 110)
    report = prepare(product(entities={**ENTITIES, "Ghost Ltd": ()}), tmp_path, (), CLOCK).report
    assert report.found("rare-entity") == 1


@pytest.mark.parametrize(
    ("days", "extra", "what"),
    [
        (30, "", "days"),
        (110, "x,2027-05-01T00:00:00Z,later\n", "future"),
        (110, "x,,undated\n", "time"),
    ],
)
def test_a_history_that_cannot_teach_is_refused(tmp_path: Path, days: int, extra: str, what: str) -> None:
    write(tmp_path, days, extra)
    with pytest.raises(BadInput) as refused:
        prepare(product(), tmp_path, (), CLOCK)
    assert what in str(refused.value)


def test_a_test_file_must_lie_after_the_history(tmp_path: Path) -> None:
    write(tmp_path, 80)
    (tmp_path / "later.csv").write_text("time,text\n2026-02-01,Harbour Air\n2026-06-01,Harbour Air\n")
    with pytest.raises(BadInput, match="before the history ends"):
        prepare(product().model_copy(update={"test": "later.csv"}), tmp_path, (), CLOCK)


def test_planted_shifts_are_measured_with_intervals_and_a_score_each(tmp_path: Path) -> None:
    write(tmp_path, 110)
    model = opinion_model()
    held_out = TASK.split(prepare(product(), tmp_path, (), CLOCK).test, product())
    measured = measure(model, held_out, model.predict(TASK.inputs(held_out)), 1)
    assert tuple(measured.quality) == TASK.quality
    assert len(measured.scores) == 240 and set(measured.scores) <= {0.0, 1.0}
    assert measured.quality["detection_rate"].value == pytest.approx(sum(measured.scores) / 240)
    assert measured.quality["false_alarms_per_month"].low == 0
    words = {text for section in measured.sections for text in (section.title, section.note, *section.header)}
    assert words <= set(TASK.chinese)


@pytest.mark.parametrize(
    "wrong",
    [
        {"entities": {}},
        {"entities": None},
        {"bucket": "week"},
        {"timezone": "Mars/Crater"},
        {"false_alarms_per_month": 0},
        {"webhooks": ["ftp://x"]},
        {"mail": [{"host": "x", "sender": "nobody", "to": ["a@b.example"]}]},
        {"surprise": 1},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**{"entities": ENTITIES, "sentiment": "mood", **wrong})


def test_an_address_alone_is_a_webhook_for_all_customers() -> None:
    options = Options(entities=ENTITIES, sentiment="mood", webhooks=["https://x.example/a"])  # type: ignore[arg-type]
    assert [(hook.url, hook.customer) for hook in options.webhooks] == [("https://x.example/a", "")]


def test_answers_are_not_corrected_one_by_one() -> None:
    with pytest.raises(BadInput, match="corrected"):
        TASK.correction(day_of_documents(START, {"Tidebank": {"positive": 1}})[0], "negative")
