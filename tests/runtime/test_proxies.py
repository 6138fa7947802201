"""A proxy that was named is believed on whatever socket it comes to."""

from __future__ import annotations

import pytest
from uvicorn.middleware.proxy_headers import _TrustedHosts

from penstock.runtime.proxies import believed


@pytest.mark.parametrize(
    ("client", "trusted"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),  # as a socket on :: writes it
        ("::ffff:127.0.0.2", False),
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("::1", False),
    ],
)
def test_the_named_proxies_and_nobody_else(client: str, trusted: bool) -> None:
    assert (client in _TrustedHosts(believed(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]))) is trusted
