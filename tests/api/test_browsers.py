"""What stands around every answer: headers, CORS and compression."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from starlette.types import Message

from api import cors, response_headers
from api.compression import MIN_BYTES
from api.workflows.schemas import CHATBOT
from tests.api.conftest import Api

W = "/api/v1/workflows"
CANVAS = "https://canvas.example"


def preflight(origin: str, headers: str, method: str = "POST") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


async def test_every_answer_is_guarded(api: Api) -> None:
    client, stranger = api.client(), api.client(None)
    answers = [
        await client.get("/api/v1/secrets"),
        await stranger.get(W),
        await stranger.get("/"),
        await stranger.get("/nothing"),
        await client.post(W, content=b"{"),
        await client.patch(W),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 404, 415, 405]
    for answer in answers:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == response_headers.JSON_CSP
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
        assert "server" not in headers


async def test_what_has_an_etag_may_be_kept_and_asked_for_again(api: Api) -> None:
    client = api.client()
    made = (await client.post(W, json=CHATBOT)).json()
    answer = await client.get(f"{W}/{made['id']}")
    assert answer.headers["cache-control"] == "private, no-cache"
    again = await client.get(f"{W}/{made['id']}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")


@pytest.mark.parametrize(("trusted", "is_believed"), [(["127.0.0.1"], True), ([], False)])
async def test_hsts_is_sent_over_tls_only(
    serve: Any, tmp_path: Path, trusted: list[str], is_believed: bool
) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, pilot_trusted_proxies=trusted)) as api:
        answer = await api.client(None).get("/", headers={"X-Forwarded-Proto": "https"})
        assert ("strict-transport-security" in answer.headers) == is_believed
        assert "strict-transport-security" not in (await api.client(None).get("/")).headers


async def test_the_documentations_pages_may_load_their_scripts(serve: Any, tmp_path: Path) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, debug=True)) as api:
        for path in ("/docs", "/redoc"):
            answer = await api.client(None).get(path)
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            for source in answer.text.split('"'):
                if source.startswith("https://") and source.endswith((".js", ".css", ".png")):
                    assert "/".join(source.split("/")[:3]) in policy


async def test_pages_of_named_origins_may_call(serve: Any, tmp_path: Path) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, backend_cors_origins=[CANVAS])) as api:
        client = api.client()
        asked = ", ".join((*cors.REQUEST_HEADERS, *cors.CODEC_HEADERS))
        for method in cors.METHODS:
            answer = await client.options(W, headers=preflight(CANVAS, asked, method))
            assert answer.status_code == 200, answer.text
            assert answer.headers["access-control-allow-origin"] == CANVAS
            assert answer.headers["access-control-max-age"] == str(cors.PREFLIGHT_S)
            assert "access-control-allow-credentials" not in answer.headers
        called = await client.get(W, headers={"Origin": CANVAS})
        assert called.headers["access-control-allow-origin"] == CANVAS
        assert "access-control-allow-credentials" not in called.headers
        assert "Origin" in called.headers["vary"]
        exposed = called.headers["access-control-expose-headers"].split(", ")
        assert set(exposed) == set(cors.EXPOSED_HEADERS)


@pytest.mark.parametrize(
    "headers",
    [
        preflight("https://evil.example", "authorization"),
        preflight(f"{CANVAS}.evil.example", "authorization"),
        preflight("null", "authorization"),
        preflight(CANVAS, "x-other"),
        preflight(CANVAS, "authorization", "PATCH"),
    ],
)
async def test_what_is_not_named_is_refused(
    serve: Any, tmp_path: Path, headers: dict[str, str]
) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, backend_cors_origins=[CANVAS])) as api:
        answer = await api.client(None).options(W, headers=headers)
        assert answer.status_code == 400
        if headers["Origin"] != CANVAS:
            assert "access-control-allow-origin" not in answer.headers
            plain = await api.client().get(W, headers={"Origin": headers["Origin"]})
            assert "access-control-allow-origin" not in plain.headers


async def test_the_star_is_for_development_and_without_credentials(
    serve: Any, tmp_path: Path
) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, backend_cors_origins=["*"])) as api:
        answer = await api.client().get(W, headers={"Origin": "http://anywhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


async def raw(api: Api, path: str, accepted: str) -> tuple[httpx.Response, bytes]:
    """An answer, and its body as it came."""
    async with api.client().stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


async def test_large_answers_are_compressed_as_the_caller_can_read(api: Api) -> None:
    plain, body = await raw(api, "/api/v1/node-types", "identity")
    assert "content-encoding" not in plain.headers
    assert len(body) > MIN_BYTES
    for accepted, coding in (("gzip", "gzip"), ("br, gzip", "br"), ("gzip, br, zstd", "zstd")):
        answer, packed = await raw(api, "/api/v1/node-types", accepted)
        assert answer.headers["content-encoding"] == coding
        assert "Accept-Encoding" in answer.headers["vary"]
        assert len(packed) < len(body) / 3
        if coding == "gzip":
            assert gzip.decompress(packed) == body
        if coding == "zstd":
            assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == body


async def test_small_answers_are_not(api: Api) -> None:
    answer, body = await raw(api, "/", "gzip, br, zstd")
    assert len(body) < MIN_BYTES
    assert "content-encoding" not in answer.headers


async def test_event_streams_leave_as_they_are_written() -> None:
    from api.compression import compressed

    sent: list[Message] = []
    was_sent = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        assert [one.get("body") for one in sent] == [None, b"data: 1\n\n"]
        was_sent.set()
        await send({"type": "http.response.body", "body": b"x" * 5000})

    async def send(message: Message) -> None:
        sent.append(message)

    encodings = [(b"accept-encoding", b"gzip, br, zstd")]
    scope = {"type": "http", "path": "/events", "headers": encodings}
    await compressed(app)(scope, None, send)  # type: ignore[arg-type]
    assert was_sent.is_set()
    assert all(name != b"content-encoding" for name, _ in sent[0]["headers"])
