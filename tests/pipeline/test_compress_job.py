"""`penstock compress`: a candidate made cheaper is a candidate like any other, and can be made again from new data.

Every command here starts a process that loads the training libraries, which takes 2 to 3 s each.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training.bert import write_bert

from penstock import installed
from penstock.cli.root import run
from penstock.core.errors import BadInput, Conflict, NotFound, PenstockError
from penstock.datasets.rows import Split
from penstock.datasets.versions import get_version
from penstock.pipeline.artifacts import get_report
from penstock.pipeline.climb.attempts import begin
from penstock.pipeline.compress.stand_ins import stand_ins
from penstock.pipeline.compress.worker import compress_models
from penstock.pipeline.compress.workflow import plan, recompress
from penstock.pipeline.records import CompressModels, Incumbent, MadeVersion
from penstock.registry.candidates import Candidate, find_candidate, list_candidates
from penstock.registry.decisions import latest_decision
from penstock.registry.runs import list_runs
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.training.records import Trained, TrainRequest

DESK = """\
[company]
name = "Harbour AI"

[backbones.small]
source = "path:small-bert"

[products.desk]
task = "text-classification"
data = "rows.csv"
backbone = "small"
gate = { accuracy = ">= 0.10" }
price = { tiers = [{ unit_price = "0.10" }] }
options = { robust_rows = 0 }
"""
ASKED = {
    "refund": ("money back for {}", "refund the {}", "pay me the {} back"),
    "parcel": ("where is the {}", "the {} is late", "track the {}"),
    "login": ("cannot log in to {}", "reset the password of {}", "locked out of {}"),
}
THINGS = [f"{kind} {which}" for kind, which in itertools.product(("coat", "lamp", "desk", "phone"), "abcdef")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two candidates: n-grams, and a head on a small encoder."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "penstock.toml").write_text(DESK)
    write_bert(folder / "small-bert", hidden=64, layers=6)
    with (folder / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows([[ask.format(thing), label] for label in ASKED for ask in ASKED[label] for thing in THINGS])
    open_house(folder, create=True).close()
    for rung in ("ngram-linear.v1", "frozen-linear.v1"):
        assert run(["--workspace", str(folder), "train", "desk", "--rung", rung]) == 0
    return folder


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    opened = open_house(folder, create=True)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def int8(folder: Path, house: House) -> Candidate:
    """The second candidate in int8."""
    assert run(["--workspace", str(folder), "compress", "desk/2", "--by", "int8"]) == 0
    return numbered(house, 3)


def numbered(house: House, number: int) -> Candidate:
    with house.store.read() as tx:
        return find_candidate(tx, "desk", str(number))


def test_what_was_compressed_is_judged_and_remembers_what_it_was_made_from(house: House, int8: Candidate) -> None:
    assert int8.rung == "int8.v1"
    assert int8.made_from == (numbered(house, 2).id,)
    assert int8.parameters["set"] == {}
    assert get_report(house.blobs, int8.report_blob).metrics["fidelity"].value >= 0.99
    with house.store.read() as tx:
        decision = latest_decision(tx, int8.id)
        newest = list_runs(tx, "desk", kind="compress")[0]
    assert decision is not None and decision.passed
    assert (newest.kind, newest.candidate, newest.state) == ("compress", int8.id, "done")


def test_a_cascade_trains_its_halves_again_even_one_that_was_compressed_itself(
    folder: Path, house: House, int8: Candidate, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compress", int8.id, "--by", "cascade", "--with", "desk/1", "--set", "within=0.5"]
    assert run(["--workspace", str(folder), *words]) == 0
    made = numbered(house, 4)
    assert made.made_from == (int8.id, numbered(house, 1).id)
    assert made.parameters["set"] == {"within": 0.5}
    assert made.parameters["lost"] <= 0.5 and made.parameters["times_quicker"] >= 1.1
    told = capsys.readouterr().err
    assert "ngram-linear.v1 answers when its likeliest label has a probability of at least" in told
    assert "next: penstock release desk --candidate 4" in told


def test_a_half_of_a_cascade_learns_as_its_candidate_did(
    folder: Path, house: House, int8: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on fewer rows, but by the recipe of all of them."""
    asked = watched_trainings(monkeypatch)
    compress_models(a_cascade(folder, [int8.id, numbered(house, 1).id]), no_progress)
    with house.store.read() as tx:
        rows = get_version(tx, "desk", 1).rows_train
    assert len(asked) == 2 and {each.stands_for for each in asked} == {rows}
    assert all(len(each.train) < rows for each in asked)


