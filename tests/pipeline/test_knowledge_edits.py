"""Two people edit one knowledge base at once, and a morning's questions are gathered: nothing of anybody's is lost."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.core.errors import BadInput, Conflict
from penstock.identity.customers import add_customer
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.registry import amendments, releases
from penstock.runtime.house import House, open_house
from penstock.tasks.knowledge import operator as knowledge
from penstock.tasks.knowledge import proposals
from penstock.tasks.knowledge.data.parts import Knowledge, knowledge_of
from penstock.tasks.knowledge.task import TASK
from penstock.tasks.knowledge.train import RUNGS
from penstock.training.records import TrainRequest, save

TOML = """\
[company]
name = "Harbour AI"

[products.faq]
task = "knowledge-answering"
data = "faq.csv"
gate = { top1 = ">= 0.1" }
price = { tiers = [{ unit_price = "0.10" }] }
cleaning = { max_chars = 20_000 }
"""
LONG = "Wipe it. " * 1_300  # 11,700 characters
ROWS = [
    {"id": "ship", "question": "How long does delivery take?", "answer": "Two days.", "origin": "faq.csv:2"},
    {"id": "wash", "question": "How do I clean the lamp?", "answer": LONG.strip(), "origin": "faq.csv:3"},
]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A live release of two entries that answers what it scores 0.3 or more."""
    (tmp_path / "penstock.toml").write_text(TOML)
    opened = open_house(tmp_path, create=True)
    trained = RUNGS[0].train(TrainRequest(train=knowledge_of(ROWS)))
    trained.settings["threshold"] = 0.3
    artifact = save(trained, opened.blobs)
    monkeypatch.setattr(releases, "live", lambda tx, product: SimpleNamespace(artifact=artifact))
    return opened


def asked(house: House, *texts: str) -> None:
    """One request each, of a customer who consents, none of which was answered."""
    with house.store.transaction() as tx:
        blue = add_customer(tx, name="blue", email="blue@example.com", training_consent=True).id
        body = json.dumps({"outputs": [{"answered": False}]}).encode()
        for number, text in enumerate(texts):
            name = f"req_{number}"
            event = UsageEvent(blue, name, blue, "faq", "1", "key", tx.now, 1, "0" * 64)
            append(tx, [event], [Answer(blue, name, blue, "faq", [text], body, tx.now)])


def test_two_people_approve_onto_one_entry_at_once_and_both_questions_stay(house: House) -> None:
    asked(house, "is the parcel late", "zebra crossing van")
    ids = [one.id for one in knowledge.propose(house, "faq")]
    assert len(ids) == 2
    both = threading.Barrier(2)

    def approve(proposal: str) -> None:
        both.wait()
        knowledge.approve(house, proposal, answer=None, onto="ship")

    people = [threading.Thread(target=approve, args=(one,)) for one in ids]
    for person in people:
        person.start()
    for person in people:
        person.join()
    (ship,) = [entry for entry in knowledge.entries_of(house, "faq") if entry.id == "ship"]
    assert set(ship.paraphrases) == {"is the parcel late", "zebra crossing van"}


def test_an_entry_is_withdrawn_and_given_back_but_the_last_one_stays(house: House) -> None:
    knowledge.withdraw(house, "faq", "ship")
    assert [entry.id for entry in knowledge.entries_of(house, "faq")] == ["wash"]
    with pytest.raises(Conflict, match="it is the last entry"):
        knowledge.withdraw(house, "faq", "wash")
    with pytest.raises(BadInput, match="no question"):  # nobody changes by its id what is not served
        knowledge.add(house, "faq", {"id": "ship", "answer": "Three days."})
    knowledge.add(house, "faq", {"id": "ship", "question": "How long?", "answer": "Three days."})
    assert {entry.id for entry in knowledge.entries_of(house, "faq")} == {"ship", "wash"}


def test_questions_that_are_answered_by_now_hide_no_older_ones(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "MOST_QUESTIONS", 1)
    monkeypatch.setattr(proposals, "_PAGE", 2)
    asked(house, *(["How long does delivery take?"] * 5), "do you engrave", "zebra crossing van")
    assert len(knowledge.propose(house, "faq")) == 1
    assert {one.question for one in knowledge.propose(house, "faq")} == {"do you engrave", "zebra crossing van"}
    assert len(knowledge.propose(house, "faq")) == 2


def test_a_long_answer_is_refused_when_written_and_what_is_accepted_can_be_trained_on(
    house: House, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="at most 20,000"):
        knowledge.add(house, "faq", {"id": "ship", "answer": "x" * 20_001})
    kept = knowledge.add(house, "faq", {"id": "wash", "paraphrases": ["wash the lamp", "lamp washing"]})
    assert kept.answer == ROWS[1]["answer"]
    with house.store.read() as tx:
        content = amendments.content_of(house.blobs, amendments.current(tx, "faq"))
    (tmp_path / "faq.csv").write_text(
        "question,answer,paraphrases\nWhere?,Here.,whereabouts | in what place | and where\n"
    )
    product = house.workspace.products["faq"]
    prepared = TASK.prepare(product.model_copy(update={"seed": 1}), tmp_path, TASK.amendment_rows(content))
    train = TASK.split(prepared.train, product)
    assert isinstance(train, Knowledge) and "wash" in {entry.id for entry in train.entries}
