from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import psutil
import pytest
from temporalio.exceptions import ApplicationError

from activities.guard import Guard, GuardedTransport
from activities.http import call, http
from activities.http_body import MAX_RESPONSE_BYTES
from activities.http_request import build, redirected, secret_headers
from activities.retry_after import retry_after_s
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.http import BearerAuth, HttpConfig

from .conftest import environment, failure, opened, task
from .http_server import BOMB, Server, http_server


@pytest.fixture(scope="module")
async def _server() -> AsyncIterator[Server]:
    async with http_server() as server, opened(pilot_allowed_hosts=["127.0.0.1"]):
        yield server


@pytest.fixture
def server(_server: Server) -> Server:
    _server.requests.clear()
    return _server


async def run(config: dict[str, Any], **scope: Any) -> NodeResult:
    return await environment().run(http, task("http", config, **scope))


async def fails(config: dict[str, Any], **options: Any) -> ApplicationError:
    return await failure(http, task("http", config), **options)


async def echo(server: Server, **config: Any) -> dict[str, Any]:
    result = await run({"url": f"{server.url}/echo", **config}, input={"name": "Zoë", "n": [1, 2]})
    assert isinstance(result.output, dict)
    return result.output


async def test_a_get_gives_the_json_and_says_how_it_went(server: Server) -> None:
    result = await run({"url": f"{server.url}/echo?a=1", "query": {"b": [1, 2], "c": True}})
    assert result.output["query"] == [["a", "1"], ["b", "1"], ["b", "2"], ["c", "true"]]
    assert result.meta["status"] == 200
    assert result.meta["url"] == f"{server.url}/echo"
    assert result.meta["bytes"] > 100
    assert result.meta["headers"]["content-type"] == "application/json"


async def test_templates_are_rendered_and_keep_their_types(server: Server) -> None:
    seen = await echo(
        server,
        method="POST",
        headers={"X-N": "{input.n}"},
        query={"who": "{input.name}", "none": None},
        body={"list": "{input.n}", "text": "Hi {input.name}"},
    )
    assert seen["body"] == '{"list": [1, 2], "text": "Hi Zoë"}'
    assert seen["headers"]["x-n"] == "[1, 2]"
    assert seen["query"] == [["who", "Zoë"]]


async def test_the_idempotency_key_is_the_same_on_each_attempt(server: Server) -> None:
    for attempt in (1, 2):
        await environment(attempt=attempt).run(http, task("http", {"url": f"{server.url}/echo"}))
    keys = [headers["idempotency-key"] for _, _, headers, _ in server.requests]
    assert keys == ["exec-1:node-1:", "exec-1:node-1:"]
    seen = await echo(server, headers={"idempotency-key": "mine"})
    assert seen["headers"]["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("body", "body_type", "sent", "content_type"),
    [
        ({"a": 1}, "json", '{"a": 1}', "application/json"),
        ("text", "json", '"text"', "application/json"),
        ({"a": "x y", "b": [1, 2]}, "form", "a=x+y&b=1&b=2", "application/x-www-form-urlencoded"),
        ("<x/>", "raw", "<x/>", "text/plain; charset=utf-8"),
        ({"a": 1}, "raw", '{"a": 1}', "application/json"),
    ],
)
async def test_bodies(
    server: Server, body: Any, body_type: str, sent: str, content_type: str
) -> None:
    seen = await echo(server, method="POST", body=body, body_type=body_type)
    assert seen["body"] == sent
    assert seen["headers"]["content-type"] == content_type


