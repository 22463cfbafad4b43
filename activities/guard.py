"""The guard of outgoing connections: what a graph's author may reach from the worker.

A worker stands inside somebody's network, and the URLs of its nodes come from outside (CWE-918,
server-side request forgery). So a connection is made in one place, `GuardedBackend`, which
resolves the name itself, refuses it if any of its addresses is not public, and connects to
the very address it checked: a name that answers differently the second time (rebinding)
is never asked a second time. Because the check stands at the connection and not at the URL,
redirects cannot go around it, and `http://2130706433/` or `http://0x7f.1/` are only other
ways of writing an address that the resolver reads for us.

An operator opens private places by `PILOT_ALLOWED_HOSTS`: `host`, `host:port` or a network
such as `10.1.0.0/16`, separated by commas. Public places are reached on the ports of
`PILOT_ALLOWED_PORTS`; what is opened by name needs no port of that list.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import httpcore
import httpx

from pilot.errors import NodeError, SettingsError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

DEFAULT_PORTS = ("80", "443", "8080", "8443")
"""Where the web is. Mail, databases and shells of the public Internet are not for a URL that
somebody pasted into a node."""
MAX_PORT = 65_535

MAX_CONNECTIONS = 1_000
MAX_KEPT_CONNECTIONS = 100
CONNECT_TIMEOUT_S = 10.0

# Networks that this version of `ipaddress` may call global though no server of the public
# Internet answers there (RFC 6890, RFC 7526).
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public Internet. An IPv6 address that carries an
    IPv4 one (mapped, NAT64, 6to4) is as public as that one."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_V4)
    inner = _carried(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and address in _GLOBAL_UNICAST_V6


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the allow-list: a host on one port or on any, or a network."""

    host: str | None = None
    port: int | None = None
    network: Network | None = None

    @classmethod
    def parse(cls, text: str) -> _Entry:
        try:
            return cls(network=ip_network(text.strip("[]"), strict=False))
        except ValueError:
            pass
        host, colon, port = text.rpartition(":")
        if not colon:
            return cls(host=_plain(text))
        if not port.isdecimal() or not host or "/" in host:
            raise SettingsError(
                f"PILOT_ALLOWED_HOSTS: {text!r} is neither a host, nor host:port, nor a network"
            )
        return cls(host=_plain(host), port=int(port))

    def allows(self, host: str, port: int, address: Address) -> bool:
        if self.network is not None:
            return address in self.network or _in_mapped(address, self.network)
        return self.host == _plain(host) and self.port in (None, port)


def _in_mapped(address: Address, network: Network) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped is not None and mapped in network


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _port_range(text: str) -> range:
    low, _, high = text.partition("-")
    if not low.isdecimal() or not (high or low).isdecimal():
        raise SettingsError(f"PILOT_ALLOWED_PORTS: {text!r} is neither a port nor a range of them")
    first, last = int(low), int(high or low)
    if not 0 < first <= last <= MAX_PORT:
        raise SettingsError(f"PILOT_ALLOWED_PORTS: {text!r} is outside 1 to {MAX_PORT}")
    return range(first, last + 1)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, by the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Guard:
    """Decides which addresses may be connected to, and on which ports."""

    def __init__(
        self,
        allowed: Iterable[str] = (),
        resolve: Resolve = resolve,
        ports: Iterable[str] = DEFAULT_PORTS,
    ) -> None:
        self._entries = tuple(_Entry.parse(text) for text in allowed)
        self._ports = tuple(_port_range(text) for text in ports)
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of them checked.

        Raises `NodeError` `address_not_allowed` or `port_not_allowed`, and `OSError` where
        the name is unknown.
        """
        found = await self._resolve(host, port)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"no address for {host}")
        for text in found:
            address = ip_address(text)
            if any(entry.allows(host, port, address) for entry in self._entries):
                continue
            if is_public(address):
                self._check_port(host, port)
                continue
            raise NodeError(
                f"{host}:{port} is at {text}, which is not a public address. If nodes "
                f"may call it, the operator adds {host}:{port} to PILOT_ALLOWED_HOSTS.",
                code="address_not_allowed",
            )
        return found

    def _check_port(self, host: str, port: int) -> None:
        if not any(port in ports for ports in self._ports):
            raise NodeError(
                f"nodes may not call port {port} of {host}. If they may, the operator adds it "
                f"to PILOT_ALLOWED_PORTS, or {host}:{port} to PILOT_ALLOWED_HOSTS.",
                code="port_not_allowed",
            )


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only. TLS still names and checks the host."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore names it so)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore names it so)
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise NodeError("nodes connect to no Unix sockets", code="address_not_allowed")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool whose connections the guard makes. Proxies and certificate
    settings of the environment are not read."""

    def __init__(self, guard: Guard, context: ssl.SSLContext | None = None) -> None:
        context = context or httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        # httpx takes no network backend, so its pool is replaced by one that has ours
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_KEPT_CONNECTIONS,
            network_backend=GuardedBackend(guard),
        )
