"""http: one HTTP request, its redirects followed by hand.

When an attempt fails, whether Temporal may repeat it depends on what the server may have
done with it:

- no connection was made: any method is repeated;
- 429 and 425 say that the request was not processed (RFC 6585, RFC 8470): any method;
- 408, other 5xx, a timeout or a cut connection leave it open: only GET, HEAD, OPTIONS, PUT
  and DELETE, and others where the node says `retry_unsafe`.

`Retry-After` becomes the delay before the next attempt, at most an hour. Every request
carries an `Idempotency-Key` that is the same for all attempts of the node.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from activities import resources
from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from activities.guard import CONNECT_TIMEOUT_S
from activities.http_body import read_body, request_body, response_value
from activities.retry_after import retry_after_s
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.http import IDEMPOTENT_METHODS, BasicAuth, BearerAuth, HeaderAuth, HttpConfig

MAX_REDIRECTS = 10
MAX_ATTEMPT_S = 600.0
MAX_META_HEADERS = 64
MAX_META_HEADER_CHARS = 1_000
EXCERPT_CHARS = 1_000
USER_AGENT = "pilot"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNPROCESSED = frozenset({425, 429})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_BODY_HEADERS = frozenset({"content-type", "content-length", "content-encoding"})


@dataclass(frozen=True, slots=True)
class _Request:
    """A request as it goes out. `private` names the headers that no other origin may see."""

    method: str
    url: httpx.URL
    headers: httpx.Headers
    content: bytes | None
    private: frozenset[str]


async def run(attempt: Attempt[HttpConfig]) -> NodeResult:
    """The output is the response's body; `meta` has `status`, `headers`, `url`, `bytes`."""
    config = await render(attempt.config, attempt.task.scope, secrets=await attempt.secrets())
    seconds = min(attempt.timeout_s or MAX_ATTEMPT_S, MAX_ATTEMPT_S)
    return await call(config, attempt.key, resources.current().http, seconds)


async def call(
    config: HttpConfig, key: str, client: httpx.AsyncClient, seconds: float
) -> NodeResult:
    """Sends the request of a rendered configuration within `seconds`.

    Raises `NodeError`: `invalid_request`, `address_not_allowed`, `http_connect`, `http_tls`,
    `http_timeout`, `http_disconnected`, `http_status`, `too_many_redirects`,
    `response_too_large`, `response_not_json`.
    """
    request = build(config, key)
    repeatable = request.method in IDEMPOTENT_METHODS or config.retry_unsafe
    try:
        async with asyncio.timeout(seconds), _translated(request, repeatable):
            return await _follow(config, request, client, repeatable)
    except TimeoutError:
        raise NodeError(
            f"{request.method} {_shown(request.url)} took longer than {seconds:g} s",
            code="http_timeout",
            retryable=repeatable,
        ) from None


def build(config: HttpConfig, key: str) -> _Request:
    """The first request of a rendered configuration."""
    try:
        url = httpx.URL(_text(config.url).strip())
        if config.query:
            url = url.copy_merge_params(_parameters(config.query))
        headers = httpx.Headers({name: _text(value) for name, value in config.headers.items()})
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
        raise _invalid(f"the request cannot be written: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise _invalid(
            f"{_shown(url)!r} is no address of http or https: it must begin with http:// or "
            "https:// and name a host"
        )
    content = None
    if config.method not in ("GET", "HEAD"):
        content, content_type = request_body(config.body, config.body_type)
        if content_type is not None:
            headers.setdefault("Content-Type", content_type)
    headers.setdefault("Idempotency-Key", key)
    headers.setdefault("User-Agent", USER_AGENT)
    headers["Accept-Encoding"] = "gzip, deflate"
    return _Request(
        method=config.method,
        url=url,
        headers=headers,
        content=content,
        private=_CREDENTIALS | _authenticate(config, headers),
    )


def _text(value: object) -> str:
    """A rendered value where text must stand: a lone `{expression}` kept its type."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _authenticate(config: HttpConfig, headers: httpx.Headers) -> set[str]:
    """Puts the node's credentials into the headers; returns those headers' names."""
    match config.auth:
        case BearerAuth(token=token):
            headers["Authorization"] = f"Bearer {_text(token)}"
        case BasicAuth(username=username, password=password):
            basic = httpx.BasicAuth(_text(username), _text(password))
            headers["Authorization"] = next(
                basic.auth_flow(httpx.Request("GET", "http://basic"))
            ).headers["Authorization"]
        case HeaderAuth(name=name, value=value):
            headers[name] = _text(value)
            return {name.lower()}
    return set()


def _parameters(query: Mapping[str, Any]) -> httpx.QueryParams:
    """Query parameters: a list repeats its name, null leaves it out."""
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in query.items():
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            if isinstance(item, dict | list):
                raise ValueError(f"the query parameter {name!r} is neither a value nor a list")
            pairs.append((name, str(item).lower() if isinstance(item, bool) else str(item)))
    return httpx.QueryParams(pairs)


async def _follow(
    config: HttpConfig, request: _Request, client: httpx.AsyncClient, repeatable: bool
) -> NodeResult:
    for _ in range(MAX_REDIRECTS + 1):
        async with _sent(client, request) as response:
            if config.follow_redirects and response.status_code in _REDIRECTS:
                target = response.headers.get("location")
                if target:
                    request = _redirected(request, response.status_code, target)
                    continue
            return await _result(config, request, response, repeatable)
    raise NodeError(
        f"{_shown(request.url)} redirects more than {MAX_REDIRECTS} times",
        code="too_many_redirects",
    )


@asynccontextmanager
async def _sent(client: httpx.AsyncClient, request: _Request) -> AsyncIterator[httpx.Response]:
    """The response's head; its connection goes back to the pool, or is closed, at the end."""
    response = await client.send(
        client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            # the whole attempt has a limit of its own
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        ),
        stream=True,
    )
    try:
        yield response
    finally:
        await response.aclose()