async def test_a_multipart_body_has_fields_and_files(server: Server) -> None:
    seen = await echo(
        server,
        method="POST",
        body_type="multipart",
        body={
            "title": "A {input.name}",
            "file": {"filename": "a.csv", "content": "x,y", "content_type": "text/csv"},
        },
    )
    assert seen["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    assert 'name="title"\r\n\r\nA Zoë' in seen["body"]
    assert 'filename="a.csv"\r\nContent-Type: text/csv\r\n\r\nx,y' in seen["body"]


async def test_a_content_type_of_ones_own_wins(server: Server) -> None:
    seen = await echo(
        server, method="PUT", body="<x/>", body_type="raw", headers={"content-type": "text/xml"}
    )
    assert seen["headers"]["content-type"] == "text/xml"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_get_and_head_send_no_body(server: Server, method: str) -> None:
    await run({"url": f"{server.url}/echo", "method": method, "body": {"a": 1}})
    assert server.requests[0][3] == b""


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "bearer", "token": "t"}, "authorization", "Bearer t"),
        ({"type": "basic", "username": "u", "password": "p:é"}, "authorization", "Basic dTpwOsOp"),
        ({"type": "header", "name": "X-Key", "value": "k"}, "x-key", "k"),
    ],
)
async def test_auth(server: Server, auth: dict[str, str], header: str, value: str) -> None:
    assert (await echo(server, auth=auth))["headers"][header] == value


@pytest.mark.parametrize(
    ("wanted", "content_type", "body", "expected"),
    [
        ("auto", "application/json", '{"a": 1}', {"a": 1}),
        ("auto", "application/problem+json; charset=utf-8", "[]", []),
        ("auto", "text/plain", '{"a": 1}', '{"a": 1}'),
        ("json", "text/plain", '{"a": 1}', {"a": 1}),
        ("text", "application/json", '{"a": 1}', '{"a": 1}'),
        ("auto", "text/plain", "", None),
        ("auto", "text/plain; charset=latin-1", "é", "Ã©"),
        ("auto", "text/plain; charset=nonsense", "é", "é"),
    ],
)
async def test_responses(
    server: Server, wanted: str, content_type: str, body: str, expected: Any
) -> None:
    result = await run(
        {
            "url": f"{server.url}/typed",
            "method": "POST",
            "headers": {"X-Type": content_type},
            "body": "{input}",
            "body_type": "raw",
            "response": wanted,
        },
        input=body,
    )
    assert result.output == expected
    assert len(result.meta["headers"]["x-long"]) == 1000


@pytest.mark.parametrize("body", ["{oops", '{"a": NaN}', "[" * 100_000])
async def test_what_is_no_json_is_refused(server: Server, body: str) -> None:
    error = await fails(
        {
            "url": f"{server.url}/typed",
            "method": "POST",
            "body": body.replace("{", "{{").replace("}", "}}"),
            "body_type": "raw",
            "response": "json",
        }
    )
    assert (error.type, error.non_retryable) == ("response_not_json", True)


@pytest.mark.parametrize(
    ("status", "success", "passes"),
    [
        (201, None, True),
        (404, None, False),
        (404, ["2xx", "404"], True),
        (250, ["200-204"], False),
        (203, ["200-204"], True),
        (500, ["5xx"], True),
    ],
)
async def test_which_statuses_are_success(
    server: Server, status: int, success: list[str] | None, passes: bool
) -> None:
    config: dict[str, Any] = {"url": f"{server.url}/status/{status}"}
    if success:
        config["success"] = success
    if passes:
        assert (await run(config)).meta["status"] == status
    else:
        assert (await fails(config)).type == "http_status"


@pytest.mark.parametrize(
    ("method", "status", "retried"),
    [
        ("GET", 400, False),
        ("GET", 401, False),
        ("GET", 404, False),
        ("GET", 408, True),
        ("GET", 425, True),
        ("GET", 429, True),
        ("GET", 500, True),
        ("PUT", 503, True),
        ("DELETE", 502, True),
        ("POST", 429, True),
        ("POST", 425, True),
        ("POST", 408, False),
        ("POST", 500, False),
        ("PATCH", 503, False),
    ],
)
async def test_which_statuses_are_tried_again(
    server: Server, method: str, status: int, retried: bool
) -> None:
    config = {"url": f"{server.url}/status/{status}", "method": method}
    error = await fails(config)
    assert error.type == "http_status"
    assert error.non_retryable is not retried
    assert error.details[0]["meta"]["status"] == status
    assert f"answered {status}" in error.message
    assert "reason: rrr" in error.message
    assert len(error.message) < 2000
    if status >= 500:
        assert not (await fails({**config, "retry_unsafe": True})).non_retryable


