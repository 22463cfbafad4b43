"""Bodies and headers that mean harm: refused with a reason, in bounded time, never a 500."""

import asyncio
import json
import time

import httpx
import pytest

URL = "/api/v1/workflows"
LIMIT = 5 * 1024 * 1024
LARGE = b'["' + b"x" * 200_000 + b'",'
JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["code"]
    return body


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "x", "nodes": [{"id": "a", "type": "b", "data": 1e999}]}',
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "nodes": [{"id": "a", "id": "b"}]}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\\udc00\\ud800"}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5_000,
        b'{"name": "x"} trailing',
        b"\xef\xbb\xbf{}",
        b'{"name": "a\nb"}',
        "{}".encode("utf-16"),
        LARGE + b'"\\uD800"]',
        LARGE + b"NaN]",
        LARGE + b"1e999]",
        LARGE + b'"\xff"]',
        LARGE + b'{"a":1,"a":2}]',
        LARGE + b"[" * 250 + b"]" * 251,
        LARGE + b"[" * 5_000 + b"]" * 5_001,
    ],
)
async def test_what_is_not_strict_json_is_400(client, body):
    answer = await client.post(URL, content=body, headers=JSON)
    assert problem(answer, 400)["code"] == "invalid_json"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"5", b"true"])
async def test_json_of_another_kind_is_422(client, body):
    problem(await client.post(URL, content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", ";;"]
)
async def test_another_media_type_is_415(client, kind):
    answer = await client.post(URL, content=b"{}", headers={"Content-Type": kind})
    assert problem(answer, 415)["code"] == "unsupported_media_type"


async def test_json_with_a_charset_or_a_suffix_is_taken(client):
    for kind in ("application/json; charset=utf-8", "application/ld+json", "Application/JSON"):
        answer = await client.post(URL, content=b"{}", headers={"Content-Type": kind})
        problem(answer, 422)


async def test_a_declared_length_over_the_limit_is_refused_at_once(client):
    answer = await client.post(URL, content=b" " * (LIMIT + 1), headers=JSON)
    assert problem(answer, 413)["code"] == "body_too_large"


async def test_a_chunked_body_is_refused_while_it_is_read(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.pilot_port)
    writer.write(
        f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token()}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    answer = asyncio.create_task(reader.readline())
    sent = 0
    while not answer.done():
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        sent += 0x10000
    assert b" 413 " in await answer
    assert sent < 2 * LIMIT
    writer.close()


async def test_a_client_that_writes_it_all_first_still_reads_why(client):
    async def chunks():
        for _ in range(200):
            yield b" " * 0x10000

    answer = await client.post(URL, content=chunks(), headers=JSON)
    assert problem(answer, 413)["code"] == "body_too_large"


async def test_a_body_at_the_limit_is_read(client):
    body = json.dumps({"name": "x", "nodes": [], "edges": []}).encode()
    answer = await client.post(URL, content=body + b" " * (LIMIT - len(body)), headers=JSON)
    assert answer.status_code == 201


async def test_others_are_served_while_a_large_body_is_parsed(client):
    body = b'{"name":"x","nodes":[' + b",".join([b'{"a":{}}'] * 500_000) + b"]}"
    began, slowest = time.perf_counter(), 0.0
    large = asyncio.create_task(client.post(URL, content=body, headers=JSON))
    while not large.done():
        before = time.perf_counter()
        assert (await client.get("/")).status_code == 200
        slowest = max(slowest, time.perf_counter() - before)
        await asyncio.sleep(0.01)
    problem(await large, 422)
    # on one thread the others would wait for nearly all of it
    assert slowest < (time.perf_counter() - began) / 2


async def test_a_stranger_is_refused_before_the_body_is_read(api):
    answer = await api.client(user=None).post(URL, content=b"{", headers=JSON)
    problem(answer, 401)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/ws/ada", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/openapi.json", 404),
        ("PATCH", URL, 405),
        ("DELETE", URL, 405),
        ("POST", "/health", 405),
        ("DELETE", "/api/v1/executions", 405),
    ],
)
async def test_the_frameworks_own_errors_are_problems_too(client, method, path, status):
    answer = await client.request(method, path)
    problem(answer, status)
    if status == 405:
        assert answer.headers["allow"]


async def test_an_unforeseen_error_says_nothing_of_the_inside(api, client, monkeypatch):
    async def broken(*_args, **_kwargs):
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(type(api.parts.store), "list_workflows", broken)
    answer = await client.get(URL, headers={"Origin": "http://canvas.test"})
    body = problem(answer, 500)
    assert "swordfish" not in answer.text
    assert answer.headers["x-request-id"] == body["request_id"]


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
async def test_a_sound_request_id_is_kept(client, given):
    answer = await client.get("/", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "<script>"])
async def test_another_request_id_is_replaced(client, given):
    answer = await client.get("/", headers={"X-Request-ID": given})
    assert len(answer.headers["x-request-id"]) == 32
