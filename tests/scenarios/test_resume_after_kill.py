"""kill -9 in the middle of a fine-tune, the same command again: it goes on at its checkpoint, and ends in the very
model that an undisturbed training makes; also where only the child that trains was killed. Each of seven processes
loads torch, hence the seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from training.bert import write_bert

from penstock.registry import candidates
from penstock.runtime.house import open_house
from tests.scenarios.conftest import Penstock, edit

ROOT = Path(__file__).parents[2]
COMMAND = ["train", "router", "--rung", "full.v1", "--json"]

REFUSED = 3  # by the gate: so small a model is no better than the commonest label; what counts is that it was trained


def begin(folder: Path, module: str = "penstock") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", module, "--workspace", str(folder), *COMMAND]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def tune_slowly(folder: Path) -> None:
    """A product whose only rung is a fine-tune of a tiny encoder."""
    write_bert(folder / "tiny-bert")
    edit(folder, "[products.router]", '[backbones.tiny]\nsource = "path:tiny-bert"\n\n[products.router]')
    edit(folder, 'ladder = ["ngram-linear.v1"]', 'backbone = "tiny"\nladder = ["full.v1"]')
    edit(folder, 'accuracy = ">= 0.60"', 'latency_p95_ms = "<= 100000"')
    edit(folder, "[products.router.price]", '[products.router.options]\nrobust_rows = 0\n\n'
         '[products.router.options.recipes."full.v1"]\nepochs = 60\n\n[products.router.price]')  # fmt: skip


def begun_and_half_way(folder: Path) -> subprocess.Popen[str]:
    """The command, once its training has left a checkpoint."""
    first = begin(folder, "tests.scenarios.hasty")
    deadline = time.monotonic() + 240
    while not list((folder / ".penstock" / "runs").rglob("checkpoint.safetensors")):
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()
        time.sleep(0.02)
    return first


def test_a_fine_tune_killed_in_the_middle_ends_as_if_it_had_not_been(folder: Path, penstock: Penstock) -> None:
    tune_slowly(folder)
    first = begun_and_half_way(folder)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    assert first.returncode == -signal.SIGKILL

    second = begin(folder)
    answer, said = second.communicate(timeout=240)
    assert second.returncode == REFUSED, said
    assert "continuing job" in said and "cleaning" not in said
    assert "resumed at step" in answer
    assert not list((folder / ".penstock" / "runs").glob("*"))  # what it went on from is gone
    undisturbed = begin(folder)
    _, said = undisturbed.communicate(timeout=240)
    assert undisturbed.returncode == REFUSED, said

    house = open_house(folder)
    with house.store.read() as tx:
        resumed, plain = candidates.list_candidates(tx, "router")
    house.close()
    assert resumed.artifact == plain.artifact
    run = penstock("runs", "show", "router/1", "--json")
    assert run.code == 0, run.err


def test_when_only_the_child_is_killed_the_same_command_goes_on_too(folder: Path) -> None:
    tune_slowly(folder)
    first = begun_and_half_way(folder)
    (child,) = psutil.Process(first.pid).children()
    child.kill()  # as the kernel does when memory runs out
    _, said = first.communicate(timeout=60)
    assert first.returncode != 0 and "was ended by SIGKILL" in said

    second = begin(folder)  # another run of the workflow: the first one ended
    answer, said = second.communicate(timeout=240)
    assert second.returncode == REFUSED, said
    assert "continuing job" not in said and "resumed at step" in answer
    assert not list((folder / ".penstock" / "runs").glob("*"))