@pytest.mark.parametrize(("method", "status"), [("GET", 429), ("POST", 429), ("GET", 503)])
async def test_retry_after_becomes_the_delay(server: Server, method: str, status: int) -> None:
    config = {"url": f"{server.url}/status/{status}?Retry-After=7", "method": method}
    assert (await fails(config)).next_retry_delay == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("-5", 0.0),
        ("1e9", 3600.0),
        ("99999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        (format_datetime(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC), usegmt=True), 30.0),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        ("Thu, 01 Jan 2026 12:00:30", 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, now=datetime(2026, 1, 1, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (303, "HEAD", "HEAD", b""),
        (301, "PUT", "PUT", b'{"a": 1}'),
        (307, "POST", "POST", b'{"a": 1}'),
        (308, "POST", "POST", b'{"a": 1}'),
        (302, "GET", "GET", b""),
    ],
)
async def test_redirects_are_followed_by_the_rules(
    server: Server, status: int, method: str, then: str, body: bytes
) -> None:
    config = {
        "url": f"{server.url}/redirect/{status}?to=/echo",
        "method": method,
        "body": {"a": 1},
        "auth": {"type": "bearer", "token": "t"},
    }
    result = await run(config)
    found, path, headers, sent = server.requests[-1]
    assert (found, path, sent) == (then, "/echo", body)
    assert ("content-type" in headers) == bool(body)
    assert headers["authorization"] == "Bearer t"
    assert result.meta["url"] == f"{server.url}/echo"


async def test_credentials_do_not_follow_to_another_origin(server: Server) -> None:
    async with http_server() as other:
        await run(
            {
                "url": f"{server.url}/redirect/307?to={other.url}/echo",
                "auth": {"type": "header", "name": "X-Key", "value": "secret"},
                "headers": {"Cookie": "c=1", "Authorization": "Bearer t", "X-Kept": "yes"},
            }
        )
        first, second = server.requests[0][2], other.requests[0][2]
    assert {"x-key", "cookie", "authorization"} <= set(first)
    assert not {"x-key", "cookie", "authorization"} & set(second)
    assert second["x-kept"] == "yes"
    assert second["host"] == other.url.removeprefix("http://")


async def test_a_header_that_holds_a_secret_does_not_follow_either(server: Server) -> None:
    config = HttpConfig(
        url=f"{server.url}/redirect/302?to=/echo",
        headers={"X-Team": "key {secrets.TEAM}", "X-Plain": "{input}", "X-Api-Key": "k"},
    )
    secret = secret_headers(config)
    assert secret == {"x-team"}
    request = build(config, "key", secret)
    for location, kept in [
        ("/elsewhere", True),
        (server.url + "/elsewhere", True),
        (server.url.replace("http:", "https:"), False),
        ("http://127.0.0.1:1/", False),
        ("http://localhost/", False),
    ]:
        following = redirected(request, 302, location)
        assert ("x-team" in following.headers) is kept, location
        assert ("x-api-key" in following.headers) is kept, location
        assert "x-plain" in following.headers


