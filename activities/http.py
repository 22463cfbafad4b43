"""http: one HTTP request, its redirects followed by hand.

When an attempt fails, whether Temporal may repeat it depends on what the server may have
done with it:

- no connection was made: any method is repeated;
- 429 and 425 say that the request was not processed (RFC 6585, RFC 8470): any method;
- 408, other 5xx, a timeout or a cut connection leave it open: only GET, HEAD, OPTIONS, PUT
  and DELETE, and others where the node says `retry_unsafe`;
- so does a worker that was lost (`activities.http_journal`), or is stopped.

`Retry-After` becomes the delay before the next attempt, at most an hour. Every request
carries an `Idempotency-Key` that is the same for all attempts of the node.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx

from activities import resources
from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from activities.failures import is_cut_off
from activities.http_body import read_body, response_value
from activities.http_journal import once
from activities.http_large import large_output
from activities.http_request import (
    REDIRECTS,
    Request,
    build,
    invalid_request,
    redirected,
    secret_headers,
    shown,
)
from activities.kept import Large, may_keep
from activities.retry_after import retry_after_s
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.http import IDEMPOTENT_METHODS, HttpConfig, ResponseType
from pilot.payloads.sizes import Sizes
from pilot.payloads.spool import Spool

MAXREDIRECTS = 10
MAX_ATTEMPT_S = 600.0
MAX_META_HEADERS = 64
MAX_META_HEADER_CHARS = 1_000
EXCERPT_CHARS = 1_000

_UNPROCESSED = frozenset({425, 429})

Keep = Callable[[ResponseType, httpx.Response, Spool, Sizes], Large | None]
"""`activities.http_large.large_output`, for one attempt."""


async def run(attempt: Attempt[HttpConfig]) -> NodeResult:
    """The output is the response's body; `meta` has `status`, `headers`, `url`, `bytes`."""
    secret = secret_headers(attempt.config)
    config = await render(attempt.config, attempt.task.scope, secrets=await attempt.secrets())
    seconds = min(attempt.timeout_s or MAX_ATTEMPT_S, MAX_ATTEMPT_S)
    request = build(config, attempt.key, secret)
    keep: Keep | None = None
    if may_keep(attempt.task):
        keep = partial(
            large_output, scrubber=attempt.scrubber, execution_id=attempt.task.execution_id
        )

    async def send() -> NodeResult:
        return await call(config, request, resources.current().http, seconds, keep)

    return await send() if is_repeatable(config) else await once(attempt, send)


def is_repeatable(config: HttpConfig) -> bool:
    """Whether the request may be sent again when nobody knows what became of it."""
    return config.method in IDEMPOTENT_METHODS or config.retry_unsafe


async def call(
    config: HttpConfig,
    request: Request,
    client: httpx.AsyncClient,
    seconds: float,
    keep: Keep | None = None,
) -> NodeResult:
    """Sends the request of a rendered configuration within `seconds`. With `keep` a large body is
    never held whole.

    Raises `NodeError`: `invalid_request`, `address_not_allowed`, `port_not_allowed`,
    `http_connect`, `http_tls`, `http_timeout`, `http_disconnected`, `http_outcome_unknown`,
    `http_status`, `bad_redirect`, `too_many_redirects`, `bad_response`, `response_too_large`,
    `response_not_json`.
    """
    repeatable = is_repeatable(config)
    try:
        async with asyncio.timeout(seconds), _translated(request, repeatable):
            return await _follow(config, request, client, repeatable, keep)
    except TimeoutError:
        raise NodeError(
            f"{request.method} {shown(request.url)} took longer than {seconds:g} s",
            code="http_timeout",
            retryable=repeatable,
        ) from None
    except asyncio.CancelledError:
        if repeatable or not is_cut_off():
            raise
        raise NodeError(
            f"{request.method} {shown(request.url)} was under way when its worker was stopped: it "
            "may have been processed, so it is not repeated (see retry_unsafe)",
            code="http_outcome_unknown",
        ) from None


async def _follow(
    config: HttpConfig,
    request: Request,
    client: httpx.AsyncClient,
    repeatable: bool,
    keep: Keep | None,
) -> NodeResult:
    for _ in range(MAXREDIRECTS + 1):
        async with _sent(client, request, config.connect_timeout_s) as response:
            if config.follow_redirects and response.status_code in REDIRECTS:
                target = response.headers.get("location")
                if target:
                    request = redirected(request, response.status_code, target)
                    continue
            return await _result(config, request, response, repeatable, keep)
    raise NodeError(
        f"{shown(request.url)} redirects more than {MAXREDIRECTS} times",
        code="too_many_redirects",
    )


@asynccontextmanager
async def _sent(
    client: httpx.AsyncClient, request: Request, connect_s: float
) -> AsyncIterator[httpx.Response]:
    """The response's head; its connection goes back to the pool, or is closed, at the end."""
    response = await client.send(
        client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            # the whole attempt has a limit of its own
            timeout=httpx.Timeout(None, connect=connect_s),
        ),
        stream=True,
    )
    try:
        yield response
    finally:
        await response.aclose()


async def _result(
    config: HttpConfig,
    request: Request,
    response: httpx.Response,
    repeatable: bool,
    keep: Keep | None,
) -> NodeResult:
    sizes = resources.sizes()
    body = await read_body(
        response, sizes, is_head=request.method == "HEAD", spools=keep is not None
    )
    status = response.status_code
    meta = {
        "status": status,
        "url": shown(request.url),
        "headers": _meta_headers(response.headers),
        "bytes": len(body),
    }
    if not any(_in_range(status, wanted) for wanted in config.success):
        raise _bad_status(request, response, body, repeatable, meta)
    if isinstance(body, Spool):
        assert keep is not None
        large = await asyncio.to_thread(keep, config.response, response, body, sizes)
        if large is not None:
            return NodeResult(output=large, meta=meta)
        body = body.read()
    output = response_value(config.response, response, body, meta, sizes)
    return NodeResult(output=output, meta=meta)


def _bad_status(
    request: Request,
    response: httpx.Response,
    body: bytes | Spool,
    repeatable: bool,
    meta: dict[str, Any],
) -> NodeError:
    status = response.status_code
    excerpt = _excerpt(body)
    reason = f" {response.reason_phrase}" if response.reason_phrase else ""
    message = f"{request.method} {shown(request.url)} answered {status}{reason}"
    uncertain = status == 408 or status >= 500
    retryable = status in _UNPROCESSED or (uncertain and repeatable)
    return NodeError(
        f"{message}: {excerpt}" if excerpt else message,
        code="http_status",
        retryable=retryable,
        retry_after_s=retry_after_s(response.headers.get("retry-after")) if retryable else None,
        meta={**meta, "body": excerpt},
    )


def _excerpt(body: bytes | Spool) -> str:
    size = EXCERPT_CHARS * 4
    begun = body.read(0, size) if isinstance(body, Spool) else body[:size]
    text = begun.decode(errors="replace")
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


@asynccontextmanager
async def _translated(request: Request, repeatable: bool) -> AsyncIterator[None]:
    """Turns httpx's errors into ours."""
    what = f"{request.method} {shown(request.url)}"
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
        raise invalid_request(f"{what} cannot be sent: {error}") from None


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
