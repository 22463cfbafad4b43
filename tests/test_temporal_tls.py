"""TLS to Temporal: with and without a client's certificate, an API key, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from pilot.errors import SettingsError
from pilot.settings import Settings
from pilot.temporal import connect
from pilot.temporal_tls import tls_of
from tests.certificates import Authority
from tests.tls_proxy import tls_proxy

SERVER = "acme.tmprl.test"
KEY = "a-key-of-the-cloud"


def settings(**values: object) -> Settings:
    return Settings(
        _env_file=None,
        **{"pilot_env": "production", "clerk_jwt_issuer": "https://issuer.test", **values},
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


async def ask(configured: Settings) -> str:
    """The name of the namespace, from the server."""
    client = await connect(configured)
    answer = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace="default"), timeout=timedelta(seconds=20)
    )
    return answer.namespace_info.name


@pytest.mark.parametrize("as_text", [False, True])
async def test_a_client_with_the_right_certificate(
    temporal_address: str, authority: Authority, as_text: bool
) -> None:
    certificate, key = authority.issue("worker")
    shown = [certificate, key, authority.certificate]
    if as_text:  # as a platform that holds no line ends has them
        values = [path.read_text().replace("\n", "\\n") for path in shown]
    else:
        values = [str(path) for path in shown]
    async with tls_proxy(temporal_address, authority.issue(SERVER), authority.certificate) as proxy:
        configured = settings(
            temporal_address=proxy.address,
            temporal_tls_cert=values[0],
            temporal_tls_key=values[1],
            temporal_tls_ca=values[2],
            temporal_tls_server_name=SERVER,
        )
        configured.check()
        assert await ask(configured) == "default"
    assert set(proxy.names) == {SERVER}
    assert set(proxy.authorizations) == {None}


@pytest.mark.parametrize("shows", ["nothing", "another authority's"])
async def test_a_client_that_the_server_does_not_know(
    temporal_address: str, authority: Authority, stranger: Authority, shows: str
) -> None:
    values: dict[str, object] = {"temporal_tls_ca": str(authority.certificate)}
    if shows != "nothing":
        certificate, key = stranger.issue("worker")
        values |= {"temporal_tls_cert": str(certificate), "temporal_tls_key": str(key)}
    async with tls_proxy(temporal_address, authority.issue(SERVER), authority.certificate) as proxy:
        with pytest.raises(RuntimeError):
            await ask(settings(temporal_address=proxy.address, **values))
    assert proxy.authorizations == []


async def test_a_server_that_the_client_does_not_know(
    temporal_address: str, authority: Authority, stranger: Authority
) -> None:
    async with tls_proxy(temporal_address, authority.issue(SERVER), None) as proxy:
        for values in (
            {"temporal_tls": True},
            {"temporal_tls_ca": str(stranger.certificate)},
            {"temporal_tls_ca": str(authority.certificate), "temporal_tls_server_name": "b.test"},
        ):
            with pytest.raises(RuntimeError):
                await ask(settings(temporal_address=proxy.address, temporal_api_key=KEY, **values))
    assert proxy.authorizations == []


async def test_an_api_key_goes_over_tls_only(temporal_address: str, authority: Authority) -> None:
    async with tls_proxy(temporal_address, authority.issue(SERVER), None) as proxy:
        configured = settings(
            temporal_address=proxy.address,
            temporal_api_key=KEY,
            temporal_tls_ca=str(authority.certificate),
        )
        assert await ask(configured) == "default"
        assert proxy.authorizations
        assert set(proxy.authorizations) == {f"Bearer {KEY}"}
    # the same key, and a server on this machine that speaks no TLS
    assert await ask(settings(temporal_address=temporal_address, temporal_api_key=KEY)) == "default"


def test_when_the_connection_is_over_tls(authority: Authority) -> None:
    cloud = "acme.a1b2c.tmprl.cloud:7233"
    assert tls_of(settings()) is None
    assert tls_of(settings(temporal_address="temporal:7233")) is None
    assert tls_of(settings(temporal_address=cloud, temporal_api_key=KEY)) is not None
    assert tls_of(settings(temporal_address=cloud, temporal_tls=True)) is not None
    assert tls_of(settings(temporal_address="temporal:7233", temporal_tls=False)) is None
    development = settings(temporal_tls_ca=str(authority.certificate), pilot_env="development")
    assert tls_of(development) is None, "the embedded server speaks no TLS"


def test_what_contradicts_itself_is_named(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("worker")
    _, other_key = authority.issue("other")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    pair = {"temporal_tls_cert": str(certificate), "temporal_tls_key": str(key)}
    bad: list[tuple[dict[str, object], str]] = [
        ({"temporal_tls_cert": str(certificate)}, "TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY"),
        ({"temporal_tls_key": str(key)}, "TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY"),
        ({**pair, "temporal_tls_key": str(other_key)}, "TEMPORAL_TLS_KEY is not the key"),
        ({**pair, "temporal_tls_key": str(certificate)}, "TEMPORAL_TLS_KEY: no private key"),
        ({**pair, "temporal_tls_cert": str(empty)}, "TEMPORAL_TLS_CERT: no certificate"),
        ({**pair, "temporal_tls_cert": "/nowhere.pem"}, "TEMPORAL_TLS_CERT: cannot read"),
        ({**pair, "temporal_tls_key": "MIGHAgEAMBMG"}, "TEMPORAL_TLS_KEY: cannot read the file"),
        ({"temporal_tls_ca": str(key)}, "TEMPORAL_TLS_CA: no certificate"),
        ({"temporal_tls_ca": "\0"}, "TEMPORAL_TLS_CA: neither a path nor PEM"),
        ({**pair, "temporal_tls": False}, "TEMPORAL_TLS is false"),
        ({"temporal_tls": False, "temporal_api_key": KEY}, "in the clear"),
    ]
    for values, message in bad:
        configured = settings(temporal_address="temporal.test:7233", **values)
        with pytest.raises(SettingsError, match=message) as raised:
            configured.check()
        assert KEY not in str(raised.value)
        assert "MIGH" not in str(raised.value)