@pytest.mark.parametrize(
    ("start", "location", "kept"),
    [
        ("https://a.test/", "https://a.test/b", True),
        ("https://a.test/", "https://a.test:443/b", True),
        ("https://a.test/", "https://A.test/b", True),
        ("https://a.test/", "http://a.test/b", False),
        ("http://a.test/", "https://a.test/b", False),
        ("https://a.test/", "https://a.test:8443/b", False),
        ("https://a.test/", "https://b.a.test/", False),
        ("https://a.test/", "//b.test/", False),
        ("https://a.test/", "https://a.test@b.test/", False),
        ("https://a.test/", "https://a.test.b.test/", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(start: str, location: str, kept: bool) -> None:
    auth = BearerAuth(type="bearer", token="t")
    request = build(HttpConfig(url=start, auth=auth), "key")
    assert ("authorization" in redirected(request, 307, location).headers) is kept


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("http://127.0.0.2:1/", "address_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/", "address_not_allowed"),
        ("http://2130706434/", "address_not_allowed"),
        ("http://[::1]:80/", "address_not_allowed"),
        ("http://public@127.0.0.2/", "address_not_allowed"),
        ("http://8.8.8.8:22/", "port_not_allowed"),
        ("file:///etc/passwd", "bad_redirect"),
        ("gopher://127.0.0.1/", "bad_redirect"),
    ],
)
async def test_a_redirect_to_a_private_place_is_refused(
    server: Server, target: str, code: str
) -> None:
    error = await fails({"url": f"{server.url}/redirect/302?to={target}"})
    assert (error.type, error.non_retryable) == (code, True)


async def test_redirects_have_an_end(server: Server) -> None:
    error = await fails({"url": f"{server.url}/loop"})
    assert error.type == "too_many_redirects"
    assert len(server.requests) == 11


async def test_redirects_can_be_left_to_the_graph(server: Server) -> None:
    config = {
        "url": f"{server.url}/redirect/302?to=/echo",
        "follow_redirects": False,
        "success": ["302"],
    }
    result = await run(config)
    assert result.meta["status"] == 302
    assert result.meta["headers"]["location"] == "/echo"


async def test_private_addresses_are_refused_by_default(server: Server) -> None:
    async with opened():
        error = await fails({"url": f"{server.url}/echo"})
    assert (error.type, error.non_retryable) == ("address_not_allowed", True)
    assert "PILOT_ALLOWED_HOSTS" in error.message
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "file:///etc/passwd", "example.com", "http://", "http://[::1", "//x"],
)
async def test_bad_addresses(server: Server, url: str) -> None:
    error = await fails({"url": url})
    assert (error.type, error.non_retryable) == ("invalid_request", True)


async def test_headers_cannot_be_split(server: Server) -> None:
    error = await failure(
        http,
        task("http", {"url": f"{server.url}/echo", "headers": {"X": "{input}"}}, input="a\r\nB: c"),
    )
    assert error.type in ("invalid_request", "http_disconnected")
    assert server.requests == []


async def test_secrets_of_a_url_stay_out_of_meta_and_messages(server: Server) -> None:
    address = server.url.replace("http://", "http://user:hunter2@") + "/status/404?key=hunter3"
    error = await fails({"url": address})
    assert server.requests[0][2]["authorization"].startswith("Basic ")
    assert "hunter" not in str(error) + str(error.details)


async def test_cookies_are_not_shared_between_requests(server: Server) -> None:
    result = await run({"url": f"{server.url}/cookie"})
    assert "set-cookie" not in result.meta["headers"]
    await run({"url": f"{server.url}/cookie"})
    assert "cookie" not in server.requests[1][2]


@pytest.mark.parametrize("path", ["big", "big?declared=1"])
async def test_a_large_response_is_refused_while_it_arrives(server: Server, path: str) -> None:
    error = await fails({"url": f"{server.url}/{path}"})
    assert (error.type, error.non_retryable) == ("response_too_large", True)
    assert f"{MAX_RESPONSE_BYTES / 1e6:g} MB" in error.message


async def test_a_compression_bomb_is_not_unpacked(server: Server) -> None:
    assert len(BOMB) < MAX_RESPONSE_BYTES
    process = psutil.Process()
    before = process.memory_info().rss
    error = await fails({"url": f"{server.url}/encoded/bomb"})
    assert error.type == "response_too_large"
    assert process.memory_info().rss - before < 30_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw"])
