"""Certificates: checked, against the operator's authorities too, and not only where he says so."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from activities.http import http
from activities.resources import tls_context
from pilot.errors import SettingsError

from .conftest import environment, failure, opened, settings, task


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
async def url(certificate: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

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
async def test_the_operator_may_trust_more(url: str, certificate: Path, choice: str) -> None:
    given: dict[str, Any] = (
        {"pilot_tls_ca_file": certificate} if choice == "ca_file" else {"pilot_tls_verify": False}
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
