from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import httpx
import pytest

from activities.guard import Guard, GuardedTransport, is_public
from pilot.errors import NodeError, SettingsError

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


def answering(*addresses: str) -> Guard:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return Guard(resolve=resolve)


async def refused(guard: Guard, host: str = "example.com", port: int = 80) -> NodeError:
    with pytest.raises(NodeError) as caught:
        await guard.addresses(host, port)
    assert caught.value.code == "address_not_allowed"
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "::1",
        "::ffff:127.0.0.1",
        "0:0:0:0:0:ffff:7f00:1",
    ],
)
async def test_every_way_of_writing_a_private_address_is_refused(host: str) -> None:
    error = await refused(Guard(), host)
    assert f"{host}:80" in error.message
    assert "PILOT_ALLOWED_HOSTS" in error.message


async def test_one_private_address_among_public_ones_is_enough() -> None:
    await refused(answering("8.8.8.8", "10.0.0.1"))
    assert await answering("8.8.8.8", "1.1.1.1").addresses("example.com", 80)


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "allowed"),
    [
        ("internal", "internal", 80, "10.0.0.1", True),
        ("internal", "INTERNAL.", 8080, "10.0.0.1", True),
        ("internal", "internal.evil", 80, "10.0.0.1", False),
        ("internal:8080", "internal", 8080, "10.0.0.1", True),
        ("internal:8080", "internal", 80, "10.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, "127.0.0.1", False),
        ("10.1.0.0/16", "anything", 80, "10.1.2.3", True),
        ("10.1.0.0/16", "anything", 80, "10.2.2.3", False),
        ("10.1.0.0/16", "anything", 80, "::ffff:10.1.2.3", True),
        ("[::1]:8080", "::1", 8080, "::1", True),
        ("::1", "::1", 80, "::1", True),
        ("fd00::/8", "anything", 80, "fd00::5", True),
    ],
)
async def test_the_allow_list(
    entry: str, host: str, port: int, address: str, allowed: bool
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    guard = Guard([entry], resolve)
    if allowed:
        assert await guard.addresses(host, port) == [address]
    else:
        await refused(guard, host, port)


@pytest.mark.parametrize(
    ("port", "ports", "open"),
    [
        (80, None, True),
        (443, None, True),
        (8080, None, True),
        (8443, None, True),
        (22, None, False),
        (25, None, False),
        (6379, None, False),
        (9000, ["9000-9010"], True),
        (9011, ["9000-9010", "80"], False),
        (80, ["443"], False),
    ],
)
async def test_public_hosts_on_allowed_ports(
    port: int, ports: list[str] | None, open: bool
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    guard = Guard(resolve=resolve) if ports is None else Guard(resolve=resolve, ports=ports)
    if open:
        assert await guard.addresses("example.com", port) == ["8.8.8.8"]
        return
    with pytest.raises(NodeError) as caught:
        await guard.addresses("example.com", port)
    assert (caught.value.code, caught.value.retryable) == ("port_not_allowed", False)
    assert "PILOT_ALLOWED_PORTS" in caught.value.message


async def test_a_host_that_is_opened_by_name_needs_no_port_of_the_list() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    guard = Guard(["smtp.example.com:25"], resolve)
    assert await guard.addresses("smtp.example.com", 25)
    with pytest.raises(NodeError):
        await guard.addresses("other.example.com", 25)


@pytest.mark.parametrize("port", ["", "http", "0", "65536", "90-80", "-80", "80-x"])
def test_a_bad_port_is_named(port: str) -> None:
    with pytest.raises(SettingsError, match="PILOT_ALLOWED_PORTS"):
        Guard(ports=[port])


@pytest.mark.parametrize("entry", ["host:port", "10.0.0.0/99:80", ":80", "a/b:80"])
def test_a_bad_entry_of_the_allow_list_is_named(entry: str) -> None:
    with pytest.raises(SettingsError, match="PILOT_ALLOWED_HOSTS"):
        Guard([entry])


@asynccontextmanager
async def greeter() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on loopback that answers every request with `hello`; what it was sent."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """Rebinding: the name is asked once a connection, and the host header stays the name."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with greeter() as (port, seen):
        transport = GuardedTransport(Guard(["rebinding.test"], resolve))
        async with httpx.AsyncClient(transport=transport) as client:
            response = await client.get(f"http://rebinding.test:{port}/")
    assert response.text == "hello"
    assert asked == ["rebinding.test"]
    assert f"Host: rebinding.test:{port}".lower().encode() in seen[0].lower()


async def test_a_name_that_turns_private_is_refused_the_second_time() -> None:
    answers = ["127.0.0.1", "127.0.0.2"]

    async def resolve(host: str, port: int) -> list[str]:
        return [answers.pop(0)]

    async with greeter() as (port, seen):
        transport = GuardedTransport(Guard(["127.0.0.1/32"], resolve))
        async with httpx.AsyncClient(transport=transport) as client:
            url = f"http://rebinding.test:{port}/"
            assert (await client.get(url)).text == "hello"
            with pytest.raises(NodeError) as caught:
                await client.get(url)
    assert caught.value.code == "address_not_allowed"
    assert len(seen) == 1


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with greeter() as (port, _):
        transport = GuardedTransport(Guard(["127.0.0.0/8"], resolve))
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get(f"http://two.test:{port}/")).text == "hello"


async def test_an_unknown_name_is_a_connect_error() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with httpx.AsyncClient(transport=GuardedTransport(Guard(resolve=resolve))) as client:
        with pytest.raises(httpx.ConnectError, match="no-such-name"):
            await client.get("http://no-such-name.test/")


async def test_a_resolver_that_hangs_is_a_connect_timeout() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async with httpx.AsyncClient(transport=GuardedTransport(Guard(resolve=resolve))) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("http://slow.test/", timeout=0.1)
