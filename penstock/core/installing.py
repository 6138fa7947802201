"""How to install what is missing, in words that work for how this Penstock was installed. Knows no network."""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shlex import quote
from urllib.parse import unquote, urlsplit

NAME = "penstock"


def install_hint(*extras: str) -> str:
    """The command that adds extras: from the checkout where this is one, from the wheel's file, else by name."""
    python = quote(sys.executable)
    asked = f"[{','.join(extras)}]" if extras else ""
    folder, editable = _origin()
    if folder is None:
        return f"{python} -m pip install {quote(NAME + asked)}"
    pins = folder / "constraints.txt"
    pinned = f" -c {quote(str(pins))}" if pins.is_file() else ""
    return f"{python} -m pip install{pinned} {'-e ' if editable else ''}{quote(f'{folder}{asked}')}"


def package_hint(package: str) -> str:
    """The command that installs a package beside Penstock."""
    return f"{quote(sys.executable)} -m pip install {quote(package)}"


@cache
def _origin() -> tuple[Path | None, bool]:
    """(the folder or file that this was installed from, None for a package index; whether it is a checkout)."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():  # run from its own checkout, installed from there or not
        return checkout, True
    try:
        told = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None, False
    url = urlsplit(told.get("url", ""))
    if url.scheme != "file":
        return None, False
    return Path(unquote(url.path)), bool(told.get("dir_info", {}).get("editable"))
