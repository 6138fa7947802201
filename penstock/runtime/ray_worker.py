"""One worker on Ray: finds the others in torch.distributed, runs the job, and says how far it is.

It runs in a process that Ray started, maybe on another machine; its answers travel as JSON.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from datetime import timedelta
from importlib import import_module
from pathlib import Path

from penstock.core.errors import NotFound, Unavailable
from penstock.runtime import wire
from penstock.runtime.child import MEMORY_HINT, die_with
from penstock.runtime.wire import JsonObject

WAIT_S = 1800.0  # for the slowest worker at one step: more than any step takes, less than a night
LISTEN_S = 0.5  # that `told` waits for news


class Worker:
    """What Ray calls an actor; a class, since it must be asked how far it is while it works."""

    def __init__(self) -> None:
        die_with(os.getppid())  # Ray's own daemon; else a worker outlives it by seconds
        # Ray adds the driver's script folder, this one, where modules have names like "progress"
        sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).parent)]
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._door: socket.socket | None = None

    def open_door(self, host: str) -> tuple[str, int]:
        """Rank 0 listens where the others will find it: on this address only, where torch would listen on all."""
        self._door = socket.create_server((host, 0))
        return host, self._door.getsockname()[1]

    def host(self) -> str:
        """This node's address, as Ray knows it."""
        return str(import_module("ray").util.get_node_ip_address())

    def run(self, asked: str, meeting: tuple[str, int], rank: int, size: int) -> str:
        """The job's answer, {"result"}, {"error"} or, where another worker went away, {"lost"}."""
        try:
            return wire.dumps({"result": self._run(wire.loads(asked), meeting, rank, size)})
        except MemoryError:
            failed = Unavailable(f"worker {rank} ran out of memory", hint=MEMORY_HINT)
            return wire.dumps({"error": wire.error_to_json(failed)})
        except Exception as error:  # noqa: BLE001 - the border of the process: every error is carried across
            import traceback

            traceback.print_exception(error, file=sys.stderr)
            if _went_away(error):
                return wire.dumps({"lost": f"worker {rank} lost another: {error}"})
            return wire.dumps({"error": wire.error_to_json(error)})

    def told(self) -> list[str]:
        """What was told since the last call, a JSON line each; waits a moment for the first."""
        with self._news:
            self._news.wait_for(lambda: self._lines, timeout=LISTEN_S)
            lines, self._lines = self._lines, []
        return lines

    def _run(self, asked: JsonObject, meeting: tuple[str, int], rank: int, size: int) -> JsonObject:
        jobs = getattr(import_module(asked["module"]), "JOBS", {})
        if asked["job"] not in jobs:
            raise NotFound(f"no job {asked['job']!r} for workers in {asked['module']}")
        if size > 1:
            self._meet(meeting, rank, size)
        arguments = {**asked["arguments"], "world": [rank, size]}
        answer: JsonObject = jobs[asked["job"]](arguments, self._tell if rank == 0 else _say_nothing)
        return answer

    def _meet(self, meeting: tuple[str, int], rank: int, size: int) -> None:
        torch, together = import_module("torch"), import_module("torch.distributed")
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _interface(self.host()))
        host, port = meeting
        listening = {} if self._door is None else {"master_listen_fd": self._door.detach()}
        store = together.TCPStore(host, port, size, rank == 0, timedelta(seconds=WAIT_S), **listening)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        together.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timedelta(seconds=WAIT_S))

    def _tell(self, stage: str, done: float, total: float, note: str = "") -> None:
        with self._news:
            self._lines.append(wire.dumps([stage, done, total, note]))
            self._news.notify()


def _say_nothing(stage: str, done: float, total: float, note: str = "") -> None:
    """All but rank 0 say nothing."""


def _interface(host: str) -> str:
    """The network interface with this address, which gloo wants by name; it would guess by the host's name."""
    import psutil

    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address == host for each in addresses):
            return str(name)
    raise Unavailable(f"no network interface has the address {host}", where="ray")


def _went_away(error: BaseException) -> bool:
    """Whether it is a broken connection between workers: gloo and NCCL raise plain RuntimeErrors that name them."""
    together = import_module("torch.distributed")
    text = str(error)
    return isinstance(error, together.DistError) or (
        isinstance(error, RuntimeError) and any(name in text for name in ("gloo", "Gloo", "NCCL", "TCPStore"))
    )
