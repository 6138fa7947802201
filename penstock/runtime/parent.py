"""A process that does not outlive the one that started it, and one that does end when it was told to."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

POLL_S = 0.5
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


def end_with(parent: int) -> None:
    """From now on this process gets SIGTERM when its parent ends, however that ends. parent: the id it was started by.

    Linux tells it at once; a thread looks too, for other systems and for a parent that ended before this was called.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    _log.warning("process %d, which started this one, has ended: stopping", parent)
    os.kill(os.getpid(), signal.SIGTERM)


def last_call(seconds: float, end: Callable[[int], object] = os._exit) -> threading.Timer:
    """End the process in so many seconds at the latest, whatever still waits: a hung database must not keep it. Cancel
    what is returned once all has ended.

    What was acknowledged is committed, so nothing is lost by it.
    """

    def over() -> None:
        _log.error("not done %.0f s after it was told to stop: something does not answer; ending at once", seconds)
        end(1)

    timer = threading.Timer(seconds, over)
    timer.daemon = True
    timer.start()
    return timer
