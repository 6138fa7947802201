"""Whose word about a client's address is taken: the proxies that the operator named, as a socket reports them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

_MAPPED = int(IPv6Address("::ffff:0:0"))


def believed(networks: Iterable[str]) -> list[str]:
    """The networks, and those of IPv4 also as a socket for both families (`::`) writes them: ::ffff:127.0.0.1."""
    found = [ip_network(one, strict=False) for one in networks]
    mapped = [
        IPv6Network((_MAPPED + int(one.network_address), 96 + one.prefixlen))
        for one in found
        if isinstance(one, IPv4Network)
    ]
    return [str(one) for one in (*found, *mapped)]
