"""Who acts at the command line, for the audit log: the operating system's user, on this machine, by a command."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any

from penstock.core.acts import Act


def act_of(command: Any, words: Sequence[str]) -> Act:
    """The act of a command line. command: the command tree. Of the words only those that name the command are kept:
    the others may hold keys."""
    return Act(_user(), "owner", f"command line on {socket.gethostname()}", _name(command, words))


def _name(command: Any, words: Sequence[str]) -> str:
    names = []
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        names.append(word)
    return " ".join(names)


def _user() -> str:
    """The user that the system knows. Its name in the environment is not asked for: anyone may set that."""
    try:
        import pwd
    except ImportError:  # Windows, where only the environment tells
        return os.environ.get("USERNAME") or "unknown"
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user may have no name
        return f"user {number}"
