"""`penstock up`: the gateway and the office as two processes, started together, stopped together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from pathlib import Path

from penstock.app.links import fetch_link
from penstock.core.errors import PenstockError
from penstock.runtime.house import open_house
from penstock.runtime.locks import exclusive
from penstock.runtime.tls import PARTS, server_context
from penstock.storage.sealed import check_keys

STOP_TIMEOUT_S = 25.0
POLL_S = 0.1
SAY_EVERY_S = 5.0  # while it starts: silence looks like a fault


def run_up(
    folder: Path, *, gateway_port: int | None = None, office_port: int | None = None, browse: bool = False
) -> int:
    """Run until SIGTERM or Ctrl-C, or until one of the two ends: then the other is stopped too.

    Each says its address on stdout as soon as it answers. browse: open the console in a browser, by the link that
    signs in once.
    `.penstock/run.json` holds both addresses while they run. Raises Conflict when the workspace is up already.
    """
    house = open_house(folder)  # says what is wrong with the workspace once, before two processes do
    check_keys(house.store)
    state = house.workspace.state
    for part in PARTS:
        server_context(house.workspace, part)
    house.close()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with exclusive(state / "up.lock", "running this workspace"), tempfile.TemporaryDirectory(dir=state) as rendezvous:
        parts = {
            "gateway": _start(folder, "serve", gateway_port, Path(rendezvous) / "gateway.json"),
            "office": _start(folder, "office", office_port, Path(rendezvous) / "office.json"),
        }
        addresses = state / "run.json"
        try:
            return _watch(folder, parts, Path(rendezvous), addresses, stop, browse=browse)
        finally:
            addresses.unlink(missing_ok=True)
            _stop(parts)


def _start(folder: Path, command: str, port: int | None, announce: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "penstock", "--workspace", str(folder), command, "--announce", str(announce)]
    words += ["--parent", str(os.getpid())]  # killed, this process can stop nobody any more
    if port is not None:
        words += ["--port", str(port)]
    return subprocess.Popen(words, process_group=0)  # Ctrl-C reaches us only: we stop them in order


def _watch(
    folder: Path,
    parts: dict[str, subprocess.Popen[bytes]],
    rendezvous: Path,
    addresses: Path,
    stop: threading.Event,
    *,
    browse: bool,
) -> int:
    announced, opened, began, told = False, not browse, time.monotonic(), 0.0
    while not stop.wait(POLL_S):
        for name, process in parts.items():
            if process.poll() is not None:
                sys.stderr.write(f"penstock: the {name} ended with code {process.returncode}; stopping the rest\n")
                return process.returncode or 1
        if not opened and (rendezvous / "office.json").exists():
            opened = _open_console(folder, rendezvous)
        if not announced and time.monotonic() - began > told + SAY_EVERY_S:
            told = time.monotonic() - began
            missing = [name for name in parts if not (rendezvous / f"{name}.json").exists()]
            if missing:  # both may have become ready since the last look
                sys.stderr.write(f"still starting: {' and '.join(missing)} ({told:.0f} s)\n")
        if not announced and all((rendezvous / f"{name}.json").exists() for name in parts):
            announced = _announce(rendezvous, addresses)
    return 0


def _announce(rendezvous: Path, addresses: Path) -> bool:
    found = {part: json.loads((rendezvous / f"{part}.json").read_text())["address"] for part in ("gateway", "office")}
    draft = addresses.with_suffix(".part")
    draft.write_text(json.dumps(found))
    draft.replace(addresses)
    return True


def _open_console(folder: Path, rendezvous: Path) -> bool:
    """Once, as soon as the office answers. A machine without a browser has the link on its terminal."""
    house = open_house(folder)
    try:
        webbrowser.open(fetch_link(house, json.loads((rendezvous / "office.json").read_text())["address"]))
    except PenstockError as error:  # it runs all the same
        sys.stderr.write(f"penstock: {error}\n")
    finally:
        house.close()
    return True


def _stop(parts: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in parts.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for process in parts.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
