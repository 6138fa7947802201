"""A retraining takes the corrections that are not rejected, and says of each whether it gave a row, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline.climbing import at_once, company

from penstock.core.acts import Act, acts_are
from penstock.core.errors import BadInput, Conflict
from penstock.identity.customers import add_customer
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.monitoring.feedback import record
from penstock.monitoring.review import decide, state_counts
from penstock.pipeline.climb import attempts
from penstock.pipeline.climb.train import retrain, train
from penstock.pipeline.runner import open_workflows
from penstock.registry.releases import history, release
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from tests.scenarios.conftest import rows


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(attempts, "run_child", at_once)
    made = company(tmp_path)
    outcome = train(made, {"product": "router", "rungs": []}, no_progress)["outcomes"][-1]
    with made.store.transaction() as tx:
        release(tx, outcome["candidate"], made.secret("decisions"))
    return made


def corrected(house: House, name: str, *texts: str, label: str, consent: bool = True) -> list[str]:
    with house.store.transaction() as tx:
        who = add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id
        event = UsageEvent(who, f"req_{name}", who, "router", "1", "key", tx.now, len(texts), "0" * 64)
        append(tx, [event], [Answer(who, event.id, who, "router", list(texts), b"{}", tx.now)])
        return [
            record(tx, customer=who, request_id=event.id, index=at, correction=label).id for at in range(len(texts))
        ]


def test_each_correction_is_told_whether_it_gave_a_row(house: House) -> None:
    known, label = rows(120)[0]
    fresh, repeated, unwanted = corrected(house, "blue", "a wholly new message of theirs", known, "a joke", label=label)
    [withheld] = corrected(house, "red", "no consent to this one", label=label, consent=False)
    with house.store.transaction() as tx:
        decide(tx, [unwanted], "rejected", "a joke")
    result = retrain(house, {"product": "router"}, no_progress)
    assert result["feedback"]["gave"] == [fresh] and result["learned"] == 1
    why = result["feedback"]["gave_none"]
    assert set(why) == {repeated, unwanted, withheld}
    assert why[unwanted] == "you rejected it" and "not consented" in why[withheld]
    assert "rows" in why[repeated]  # it repeats a training row, or is a test row
    with house.store.read() as tx:
        states = state_counts(tx)["router"]
    assert result["release"] == 2
    assert states == {"trained_on": 1, "no_row": 1, "rejected": 1, "waiting": 1}


def test_a_retrained_release_bears_the_name_of_who_ran_it(house: House) -> None:
    corrected(house, "blue", "a wholly new message of theirs", label=rows(120)[0][1])
    with acts_are(lambda: Act("ada", "owner", "here", "penstock retrain")):
        theirs = open_house(house.folder)
        with open_workflows(theirs, executor="test", command="retrain") as workflows:
            assert workflows.run_or_resume("retrain", {"product": "router"})["release"] == 2
    with theirs.store.read() as tx:
        assert [(one.kind, one.actor) for one in history(tx, "router")][1:] == [("retired", "ada"), ("released", "ada")]
    theirs.close()


def test_nothing_usable_says_why(house: House) -> None:
    [one] = corrected(house, "blue", "a new message", label=rows(120)[0][1])
    with house.store.transaction() as tx:
        decide(tx, [one], "rejected")
    with pytest.raises(BadInput, match="no usable corrections of router: 1: you rejected it"):
        retrain(house, {"product": "router"}, no_progress)


def test_corrections_that_add_no_row_say_why_and_stop_waiting(house: House) -> None:
    known, label = rows(120)[0]
    corrected(house, "blue", known, label=label)
    with pytest.raises(Conflict, match=r"add no row to its data: 1: "):
        retrain(house, {"product": "router"}, no_progress)
    with house.store.read() as tx:
        assert state_counts(tx) == {"router": {"no_row": 1}}