async def test_compressed_responses(server: Server, encoding: str) -> None:
    assert (await run({"url": f"{server.url}/encoded/{encoding}"})).output == "squeezed text"


@pytest.mark.parametrize("encoding", ["br", "bad"])
async def test_badly_compressed_responses(server: Server, encoding: str) -> None:
    assert (await fails({"url": f"{server.url}/encoded/{encoding}"})).type == "bad_response"


@pytest.mark.parametrize(("method", "retried"), [("GET", True), ("POST", False)])
async def test_a_slow_server_times_out(server: Server, method: str, retried: bool) -> None:
    began = time.monotonic()
    error = await fails({"url": f"{server.url}/slow", "method": method}, timeout_s=0.8)
    assert error.type == "http_timeout"
    assert error.non_retryable is not retried
    assert 0.6 < time.monotonic() - began < 0.8


@pytest.mark.parametrize(("method", "retried"), [("GET", True), ("POST", False)])
async def test_a_cut_connection(server: Server, method: str, retried: bool) -> None:
    error = await fails({"url": f"{server.url}/cut", "method": method})
    assert error.type == "http_disconnected"
    assert error.non_retryable is not retried


async def test_a_closed_port_is_tried_again_for_every_method(server: Server) -> None:
    for method in ("GET", "POST"):
        error = await fails({"url": "http://127.0.0.1:1/", "method": method})
        assert (error.type, error.non_retryable) == ("http_connect", False)


async def test_cancelling_ends_the_request_at_once(server: Server) -> None:
    env = environment()
    running = asyncio.create_task(env.run(http, task("http", {"url": f"{server.url}/slow"})))
    async with asyncio.timeout(5):
        while not server.requests:
            await asyncio.sleep(0.01)
    began = time.monotonic()
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - began < 0.5


async def test_a_server_that_speaks_no_tls_is_a_connect_error(server: Server) -> None:
    error = await fails({"url": server.url.replace("http://", "https://")})
    assert error.type == "http_connect"
    assert "SSL" in error.message or isinstance(error.__cause__, ssl.SSLError)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.",
        "localhost", "localhost.", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]",
        "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "0",
        "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "127。0。0。1",
        "public.example@127.0.0.1", "public.example:80@127.0.0.1", "127.0.0.1#@public.example",
        "public.example\\@127.0.0.1", "100.64.0.1", "224.0.0.1", "10.0.0.1",
    ],
)  # fmt: skip
async def test_no_way_of_writing_a_private_place_gets_there(host: str) -> None:
    async with opened():
        error = await fails({"url": f"http://{host}/"})
    assert error.non_retryable or error.type == "http_connect", error
    assert error.type in ("address_not_allowed", "invalid_request", "http_connect")


@pytest.mark.parametrize("host", ["１２７.0.0.1", "①②⑦.0.0.1", "ⓛocalhost", "a..b", "a b", "%00"])
async def test_hosts_that_are_none(host: str) -> None:
    async with opened():
        assert (await fails({"url": f"http://{host}/"})).type in (
            "invalid_request", "http_connect", "address_not_allowed",
        )  # fmt: skip


async def test_connecting_has_a_time_of_its_own() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    began = time.monotonic()
    config = HttpConfig(url="http://slow.test/", connect_timeout_s=0.2, method="POST")
    async with httpx.AsyncClient(transport=GuardedTransport(Guard(resolve=never))) as client:
        with pytest.raises(NodeError) as caught:
            await call(config, build(config, "k"), client, 30)
    assert (caught.value.code, caught.value.retryable) == ("http_connect", True)
    assert time.monotonic() - began < 2


async def test_many_requests_at_once(server: Server) -> None:
    results = await asyncio.gather(
        *(run({"url": f"{server.url}/echo", "query": {"n": n}}) for n in range(60))
    )
    assert [result.output["query"] for result in results] == [[["n", str(n)]] for n in range(60)]
