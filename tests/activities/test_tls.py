"""Certificates: checked, against the operator's authorities too, and not only where he says so."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from activities.http import http
from activities.resources import tls_context
from pilot.errors import SettingsError
from tests.certificates import Authority

from .conftest import environment, failure, opened, settings, task


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
async def url(authority: Authority) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_a_certificate_of_nobody_known_is_refused(url: str) -> None:
    async with opened(pilot_allowed_hosts=["127.0.0.1"]):
        error = await failure(http, task("http", {"url": url}))
    assert (error.type, error.non_retryable) == ("http_tls", True)


@pytest.mark.parametrize("choice", ["ca_file", "verify"])
async def test_the_operator_may_trust_more(url: str, authority: Authority, choice: str) -> None:
    given: dict[str, Any] = (
        {"pilot_tls_ca_file": authority.certificate}
        if choice == "ca_file"
        else {"pilot_tls_verify": False}
    )
    async with opened(pilot_allowed_hosts=["127.0.0.1"], **given):
        result = await environment().run(http, task("http", {"url": url}))
    assert result.output == "hello"


async def test_no_node_can_switch_it_off(url: str) -> None:
    async with opened(pilot_allowed_hosts=["127.0.0.1"]):
        for field in ("verify", "verify_tls", "insecure"):
            error = await failure(http, task("http", {"url": url, field: False}))
            assert error.type == "invalid_config"


def test_a_bad_file_of_authorities_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PILOT_TLS_CA_FILE"):
        tls_context(settings(pilot_tls_ca_file=tmp_path / "none.pem"))
