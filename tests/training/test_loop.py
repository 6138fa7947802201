"""The shared loop: it goes on exactly where a kill left it, and says what went wrong when something does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput, Broken, Conflict, Unavailable
from penstock.runtime.progress import no_progress
from penstock.training.loop import Fitted, Problem, Recipe, fit
from penstock.training.loop.checkpoints import FILE, curves_in

torch = pytest.importorskip("torch")

RECIPE = Recipe(epochs=6.0, batch=8, peak=0.05, dropout=0.2, precision="float32")
ROWS, WIDTH = 64, 5


class Killed(BaseException):
    """Stands for the end of the process: nothing in the house catches it."""


def made(at_step: Any = lambda step: None, identity: str = "data 1") -> Problem:
    """A small network with dropout; at_step is told the number of losses asked so far."""
    draw = np.random.default_rng(0)
    inputs = torch.from_numpy(draw.normal(size=(ROWS, WIDTH)).astype(np.float32))
    truth = torch.from_numpy((draw.random(ROWS) < 0.5).astype(np.int64))
    torch.manual_seed(0)
    parts = [torch.nn.Linear(WIDTH, 16), torch.nn.Dropout(RECIPE.dropout), torch.nn.ReLU(), torch.nn.Linear(16, 2)]
    network = torch.nn.Sequential(*parts)
    asked = [0]

    def loss(rows: Any) -> Any:
        asked[0] += 1
        at_step(asked[0])
        return torch.nn.functional.cross_entropy(network(inputs[rows]), truth[rows], reduction="none")

    lengths = np.arange(ROWS, dtype=np.int64) % 7
    return Problem(module=network, rows=ROWS, loss=loss, lengths=lengths, identity=identity)


def run(problem: Problem, recipe: Recipe = RECIPE, folder: Path | None = None) -> Fitted:
    return fit(problem, recipe, seed=3, progress=no_progress, checkpoint=folder)


def weights_of(problem: Problem) -> Any:
    return torch.cat([each.detach().flatten() for each in problem.module.parameters()])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step."""
    import sys

    monkeypatch.setattr(sys.modules["penstock.training.loop.fit"], "CHECKPOINT_EVERY_S", 0.0)


def killed_at(step: int, folder: Path) -> None:
    def die(asked: int) -> None:
        if asked == step:
            raise Killed

    with pytest.raises(Killed):
        run(made(die), folder=folder)


@pytest.mark.usefixtures("often")
def test_a_killed_training_ends_as_if_it_had_never_been_killed(tmp_path: Path) -> None:
    whole = made()
    told = run(whole)
    killed_at(20, tmp_path)
    resumed = made()
    after = run(resumed, folder=tmp_path)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    assert after.curves["loss"] == told.curves["loss"]
    assert after.notes == ("resumed at step 19 of 48",)
    again = run(made(), folder=tmp_path)  # killed while it was exported: nothing is learned twice
    assert again.curves["loss"] == told.curves["loss"]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("problem", "recipe", "changed"),
    [(made(identity="data 2"), RECIPE, "data"), (made(), replace(RECIPE, peak=0.01), "recipe")],
)
def test_a_resumed_training_of_other_data_or_recipe_is_refused(
    tmp_path: Path, problem: Problem, recipe: Recipe, changed: str
) -> None:
    killed_at(20, tmp_path)
    with pytest.raises(Conflict, match=f"its {changed} changed since"):
        run(problem, recipe, tmp_path)
    assert run(problem, recipe, tmp_path).steps == 48  # the next one starts anew


@pytest.mark.usefixtures("often")
def test_other_code_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_at(20, tmp_path)
    monkeypatch.setattr("penstock.training.loop.checkpoints.training_code", lambda: "another")
    with pytest.raises(Conflict, match="its code changed since"):
        run(made(), folder=tmp_path)


