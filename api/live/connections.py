"""How many watchers there are, of each user and from each address."""

from __future__ import annotations

import ipaddress
from collections import Counter

from pilot.errors import PilotError

IPV6_PREFIX = 64
"""A subscriber of IPv6 has a whole network of this size."""


class TooManyConnectionsError(PilotError):
    code = "too_many_connections"


class Place:
    """Entered, one connection is counted under `key`; raises `TooManyConnectionsError` where
    there are `limit` already."""

    __slots__ = ("_counter", "_key", "_limit", "_whose")

    def __init__(self, counter: Counter[str], key: str, limit: int, whose: str) -> None:
        self._counter = counter
        self._key = key
        self._limit = limit
        self._whose = whose

    def __enter__(self) -> None:
        if self._counter[self._key] >= self._limit:
            raise TooManyConnectionsError(f"too many connections {self._whose} are open")
        self._counter[self._key] += 1

    def __exit__(self, *_: object) -> None:
        self._counter[self._key] -= 1
        if not self._counter[self._key]:
            del self._counter[self._key]


class Connections:
    """Counts open WebSockets and event streams, and refuses those over the limits."""

    def __init__(self, per_user: int, per_address: int) -> None:
        self.per_user = per_user
        self.per_address = per_address
        self.users: Counter[str] = Counter()
        self.addresses: Counter[str] = Counter()

    def from_address(self, address: str | None) -> Place:
        return Place(self.addresses, network_of(address), self.per_address, "from your address")

    def of_user(self, user_id: str) -> Place:
        return Place(self.users, user_id, self.per_user, "of yours")

    @property
    def open(self) -> int:
        return self.addresses.total()


def network_of(address: str | None) -> str:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)
