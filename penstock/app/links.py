"""Asks a running office for a sign-in link. It goes to whoever asks, over the connection: into no file and no log."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from penstock.core.errors import Unavailable
from penstock.runtime.house import House

TIMEOUT_S = 10.0


def fetch_link(house: House, address: str | None = None) -> str:
    """A link that signs a browser in once. address: the office's; default: the one of `penstock up`, else of [office].

    Raises Unavailable when no office of this workspace answers there.
    """
    place = (address or _office_address(house)).rstrip("/")
    token = house.secret("admin").decode()
    asked = urllib.request.Request(
        f"{place}/admin/v1/sign-in-links", data=b"", method="POST", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
            return str(json.loads(answer.read())["link"])
    except (OSError, ValueError, KeyError) as error:
        hint = "start it with `penstock up` or `penstock office`, or give --address"
        raise Unavailable(f"no office of this workspace answers: {error}", where=place, hint=hint) from None


def _office_address(house: House) -> str:
    running = house.workspace.state / "run.json"
    if running.exists():
        return str(json.loads(running.read_text())["office"])
    settings = house.workspace.office
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
