"""Files that an http node sends and gets, and the methods without a body."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from activities.http_file import MAX_FILE_BYTES, file_name

from .http_server import Server
from .test_http import _server, fails, run, server  # noqa: F401 (fixtures)

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
ENCODED = base64.b64encode(PNG).decode()


async def sent(server: Server, **config: Any) -> tuple[dict[str, str], bytes]:  # noqa: F811
    """Headers and body of what a POST put on the wire."""
    await run({"url": f"{server.url}/echo", "method": "POST", **config})
    _, _, headers, body = server.requests[-1]
    return headers, body


async def test_multipart_files_are_text_or_base64(server: Server) -> None:  # noqa: F811
    headers, body = await sent(
        server,
        body_type="multipart",
        body={
            "note": ["a", "b"],
            "text": {"filename": "a.csv", "content": "x,y", "content_type": "text/csv"},
            "image": {"name": "p.png", "base64": ENCODED, "content_type": "image/png"},
        },
    )
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert body.count(b'name="note"') == 2
    assert b'filename="a.csv"\r\nContent-Type: text/csv\r\n\r\nx,y\r\n' in body
    assert b'filename="p.png"\r\nContent-Type: image/png\r\n\r\n' + PNG + b"\r\n" in body


async def test_a_body_may_be_one_file(server: Server) -> None:  # noqa: F811
    headers, body = await sent(
        server, body_type="file", body={"base64": ENCODED, "content_type": "image/png"}
    )
    assert (headers["content-type"], body) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("body_type", "body"),
    [
        ("file", "text"),
        ("file", {"a": 1}),
        ("file", {"base64": "not base64!"}),
        ("file", {"base64": 5}),
        ("multipart", {"f": {"base64": "é"}}),
        ("multipart", ["no", "object"]),
        ("form", "text"),
    ],
)
async def test_bad_bodies_are_named(server: Server, body_type: str, body: Any) -> None:  # noqa: F811
    config = {"url": f"{server.url}/echo", "method": "POST", "body_type": body_type, "body": body}
    error = await fails(config)
    assert (error.type, error.non_retryable) == ("invalid_request", True)
    assert not server.requests


async def test_a_response_may_be_a_file_that_goes_on_as_it_is(server: Server) -> None:  # noqa: F811
    got = await run(
        {
            "url": f"{server.url}/typed",
            "method": "POST",
            "headers": {"X-Type": "image/png"},
            "body_type": "file",
            "body": {"base64": ENCODED},
            "response": "file",
        }
    )
    assert got.output == {
        "name": "typed",
        "content_type": "image/png",
        "bytes": len(PNG),
        "base64": ENCODED,
    }
    _, body = await sent(server, body_type="multipart", body={"f": got.output})
    assert b'filename="typed"\r\nContent-Type: image/png\r\n\r\n' + PNG in body


async def test_a_file_has_a_limit(server: Server) -> None:  # noqa: F811
    config = {"url": f"{server.url}/bytes/{MAX_FILE_BYTES}", "response": "file"}
    assert (await run(config)).output["bytes"] == MAX_FILE_BYTES
    error = await fails({**config, "url": f"{server.url}/bytes/{MAX_FILE_BYTES + 1}"})
    assert (error.type, error.non_retryable) == ("response_too_large", True)


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ('attachment; filename="a b.pdf"', "/x", "a b.pdf"),
        ("attachment; filename=plain.txt; size=3", "/x", "plain.txt"),
        (r'attachment; filename="q\"uote.txt"', "/x", 'q"uote.txt'),
        ("attachment; filename=x.txt; filename*=UTF-8''na%C3%AFve.txt", "/x", "naïve.txt"),
        ('attachment; filename="../../etc/passwd"', "/x", "passwd"),
        (r'attachment; filename="..\\..\\boot.ini"', "/x", "boot.ini"),
        ('attachment; filename=".bashrc"', "/x", "bashrc"),
        ('attachment; filename="a\x00\nb"', "/x", "ab"),
        ("", "/docs/report%20one.pdf", "report one.pdf"),
        ("", "/", "file"),
        ("", "/..", "file"),
        ('attachment; filename="' + "x" * 500 + '"', "/x", "x" * 200),
    ],
)
def test_a_files_name_has_no_folder(disposition: str, path: str, name: str) -> None:
    assert file_name(disposition, httpx.URL(f"http://h{path}")) == name


async def test_head_has_no_body_whatever_its_headers_say(server: Server) -> None:  # noqa: F811
    result = await run({"url": f"{server.url}/bytes/2000000", "method": "HEAD"})
    assert result.output is None
    assert result.meta["headers"]["content-length"] == "2000000"
    assert result.meta["bytes"] == 0


async def test_options_tells_what_is_allowed(server: Server) -> None:  # noqa: F811
    result = await run({"url": f"{server.url}/options", "method": "OPTIONS"})
    assert (result.output, result.meta["status"]) == (None, 204)
    assert result.meta["headers"]["allow"] == "GET, OPTIONS"