def _redirected(request: _Request, status: int, location: str) -> _Request:
    """The next request (RFC 9110, 15.4): 303 becomes a GET, 301 and 302 turn a POST into one
    as browsers do, 307 and 308 keep everything. Another origin gets no credentials."""
    try:
        url = request.url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise NodeError(
            f"{_shown(request.url)} redirects to a bad address: {error}", code="bad_redirect"
        ) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise NodeError(
            f"{_shown(request.url)} redirects to {_shown(url)!r}, which is not of http or https",
            code="bad_redirect",
        )
    headers = httpx.Headers(request.headers)
    if _origin(url) != _origin(request.url):
        for name in request.private:
            headers.pop(name, None)
    method, content = request.method, request.content
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, content = "GET", None
        for name in _BODY_HEADERS:
            headers.pop(name, None)
    return _Request(method, url, headers, content, request.private)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host.lower(), port


async def _result(
    config: HttpConfig, request: _Request, response: httpx.Response, repeatable: bool
) -> NodeResult:
    body = await read_body(response)
    status = response.status_code
    meta = {
        "status": status,
        "url": _shown(request.url),
        "headers": _meta_headers(response.headers),
        "bytes": len(body),
    }
    if not any(_in_range(status, wanted) for wanted in config.success):
        raise _bad_status(request, response, body, repeatable, meta)
    return NodeResult(output=response_value(config.response, response, body, meta), meta=meta)


def _bad_status(
    request: _Request,
    response: httpx.Response,
    body: bytes,
    repeatable: bool,
    meta: dict[str, Any],
) -> NodeError:
    status = response.status_code
    excerpt = _excerpt(body)
    reason = f" {response.reason_phrase}" if response.reason_phrase else ""
    message = f"{request.method} {_shown(request.url)} answered {status}{reason}"
    uncertain = status == 408 or status >= 500
    retryable = status in _UNPROCESSED or (uncertain and repeatable)
    return NodeError(
        f"{message}: {excerpt}" if excerpt else message,
        code="http_status",
        retryable=retryable,
        retry_after_s=retry_after_s(response.headers.get("retry-after")) if retryable else None,
        meta={**meta, "body": excerpt},
    )


def _excerpt(body: bytes) -> str:
    text = body[: EXCERPT_CHARS * 4].decode(errors="replace")
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"


def _in_range(status: int, wanted: str) -> bool:
    if wanted.endswith("xx"):
        return status // 100 == int(wanted[0])
    low, _, high = wanted.partition("-")
    return int(low) <= status <= int(high or low)


def _meta_headers(headers: httpx.Headers) -> dict[str, str]:
    """The response's headers, without the cookies it sets, in bounded number and length."""
    kept = [name for name in headers if name != "set-cookie"][:MAX_META_HEADERS]
    return {name: headers[name][:MAX_META_HEADER_CHARS] for name in kept}


def _shown(url: httpx.URL) -> str:
    """A URL without what may be secret in it: its user, its query and its fragment."""
    try:
        return str(url.copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx.InvalidURL, ValueError, TypeError):
        return f"{url.scheme}://{url.host}"


def _invalid(message: str) -> NodeError:
    return NodeError(message, code="invalid_request")


@asynccontextmanager
async def _translated(request: _Request, repeatable: bool) -> AsyncIterator[None]:
    """Turns httpx's errors into ours."""
    what = f"{request.method} {_shown(request.url)}"
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        if _is_certificate_error(error):
            raise NodeError(f"{what}: {_reason(error)}", code="http_tls") from None
        raise NodeError(
            f"{what}: no connection: {_reason(error)}", code="http_connect", retryable=True
        ) from None
    except httpx.TimeoutException as error:
        raise NodeError(
            f"{what} timed out: {_reason(error)}", code="http_timeout", retryable=repeatable
        ) from None
    except httpx.TransportError as error:
        raise NodeError(
            f"{what}: the connection broke: {_reason(error)}",
            code="http_disconnected",
            retryable=repeatable,
        ) from None
    except (httpx.InvalidURL, UnicodeError) as error:
        raise _invalid(f"{what} cannot be sent: {error}") from None


def _is_certificate_error(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


http = node_activity("http", HttpConfig)(run)