@pytest.mark.usefixtures("often")
def test_a_damaged_checkpoint_means_a_start_from_the_beginning(tmp_path: Path) -> None:
    killed_at(20, tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: len(content) // 2])
    whole, again = made(), made()
    run(whole)
    assert run(again, folder=tmp_path).notes == ("its checkpoint was damaged: it began anew",)
    assert (tmp_path / FILE).is_file()
    assert torch.equal(weights_of(whole), weights_of(again))


@pytest.mark.usefixtures("often")
def test_a_checkpoint_of_which_one_bit_is_wrong_is_damaged(tmp_path: Path) -> None:
    killed_at(20, tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[-1] ^= 1  # of a number: the format itself would not notice
    (tmp_path / FILE).write_bytes(content)
    assert run(made(), folder=tmp_path).notes == ("its checkpoint was damaged: it began anew",)


@pytest.mark.usefixtures("often")
def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    problem = made()
    good = problem.loss

    def bad(rows: Any) -> Any:
        return good(rows) * (float("nan") if (rows == 11).any() else 1.0)

    with pytest.raises(Broken, match=r"not finite at step \d+ of 48, in the batch of training rows") as found:
        run(replace(problem, loss=bad), folder=tmp_path)
    assert "12" in re.findall(r"\d+", found.value.message.split("rows")[1])  # row 11 counted from 1
    assert bool(torch.isfinite(weights_of(problem)).all())
    step = int(re.findall(r"state, of step (\d+)", found.value.message)[0])
    assert found.value.where == str(tmp_path / FILE) and (tmp_path / FILE).is_file()
    assert f"not finite at step {step + 1} of" in found.value.message
    assert [at for at, _ in curves_in(tmp_path)["loss"]] == list(range(step))


def test_a_bad_batch_names_its_rows_as_people_call_them_each_once() -> None:
    called = ["a.csv:9", "a.csv:7", "a.csv:7", *(f"b.csv:{line}" for line in range(5))]
    problem = replace(made(), rows=8, lengths=None, called=lambda row: called[row])
    never = replace(problem, loss=lambda rows: problem.loss(rows) * float("nan"))
    with pytest.raises(Broken, match=r"training rows a.csv:9, a.csv:7, b.csv:0, b.csv:1, b.csv:2, b.csv:3, b.csv:4\n"):
        run(never)


def test_too_little_memory_means_smaller_parts_and_a_word_of_it() -> None:
    problem = made()
    within = problem.loss

    def narrow(rows: Any) -> Any:
        if len(rows) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return within(rows)

    told = run(replace(problem, loss=narrow))
    assert told.steps == 48
    assert told.notes[-1] == "out of memory at step 1: from there each batch of 8 went through in 4 parts"


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    whole, parts = made(), made()
    calm = replace(RECIPE, epochs=1)
    for problem in (whole, parts):
        problem.module[1].p = 0.0
    run(whole, calm)
    run(parts, replace(calm, accumulate=4))
    assert torch.allclose(weights_of(whole), weights_of(parts), atol=1e-5)


def test_a_constant_rate_stops_when_held_out_rows_say_so() -> None:
    scores = iter([0.5, 0.6, 0.6, 0.59, 0.7, 0.8])
    best: list[Any] = []

    def held() -> float:
        score = next(scores)
        best.extend([weights_of(problem)] if score == 0.6 and not best else [])
        return score

    problem = made()
    told = run(replace(problem, held=held), replace(RECIPE, schedule="constant", patience=2))
    assert told.steps == 4 * 8
    assert [value for _, value in told.curves["held"]] == [0.5, 0.6, 0.6, 0.59]
    assert told.notes == ("the weights after step 16 of 32 stay: no later held-out score was better",)
    assert torch.equal(weights_of(problem), best[0])


def test_patience_asks_the_held_out_rows_at_the_very_end_too() -> None:
    """Half an epoch may be left when the steps are over; what it brought counts as well."""
    scores = iter([0.5, 0.4, 0.6])
    problem = made()
    told = run(
        replace(problem, held=lambda: next(scores)), replace(RECIPE, epochs=2.5, schedule="constant", patience=9)
    )
    assert [value for _, value in told.curves["held"]] == [0.5, 0.4, 0.6]
    assert told.notes == () and told.steps == 20


@pytest.mark.usefixtures("often")
def test_a_resumed_training_still_knows_its_best_weights(tmp_path: Path) -> None:
    recipe = replace(RECIPE, schedule="constant", patience=3)
    whole, again = made(), made()
    scores = [0.6, 0.5, 0.5, 0.5]
    told = run(replace(whole, held=iter(scores).__next__), recipe)

    def die(asked: int) -> None:
        if asked == 20:
            raise Killed

    killed = made(die)
    with pytest.raises(Killed):
        run(replace(killed, held=iter(scores).__next__), recipe, tmp_path)
    resumed = run(replace(again, held=iter(scores[2:]).__next__), recipe, tmp_path)
    assert resumed.notes[-1] == told.notes[-1]
    assert told.notes[-1] == "the weights after step 8 of 32 stay: no later held-out score was better"
    assert torch.equal(weights_of(whole), weights_of(again))


def test_the_rate_goes_up_and_comes_down_once() -> None:
    rates = [rate for _, rate in run(made(), replace(RECIPE, warm=0.25)).curves["rate"]]
    top = rates.index(max(rates))
    assert top == 12 and rates[top] == pytest.approx(0.05)  # a quarter of 48 steps
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == pytest.approx(0.005) and rates[-1] < 0.001


def test_rows_of_like_length_share_a_batch_and_all_have_their_turn() -> None:
    seen: list[Any] = []
    problem = made()

    def watched(rows: Any) -> Any:
        seen.append(rows.numpy())
        return problem.loss(rows)

    run(replace(problem, loss=watched), replace(RECIPE, epochs=1.0))
    assert problem.lengths is not None
    assert sorted(np.concatenate(seen).tolist()) == list(range(ROWS))
    filled = sum(problem.lengths[rows].max() * len(rows) for rows in seen)
    assert filled <= 1.3 * problem.lengths.sum(), "shuffled rows would be padded to about twice that"


@pytest.mark.parametrize(
    ("precision", "helps", "half"), [("auto", True, True), ("auto", False, False), ("float32", True, False)]
)
def test_half_precision_is_taken_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, precision: Any, helps: bool, half: bool
) -> None:
    import sys

    monkeypatch.setattr(sys.modules["penstock.training.loop.fit"], "half_precision_helps", lambda device: helps)
    kinds = []
    problem = made()

    def watched(rows: Any) -> Any:
        kinds.append(problem.module(torch.zeros(1, WIDTH)).dtype)
        return problem.loss(rows)

    run(replace(problem, loss=watched), replace(RECIPE, epochs=0.1, precision=precision))
    assert kinds[0] == (torch.bfloat16 if half else torch.float32)
    assert weights_of(problem).dtype == torch.float32


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patience": 2}, "one-cycle must run its whole course"),
        ({"peek": 0.1}, "unknown 'peek'"),
        ({"epochs": -1}, "epochs must be above 0"),
        ({"batch": "many"}, "'many' is not a number"),
        ({"batch": 2.5}, "2.5 is not a whole number"),
        ({"epochs": float("inf")}, "must be finite"),
        ({"precision": "half"}, "precision must be"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        RECIPE.changed(given, "full.v1")


def test_adversarial_steps_leave_the_embedding_where_the_optimiser_put_it() -> None:
    problem = made()
    embedding = problem.module[0].weight
    seen = []

    def watched(rows: Any) -> Any:
        seen.append(embedding.detach().clone())
        return problem.loss(rows)

    run(replace(problem, loss=watched, embedding=embedding), replace(RECIPE, epochs=0.1, adversarial=0.5))
    assert len(seen) == 2
    assert float((seen[1] - seen[0]).norm()) == pytest.approx(0.5, rel=1e-3)
    assert float((embedding.detach() - seen[0]).abs().max()) < 0.1  # the step against us was taken back


def test_adversarial_steps_in_parts_are_those_of_the_whole() -> None:
    whole, parts = made(), made()
    calm = replace(RECIPE, epochs=1, adversarial=0.0)
    for problem, recipe in ((whole, calm), (parts, replace(calm, accumulate=4))):
        problem.module[1].p = 0.0
        embedding = problem.module[0].weight
        run(replace(problem, embedding=embedding), replace(recipe, adversarial=1e-6))
    assert torch.allclose(weights_of(whole), weights_of(parts), atol=1e-5)


def test_an_adversarial_step_goes_against_the_rows_and_not_against_l1() -> None:
    """Its direction is that of the rows' loss alone, however much the weights themselves are to shrink."""
    first: list[Any] = []
    for l1 in (0.0, 1.0):
        problem = made()
        embedding, seen = problem.module[0].weight, []
        problem.module[1].p = 0.0

        def watched(rows: Any, seen: list[Any] = seen, embedding: Any = embedding, problem: Problem = problem) -> Any:
            seen.append(embedding.detach().clone())
            return problem.loss(rows)

        recipe = replace(RECIPE, epochs=0.1, adversarial=0.5, l1=l1)
        run(replace(problem, loss=watched, embedding=embedding), recipe)
        first.append(seen[1] - seen[0])
    assert torch.allclose(first[0], first[1], atol=1e-6)


@pytest.mark.usefixtures("often")
def test_a_gradient_that_is_not_finite_is_noticed_before_it_spoils_the_weights() -> None:
    problem = made()
    weight = problem.module[0].weight
    sharp = replace(problem, loss=lambda rows: problem.loss(rows) + torch.sqrt((weight * 0).sum()))
    with pytest.raises(Broken, match="not finite at step 1"):
        run(sharp)
    assert bool(torch.isfinite(weights_of(problem)).all())


def test_too_little_memory_for_a_single_row_says_so() -> None:
    def never(rows: Any) -> Any:
        raise MemoryError

    with pytest.raises(Unavailable, match="even with one row at a time"):
        run(replace(made(), loss=never))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (replace(RECIPE, adversarial=0.5), "needs an embedding that learns"),
        (replace(RECIPE, schedule="constant", patience=2), "needs held-out rows"),
    ],
)
def test_numbers_that_would_do_nothing_are_refused(recipe: Recipe, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run(made(), recipe)
