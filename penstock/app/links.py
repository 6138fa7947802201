"""Asks a running office for a sign-in link. It goes to whoever asks, over the connection: into no file and no log."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from penstock.core.errors import Unavailable
from penstock.runtime.house import House
from penstock.runtime.tls import address_of, own_context

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
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S, context=_trusted(house, place)) as answer:
            return str(json.loads(answer.read())["link"])
    except (OSError, ValueError, KeyError) as error:
        hint = "start it with `penstock up` or `penstock office`, or give --address"
        raise Unavailable(f"no office of this workspace answers: {error}", where=place, hint=hint) from None


def _office_address(house: House) -> str:
    running = house.workspace.state / "run.json"
    if running.exists():
        return str(json.loads(running.read_text())["office"])
    return address_of(house.workspace, "office")


def _trusted(house: House, place: str) -> ssl.SSLContext | None:
    """At the office's own address its certificate alone is trusted, which is seldom made out to 127.0.0.1; elsewhere (a
    proxy, say) whatever this machine trusts."""
    own = {"127.0.0.1", "::1", "localhost", house.workspace.office.host}
    return own_context(house.workspace, "office") if urlsplit(place).hostname in own else None
