"""Starts `penstock up` as its own process for the demo, waits until it answers, and stops it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import Unavailable
from penstock.core.private import only_ours

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Running:
    """The addresses of a running house."""

    gateway: str
    office: str


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """`penstock up` on free ports of 127.0.0.1 while the block runs; it drains and stops at the end."""
    log = folder / ".penstock" / "up.log"
    addresses = folder / ".penstock" / "run.json"
    addresses.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "penstock",
        "--workspace",
        str(folder),
        "up",
        "--gateway-port",
        "0",
        "--office-port",
        "0",
    ]
    log.unlink(missing_ok=True)
    with only_ours(), log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        yield _wait(process, addresses, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen[bytes], addresses: Path, log: Path) -> Running:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if addresses.exists():
            return Running(**json.loads(addresses.read_text()))
        time.sleep(0.05)
    raise Unavailable("penstock up did not start", where=str(log), hint=log.read_text()[-2000:] or "its log is empty")
