"""One customer's work does not decide how long another's waits: turns by the time had, pieces, queues of one's own."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from serving.support import wait_for

from penstock.core.errors import Unavailable
from penstock.serving.engine import LONG_S, Engine
from penstock.serving.pieces import PIECE_S, Costs
from penstock.serving.problems import Overloaded, QueueFull
from penstock.serving.turns import Turns, Workers


class Gated:
    """A model that answers one input for each `go`, and remembers in which order."""

    labels = ("a",)
    kind = "gated.v1"

    def __init__(self) -> None:
        self.order: list[str] = []
        self.gate = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def predict(self, inputs: Sequence[Any]) -> Any:
        for each in inputs:
            self.order.append(each)
            self.begun.release()
            self.gate.acquire(timeout=10)
        return np.ones((len(inputs), 1), dtype=np.float32)

    def go(self, times: int = 1) -> None:
        self.gate.release(times)


@contextmanager
def engine_of(threads: int, queue_inputs: int = 1_000) -> Iterator[Engine]:
    engine = Engine(queue_inputs, threads)
    engine.start()
    try:
        yield engine
    finally:
        engine.close()


def plain(model: Any, text: str, scores: Any) -> str:
    return text


def ask(engine: Engine, model: Any, inputs: list[str], owner: str, **how: Any) -> Future[Any]:
    return engine.submit(model, how.pop("render", plain), inputs, time.monotonic() + 10, owner=owner, **how)


class TestTurns:
    def test_whoever_had_least_time_is_next_and_saves_none_up(self) -> None:
        turns: Turns[str] = Turns()
        had = Counter[str]()
        for owner, cost in (("long", 10.0), ("short", 1.0)):
            for _ in range(40):
                turns.put(owner, str(cost))
        for _ in range(44):
            owner, cost_text = turns.take() or ("", "")
            turns.charge(owner, float(cost_text))
            had[owner] += int(float(cost_text))
        assert had == {"long": 40, "short": 40}  # four of the one, forty of the other
        turns.put("new", "1")
        assert (turns.take() or ("", ""))[0] == "new"

    def test_who_returns_takes_its_place_beside_the_others_not_before_all_of_them(self) -> None:
        turns: Turns[int] = Turns()
        for owner in ("a", "b"):
            turns.put(owner, 0)
        for _ in range(100):
            owner, _ = turns.take() or ("", 0)
            turns.put(owner, 0)
            turns.charge(owner, 1.0)
            turns.end(owner)
        turns.put("late", 0)
        turns.put("late", 0)
        order = []
        for _ in range(4):
            owner, _ = turns.take() or ("", 0)
            turns.charge(owner, 1.0)
            order.append(owner)
        assert order.count("late") == 2 and set(order) == {"a", "b", "late"}

    def test_the_first_of_an_owner_that_may_not_go_lets_the_next_owner_go(self) -> None:
        turns: Turns[str] = Turns()
        turns.put("a", "long")
        turns.put("b", "short")
        assert turns.take(lambda owner, item: item != "long") == ("b", "short")
        assert turns.take(lambda owner, item: item != "long") is None and turns.shared()


class TestEngine:
    def test_a_short_request_goes_between_the_pieces_of_a_long_one(self) -> None:
        model = Gated()
        with engine_of(threads=1) as engine:
            long = ask(engine, model, ["long"] * 40, "hostile")
            assert model.begun.acquire(timeout=10)
            short = ask(engine, model, ["short"], "neighbour")
            model.go(200)
            assert short.result(10) == ["short"] and len(long.result(10)) == 40
        assert model.order.index("short") <= 4  # the first piece, as big as the first guess lets it be

    def test_an_explained_answer_is_made_in_steps_and_others_go_between(self) -> None:
        model, order = Gated(), []
        first = threading.Event()

        def stepwise(model: Any, text: str, scores: Any) -> Iterator[None]:
            for step in range(3):
                order.append(f"{text} {step}")
                first.set()
                model.gate.acquire(timeout=10)
                yield
            return f"{text} explained"  # type: ignore[return-value]

        with engine_of(threads=1) as engine:
            model.go()
            long = ask(engine, model, ["x"], "hostile", render=stepwise, cost=25)
            assert first.wait(10)
            short = ask(engine, model, ["short"], "neighbour", finish=lambda outputs: order.append("short"))
            model.go(10)
            short.result(10)
            assert long.result(10) == ["x explained"]
            assert engine.queued == 0
        assert order[0] == "x 0" and order.index("short") < order.index("x 2")

    def test_long_pieces_leave_a_thread_to_others_while_there_are_others(self) -> None:
        slow, quick = Gated(), Gated()
        with engine_of(threads=2) as engine:
            engine._costs.observe("slow", ["x"], 4 * LONG_S)
            ask(engine, quick, ["hello"], "neighbour", kind="quick")
            quick.go(10)
            long = ask(engine, slow, ["x"] * 4, "hostile", kind="slow")
            assert slow.begun.acquire(timeout=10)
            for _ in range(3):
                ask(engine, quick, ["hello"], "neighbour", kind="quick").result(10)
            assert len(slow.order) == 1
            slow.go(4)
            long.result(10)

    def test_alone_a_customer_has_every_thread(self) -> None:
        model = Gated()
        with engine_of(threads=2) as engine:
            engine._costs.observe("slow", ["x"], 4 * LONG_S)
            long = ask(engine, model, ["x"] * 4, "only", kind="slow")
            wait_for(lambda: len(model.order) == 2)
            model.go(4)
            long.result(10)

    def test_a_customer_that_fills_its_queue_is_refused_and_others_are_not(self) -> None:
        model = Gated()
        with engine_of(threads=1, queue_inputs=20) as engine:
            first = ask(engine, model, ["a"] * 8, "hostile")
            with pytest.raises(QueueFull, match="8 of your inputs are waiting") as refused:
                ask(engine, model, ["a"] * 3, "hostile")
            assert refused.value.retry_after_s and "nothing was billed" in str(refused.value.hint)
            second = ask(engine, model, ["b"] * 12, "neighbour")
            with pytest.raises(Overloaded):
                ask(engine, model, ["c"], "third")
            model.go(40)
            assert len(first.result(10)) == 8 and len(second.result(10)) == 12

    def test_what_cannot_be_answered_in_time_is_not_queued(self) -> None:
        model = Gated()
        with engine_of(threads=1) as engine:
            engine._costs.observe("slow", ["x"], 6.0)
            first = ask(engine, model, ["x"] * 3, "hostile", kind="slow")
            with pytest.raises(QueueFull) as refused:
                ask(engine, model, ["x"], "hostile", kind="slow")
            assert refused.value.retry_after_s == pytest.approx(18.0)
            model.go(3)
            first.result(10)

    def test_a_failed_request_gives_its_places_back(self) -> None:
        def failing(model: Any, text: str, scores: Any) -> str:
            raise ValueError(text)

        model = Gated()
        with engine_of(threads=2) as engine:
            model.go(100)
            failed = ask(engine, model, ["x"] * 50, "hostile", render=failing)
            with pytest.raises(ValueError, match="x"):
                failed.result(10)
            wait_for(lambda: engine.queued == 0)
            assert ask(engine, model, ["y"], "hostile").result(10) == ["y"]


class TestCosts:
    def test_a_piece_is_as_much_as_fits_its_time_and_never_nothing(self) -> None:
        costs = Costs()
        texts = ["x" * 20_000] * 30
        costs.observe("m", ["x" * 20_000], PIECE_S * 3)
        assert costs.piece("m", texts, 4) == 5
        for _ in range(60):
            costs.observe("m", texts[:4], PIECE_S)
        assert costs.piece("m", texts, 4) in (7, 8)
        costs.observe("m", ["short"], 1e-4)
        assert costs.piece("m", ["short"] * 30, 0) == 16


class TestWorkers:
    def test_no_owner_has_all_threads_while_others_are_here(self) -> None:
        workers, gate, begun = Workers("reader", 2, most_waiting=10), threading.Semaphore(0), threading.Semaphore(0)
        workers.start()

        def slow() -> str:
            begun.release()
            gate.acquire(timeout=10)
            return "slow"

        try:
            workers.submit("neighbour", lambda: "hello").result(10)
            long = [workers.submit("hostile", slow) for _ in range(4)]
            assert begun.acquire(timeout=10)
            assert workers.submit("neighbour", lambda: "hello").result(10) == "hello"
            gate.release(4)
            assert [each.result(10) for each in long] == ["slow"] * 4
        finally:
            workers.close()

    def test_half_of_the_places_are_one_owners_and_late_work_is_dropped(self) -> None:
        workers = Workers("reader", 1, most_waiting=4)
        late = workers.submit("hostile", lambda: None, time.monotonic() - 1)
        workers.submit("hostile", lambda: None)
        with pytest.raises(QueueFull, match="2 of your requests"):
            workers.submit("hostile", lambda: None)
        workers.submit("a", lambda: None)
        workers.submit("b", lambda: None)
        with pytest.raises(Overloaded):
            workers.submit("c", lambda: None)
        workers.start()
        with pytest.raises(Unavailable, match="too long"):
            late.result(10)
        workers.close()
