"""Notices when a process may open no more files: connections are then dropped before anything of ours sees them."""

from __future__ import annotations

import errno
import logging
import os
import resource
import time

TELL_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Descriptors:
    """`look` now and then."""

    def __init__(self) -> None:
        self._told_at = float("-inf")

    def look(self) -> bool:
        """Whether a file can be opened; if none can, the log says so, at most every 10 s."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                return True
            if time.monotonic() - self._told_at > TELL_EVERY_S:
                self._told_at = time.monotonic()
                limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
                _log.error("no file can be opened (limit %d): new connections are being dropped", limit)
            return False
        return True
