"""Locks name who holds them; progress is sparse off a terminal; errors survive a journey through JSON."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.core.errors import BadInput, Broken, Conflict, CreditExhausted
from penstock.runtime import wire
from penstock.runtime.locks import exclusive
from penstock.runtime.progress import Lines, console_progress


def test_a_second_holder_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "train.lock"
    code = (
        "import sys, pathlib; from penstock.runtime.locks import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1]), 'training helpdesk'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with (
        pytest.raises(Conflict, match=rf"process {other.pid} \(training helpdesk\) is at work"),
        exclusive(path, "training mood"),
    ):
        pass
    other.kill()
    other.communicate()
    with exclusive(path, "training mood"), pytest.raises(Conflict, match="training mood"), exclusive(path, "more"):
        pass


def test_progress_off_a_terminal_is_a_line_at_beginning_and_end_and_now_and_then() -> None:
    out, now = io.StringIO(), [0.0]
    show = Lines(lambda line: print(line, file=out), lambda: now[0]).tell
    for done in range(101):
        now[0] = done * 0.15
        show("embedding", done, 100, f"{done} rows")
    show("fitting", 0, 0)
    assert out.getvalue().splitlines() == [
        "embedding   0%  0 rows",
        "embedding  67%  67 rows · about 5 s left",
        "embedding 100%  100 rows",
        "fitting",
    ]


def test_a_stage_that_stands_still_off_a_terminal_is_shown_again_every_ten_seconds() -> None:
    """A fit of 5,000 classes stood at "33% fitting" without end."""
    out, now = io.StringIO(), [0.0]
    lines = Lines(lambda line: print(line, file=out), lambda: now[0])
    lines.tell("fitting", 0, 100, "C = 1")
    for second in range(1, 31):
        now[0] = float(second)
        if second == 15:
            lines.tell("fitting", 20, 100, "C = 3")
        lines.repeat()
    lines.tell("fitting", 100, 100, "done")
    now[0] = 60.0
    lines.repeat()
    assert out.getvalue().splitlines() == [
        "fitting   0%  C = 1",
        "fitting   0%  C = 1 · 10 s so far",
        "fitting  20%  C = 3 · about 80 s left",
        "fitting  20%  C = 3 · about 2 min left",
        "fitting 100%  done",
    ]


def test_progress_on_a_terminal_is_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with console_progress(out) as show:
        show("embedding", 50, 100, "half")
        show("fitting", 1, 0)
    assert "embedding" in out.getvalue() and "50/100" in out.getvalue()


def test_an_error_keeps_class_place_hint_and_fields() -> None:
    error = CreditExhausted("no credit", where="customer Blue", hint="add some", retry_after_s=None)
    again = wire.loads(wire.dumps(error))
    assert type(again) is CreditExhausted and vars(again) == vars(error) and str(again) == str(error)
    assert isinstance(wire.loads(wire.dumps(ZeroDivisionError("1/0"))), Broken)
    unknown = wire.error_to_json(BadInput("odd")) | {"kind": "FromAnotherVersion"}
    assert isinstance(wire.error_from_json(unknown), Broken)


@pytest.mark.parametrize("value", [{1: "a"}, float("nan"), object(), {"a": [{2: 3}]}, b"bytes"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        wire.dumps(value)


class Parcel(wire.Record, frozen=True, kw_only=True):
    """What a test sends."""

    name: str
    weight_kg: float
    stamps: tuple[str, ...] = ()


def test_a_record_comes_back_and_what_is_missing_or_wrong_is_named() -> None:
    sent = Parcel(name="lamp", weight_kg=1.5)
    told = wire.loads(wire.dumps({"parcels": [sent]}))
    assert told == {"parcels": [{"name": "lamp", "weight_kg": 1.5}]}  # what is as usual is left out
    assert wire.read(Parcel, {**told["parcels"][0], "of": "a later version"}) == sent
    for wrong, said in (
        ({"name": "lamp"}, "missing required field `weight_kg`"),
        ({"name": "lamp", "weight_kg": "1"}, "Expected `float`, got `str` - at `$.weight_kg`"),
        ({"name": "lamp", "weight_kg": 1, "stamps": [3]}, "got `int` - at `$.stamps[0]`"),
    ):
        with pytest.raises(Broken, match=re.escape(said)) as refused:
            wire.read(Parcel, wrong)
        assert refused.value.where == "Parcel"
    with pytest.raises(TypeError, match="not JSON serializable"):
        wire.dumps({"parcels": [Parcel]})