def test_cascades_that_share_a_folder_train_no_half_twice(
    folder: Path, house: House, int8: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one's dear half is what the first one's was compressed from."""
    asked = watched_trainings(monkeypatch)
    cheap, source = numbered(house, 1).id, numbered(house, 2).id
    first = compress_models(a_cascade(folder, [int8.id, cheap], tmp_path / "shared"), no_progress)
    second = compress_models(a_cascade(folder, [source, cheap], tmp_path / "shared"), no_progress)
    assert len(asked) == 2
    alone = compress_models(a_cascade(folder, [source, cheap]), no_progress)
    assert len(asked) == 4
    assert second.artifact == alone.artifact != first.artifact


def test_a_torn_note_of_a_stand_in_is_no_stand_in(tmp_path: Path, house: House, int8: Candidate) -> None:
    rows, made = Split(("a", "b"), ("x", "y")), []

    def make() -> Trained:
        made.append(1)
        return installed.rungs()["ngram-linear.v1"].train(TrainRequest(Split(("good", "bad") * 4, ("x", "y") * 4)))

    with stand_ins(house.blobs, tmp_path / "shared") as standing:
        artifact = standing.of(int8.id, rows, make)
        assert standing.of(int8.id, rows, make) == artifact and len(made) == 1
        (note,) = (tmp_path / "shared" / "made").iterdir()
        note.write_text("")
        assert standing.of(int8.id, rows, make) == artifact and len(made) == 2


def watched_trainings(monkeypatch: pytest.MonkeyPatch) -> list[TrainRequest]:
    """What n-grams and heads on the backbone are asked from now on."""
    asked: list[TrainRequest] = []
    for name in ("ngram-linear.v1", "frozen-linear.v1"):

        def watched(request: TrainRequest, train: Any = installed.rungs()[name].train) -> Trained:
            asked.append(request)
            made: Trained = train(request)
            return made

        monkeypatch.setitem(installed.rungs(), name, replace(installed.rungs()[name], train=watched))
    return asked


def a_cascade(
    folder: Path, sources: list[str], stand_ins: Path | None = None, within: float | None = 0.5
) -> CompressModels:
    """What the worker is asked."""
    return CompressModels(
        folder=str(folder),
        product="desk",
        version=1,
        by="cascade.v1",
        sources=tuple(sources),
        set={} if within is None else {"within": within},
        incumbent=Incumbent(candidate=None, report=None, artifact=None),
        stand_ins=None if stand_ins is None else str(stand_ins),
    )


def test_two_candidates_of_the_same_artifact_are_two_that_do_not_differ(folder: Path, house: House) -> None:
    first = numbered(house, 1)
    with pytest.raises(BadInput, match="two different models"):
        compress_models(a_cascade(folder, [first.id, first.id], within=None), no_progress)


def test_a_compressed_candidate_is_made_again_from_what_it_was_made_from(house: House, int8: Candidate) -> None:
    with house.store.read() as tx:
        version = get_version(tx, "desk", 1)
    asked = MadeVersion(version=1, id=version.id, rows=version.rows_train, learned=0)
    outcomes = recompress(begin(house, "desk", asked, no_progress), int8.id)
    assert [outcome.rung for outcome in outcomes] == ["frozen-linear.v1", "int8.v1"]
    again = numbered(house, outcomes[-1].number)
    assert again.made_from == (outcomes[0].candidate,)
    assert again.artifact == int8.artifact  # the same rows, seed and code


def test_a_no_of_the_gate_ends_with_3_and_is_kept(folder: Path, house: House, int8: Candidate) -> None:
    strict = folder / "strict"
    strict.mkdir()
    for name in ("rows.csv", "small-bert", ".penstock"):
        (strict / name).symlink_to(folder / name)
    (strict / "penstock.toml").write_text(DESK.replace('accuracy = ">= 0.10"', 'latency_p95_ms = "<= 0.0001"'))
    assert run(["--workspace", str(strict), "compress", "desk/2", "--by", "int8"]) == 3
    with house.store.read() as tx:
        newest = list_candidates(tx, "desk")[-1]
        decision = latest_decision(tx, newest.id)
    assert newest.made_from == int8.made_from
    assert decision is not None and not decision.passed


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"by": "zip"}, BadInput, "unknown compression 'zip'"),
        ({"by": "int8", "other": "desk/1"}, BadInput, "takes one candidate"),
        ({"by": "cascade"}, BadInput, "takes two candidates"),
        ({"by": "cascade", "other": "desk/2"}, BadInput, "two different candidates"),
        ({"by": "cascade", "other": "desk/77"}, NotFound, "has no candidate 77"),
        ({"by": "int8", "given": ["bits=4"]}, BadInput, "int8.v1 has no 'bits' to set"),
        ({"by": "cascade", "other": "desk/1", "given": ["within"]}, BadInput, "sets nothing"),
        ({"by": "cascade", "other": "desk/1", "given": ["within=much"]}, BadInput, "within must be a number"),
        ({"by": "cascade", "other": "desk/1", "given": ["folds=1.5"]}, BadInput, "folds must be a whole number"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    house: House, words: dict[str, Any], kind: type[PenstockError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        plan(house, "desk/2", **words)


def test_a_test_split_that_is_used_up_judges_no_more(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited = DESK.replace("options =", "most_test_uses = 1\noptions =")
    (folder / "penstock.toml").write_text(edited)
    try:
        assert run(["--workspace", str(folder), "compress", "desk/2", "--by", "int8"]) == 1
    finally:
        (folder / "penstock.toml").write_text(DESK)
    assert "may judge 1" in capsys.readouterr().err


def test_halves_of_different_data_are_refused(folder: Path, house: House) -> None:
    with (folder / "rows.csv").open("a", newline="") as stream:
        csv.writer(stream).writerow(["give me the money for the boat back", "refund"])
    assert run(["--workspace", str(folder), "train", "desk", "--rung", "ngram-linear.v1"]) == 0
    with pytest.raises(Conflict, match="different data versions"):
        plan(house, "desk/2", by="cascade", other="desk")
