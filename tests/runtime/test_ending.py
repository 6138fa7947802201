"""Processes end with their parent and in time; a port in use names its holder; a process out of descriptors lives."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.core.errors import BadInput
from penstock.runtime.descriptors import Descriptors
from penstock.runtime.listeners import listener
from penstock.runtime.parent import last_call
from penstock.serving.server import listen

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(__import__("os").getpid())], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), flush=True)
time.sleep(60)
"""
CHILD = """
import os, signal, sys, time
from penstock.runtime import parent
parent.POLL_S = 0.05
if {portable}:
    sys.platform = "another"
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
parent.end_with(int(sys.argv[1]))
print(os.getpid(), flush=True)
while not ended:
    time.sleep(0.02)
open({mark!r}, "w").write("drained")
"""


@pytest.mark.parametrize("portable", [False, True])
def test_a_child_is_told_to_stop_when_its_parent_is_killed(tmp_path: Path, portable: bool) -> None:
    mark = tmp_path / "mark"
    child_code = CHILD.format(portable=portable, mark=str(mark))
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child_code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not mark.exists():
        os.kill(child, signal.SIGKILL)
    assert mark.read_text() == "drained"


def test_the_last_call_ends_a_process_that_waits_for_ever() -> None:
    code = "import time\nfrom penstock.runtime.parent import last_call\nlast_call(0.1)\ntime.sleep(60)"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and time.monotonic() - began < 20
    assert "does not answer" in done.stderr
    ended: list[int] = []
    last_call(0.0, ended.append)
    while not ended:
        time.sleep(0.01)
    assert ended == [1]
    last_call(0.05, ended.append).cancel()
    time.sleep(0.1)
    assert ended == [1]


def test_a_port_in_use_names_the_process_that_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = listener(port)
        with pytest.raises(BadInput) as refused:
            listen("127.0.0.1", port)
    assert told is not None and told.startswith(f"process {os.getpid()} (")
    assert f"in use by process {os.getpid()}" in refused.value.message
    assert listener(port) is None


def test_it_is_told_once_when_no_file_can_be_opened(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    descriptors, real = Descriptors(), os.open
    assert descriptors.look()

    def none_left(*asked: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", none_left)
    with caplog.at_level(logging.ERROR):
        assert not descriptors.look() and not descriptors.look()
    monkeypatch.setattr(os, "open", real)
    assert len(caplog.records) == 1 and "being dropped" in caplog.text
    assert descriptors.look()


def test_a_server_out_of_descriptors_serves_again_as_soon_as_there_are_some(tmp_path: Path) -> None:
    code = """
import os, resource, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
sys.path.insert(0, sys.argv[1])
from contextlib import suppress
from runtime.test_connections import GET, alive, connect, serving
with serving() as port:
    assert alive(port)
    taken = []
    with suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    os.close(taken.pop())
    with suppress(OSError), connect(port) as client:
        client.sendall(GET)
        client.recv(100)
    for one in taken:
        os.close(one)
    for _ in range(50):  # a connection that came while there was none is reset first
        with suppress(OSError):
            if alive(port):
                print("alive")
                break
        time.sleep(0.05)
"""
    tests = str(Path(__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", code, tests], check=False, capture_output=True, text=True, timeout=60)
    assert "alive" in done.stdout, done.stderr
