"""Runs command lines one after the other, each in a fork of this process: reads {"words", "out", "err"} as JSON lines,
writes the exit codes. What a command imports is imported once, so that a run takes a fraction of a second."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import traceback
from pathlib import Path

import penstock.cli
import penstock.pipeline
from penstock.cli.root import run

for package in (penstock.cli, penstock.pipeline):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def _forked(words: list[str], out: Path, err: Path) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        code = run(words)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - told as the child would have told it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


print("ready", flush=True)
for line in sys.stdin:
    told = json.loads(line)
    print(_forked(told["words"], Path(told["out"]), Path(told["err"])), flush=True)
