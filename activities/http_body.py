"""The bodies of an http node: how they are written, read within a limit, and understood."""

from __future__ import annotations

import json
import zlib
from typing import Any, Literal, NoReturn
from urllib.parse import urlencode

import httpx

from activities.http_file import decoded, file_of
from pilot.errors import NodeError
from pilot.graph.values import as_text
from pilot.nodes.http import ResponseType
from pilot.payloads.sizes import TEMPORAL_BYTES, Sizes
from pilot.payloads.spool import Spool

MAX_RESPONSE_BYTES = 1_500_000
"""Decoded, where there is no payload store. Temporal's payloads end at 2 MB, and the output is
quoted in JSON."""
SPOOLED_FROM = 1_000_000
"""From so many bytes on a body whose value may be kept is no longer held in memory."""

BodyType = Literal["json", "form", "multipart", "raw", "file"]


def request_body(body: Any, body_type: BodyType) -> tuple[bytes | None, str | None]:
    """The request's body and its content type. A body of null sends none.

    - `json`: any value, a string too (JSON that is written out as text is `raw`)
    - `form`: an object; a list repeats its name
    - `multipart`: an object whose values are fields, or files: `{name, content_type?}` with
      `content` (text) or `base64`
    - `file`: one such file, as a response of `file` gives it
    - `raw`: a string as it is; anything else as JSON text
    """
    if body is None:
        return None, None
    match body_type:
        case "json":
            return _json(body), "application/json"
        case "form":
            pairs = [(name, as_text(item)) for name, item in _fields(body, body_type)]
            return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
        case "multipart":
            return _multipart(body)
        case "raw":
            if isinstance(body, str):
                return body.encode(), "text/plain; charset=utf-8"
            return _json(body), "application/json"
        case "file":
            if not _is_file(body):
                raise NodeError(
                    "a body of type file is an object with `content` or `base64`",
                    code="invalid_request",
                )
            return _content(body), _content_type(body)


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and ("content" in value or "base64" in value)


def _content(file: dict[str, Any]) -> bytes:
    return decoded(file["base64"]) if "base64" in file else as_text(file["content"]).encode()


def _content_type(file: dict[str, Any]) -> str:
    return str(file.get("content_type") or "application/octet-stream")


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise NodeError(f"the body is not JSON: {error}", code="invalid_request") from None


def _fields(body: Any, body_type: str) -> list[tuple[str, Any]]:
    if not isinstance(body, dict):
        raise NodeError(
            f"a body of type {body_type} is an object of its fields", code="invalid_request"
        )
    return [
        (name, item)
        for name, value in body.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def _multipart(body: Any) -> tuple[bytes, str]:
    parts: list[tuple[str, tuple[str | None, bytes, str | None]]] = []
    for name, item in _fields(body, "multipart"):
        if _is_file(item):
            filename = str(item.get("filename") or item.get("name") or "file")
            parts.append((name, (filename, _content(item), _content_type(item))))
        else:
            parts.append((name, (None, as_text(item).encode(), None)))
    request = httpx.Request("POST", "http://multipart", files=parts)
    return request.read(), request.headers["Content-Type"]


def most_of(sizes: Sizes) -> int:
    """How long a body may be, in bytes: the same part of what a result may have."""
    return MAX_RESPONSE_BYTES * sizes.payload // TEMPORAL_BYTES


async def read_body(
    response: httpx.Response, sizes: Sizes, *, is_head: bool = False, spools: bool = False
) -> bytes | Spool:
    """The whole body, decoded; with `spools` a large one is in a file. Raises
    `response_too_large` as soon as it is over what fits, before what would be too much is received
    or unpacked."""
    if is_head:  # its headers describe the body that a GET would have
        return b""
    most = most_of(sizes)
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(f"has {int(declared) / 1e6:.3g} MB", most, sizes)
    decoder = _decoder(response)
    begun, spool = bytearray(), None
    async for chunk in response.aiter_raw():
        size = len(begun) if spool is None else len(spool)
        piece = decoder.decode(chunk, most + 1 - size)
        if size + len(piece) > most:
            raise _too_large(f"is over {most / 1e6:.3g} MB", most, sizes)
        if spool is not None:
            spool.write(piece)
            continue
        begun += piece
        if spools and len(begun) >= SPOOLED_FROM:
            spool = Spool()
            spool.write(begun)
            begun.clear()
    return bytes(begun) if spool is None else spool


class _Plain:
    def decode(self, chunk: bytes, room: int) -> bytes:
        return chunk[:room]


class _Zlib:
    """gzip, zlib or (as some servers mean `deflate`) raw deflate, unpacked up to a limit."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._begun = False

    def decode(self, chunk: bytes, room: int) -> bytes:
        try:
            try:
                return self._decoder.decompress(chunk, room)
            except zlib.error:
                if self._begun:
                    raise
                self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
                return self._decoder.decompress(chunk, room)
            finally:
                self._begun = True
        except zlib.error as error:
            raise NodeError(
                f"the response is badly compressed: {error}", code="bad_response"
            ) from None


def _decoder(response: httpx.Response) -> _Plain | _Zlib:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return _Plain()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Zlib()
    raise NodeError(
        f"the response is encoded as {encoding[:50]!r}, though only gzip and deflate were "
        "asked for",
        code="bad_response",
    )


def _too_large(what: str, most: int, sizes: Sizes) -> NodeError:
    return NodeError(
        f"the response {what}; at most {most / 1e6:.3g} MB fit where a result may have "
        f"{sizes.text}. Ask for a part of it, or for an address to pass on.",
        code="response_too_large",
    )


def kind_of(wanted: ResponseType, response: httpx.Response) -> ResponseType:
    """What the body is taken for: `auto` is JSON where it says that it is, else text."""
    if wanted != "auto":
        return wanted
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    says_json = content_type == "application/json" or content_type.endswith("+json")
    return "json" if says_json else "text"


def response_value(
    wanted: ResponseType,
    response: httpx.Response,
    body: bytes,
    meta: dict[str, Any],
    sizes: Sizes,
) -> Any:
    """The body as `json`, as `text`, as `file`, or (`auto`) as what `kind_of` says. An empty body
    that is not asked for as text or file is null."""
    kind = kind_of(wanted, response)
    if kind == "file":
        return file_of(response, body, sizes)
    if not body and wanted != "text":
        return None
    if kind == "text":
        return body.decode(charset_of(response), errors="replace")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NodeError(
            f"the response is not JSON: {error}", code="response_not_json", meta=meta
        ) from None


def charset_of(response: httpx.Response) -> str:
    charset = response.charset_encoding or "utf-8"
    try:
        "".encode(charset)
    except (LookupError, UnicodeError):
        return "utf-8"
    return charset


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
