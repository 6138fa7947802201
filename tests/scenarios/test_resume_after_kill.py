"""kill -9 in the middle of a fine-tune, the same command again: it goes on at its checkpoint, and ends in the very
model that an undisturbed training makes. Four processes load torch, hence the seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from training.bert import write_bert

from penstock.registry import candidates
from penstock.runtime.house import open_house
from tests.scenarios.conftest import Penstock, edit

ROOT = Path(__file__).parents[2]
COMMAND = ["train", "router", "--rung", "full.v1", "--json"]


def begin(folder: Path, module: str = "penstock") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", module, "--workspace", str(folder), *COMMAND]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_a_fine_tune_killed_in_the_middle_ends_as_if_it_had_not_been(folder: Path, penstock: Penstock) -> None:
    write_bert(folder / "tiny-bert")
    edit(folder, "[products.router]", '[backbones.tiny]\nsource = "path:tiny-bert"\n\n[products.router]')
    edit(folder, 'ladder = ["ngram-linear.v1"]', 'backbone = "tiny"\nladder = ["full.v1"]')
    edit(folder, 'accuracy = ">= 0.60"', 'latency_p95_ms = "<= 100000"')
    edit(folder, "[products.router.price]", '[products.router.options]\nrobust_rows = 0\n\n'
         '[products.router.options.recipes."full.v1"]\nepochs = 60\n\n[products.router.price]')  # fmt: skip

    first = begin(folder, "tests.scenarios.hasty")
    deadline = time.monotonic() + 240
    while not list((folder / ".penstock" / "runs").rglob("checkpoint.safetensors")):
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    assert first.returncode == -signal.SIGKILL

    second = begin(folder)
    answer, said = second.communicate(timeout=240)
    assert second.returncode == 0, said
    assert "continuing job" in said and "cleaning" not in said
    assert "resumed at step" in answer
    assert not list((folder / ".penstock" / "runs").glob("*"))  # what it went on from is gone
    undisturbed = begin(folder)
    _, said = undisturbed.communicate(timeout=240)
    assert undisturbed.returncode == 0, said

    house = open_house(folder)
    with house.store.read() as tx:
        resumed, plain = candidates.list_candidates(tx, "router")
    house.close()
    assert resumed.artifact == plain.artifact
    run = penstock("runs", "show", "router/1", "--json")
    assert run.code == 0, run.err
