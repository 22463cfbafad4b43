"""The request of an http node: from its configuration, and from one redirect to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from activities.http_body import request_body
from pilot.errors import NodeError
from pilot.graph.templates import parse_template
from pilot.graph.values import as_text
from pilot.nodes.http import BasicAuth, BearerAuth, HeaderAuth, HttpConfig

USER_AGENT = "pilot"

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "api-key",
        "x-api-key",
        "x-auth-token",
        "x-access-token",
    }
)
_BODY_HEADERS = frozenset({"content-type", "content-length", "content-encoding"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes out. `private` names the headers that no other origin may see."""

    method: str
    url: httpx.URL
    headers: httpx.Headers
    content: bytes | None
    private: frozenset[str]


def secret_headers(config: HttpConfig) -> frozenset[str]:
    """The headers of a configuration, not yet rendered, that are given a secret."""
    return frozenset(
        name.lower()
        for name, text in config.headers.items()
        if any(
            reference.root == "secrets"
            for slot in parse_template(text).slots
            for reference in slot.expression.references
        )
    )


def build(config: HttpConfig, key: str, secret: Iterable[str] = ()) -> Request:
    """The first request of a rendered configuration; `secret` names headers that hold one."""
    try:
        url = httpx.URL(as_text(config.url).strip())
        if config.query:
            url = url.copy_merge_params(_parameters(config.query))
        headers = httpx.Headers({name: as_text(value) for name, value in config.headers.items()})
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
        raise invalid_request(f"the request cannot be written: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise invalid_request(
            f"{shown(url)!r} is no address of http or https: it must begin with http:// or "
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
    return Request(
        method=config.method,
        url=url,
        headers=headers,
        content=content,
        private=_CREDENTIALS | frozenset(secret) | _authenticate(config, headers),
    )


def _authenticate(config: HttpConfig, headers: httpx.Headers) -> set[str]:
    """Puts the node's credentials into the headers; returns those headers' names."""
    match config.auth:
        case BearerAuth(token=token):
            headers["Authorization"] = f"Bearer {as_text(token)}"
        case BasicAuth(username=username, password=password):
            basic = httpx.BasicAuth(as_text(username), as_text(password))
            headers["Authorization"] = next(
                basic.auth_flow(httpx.Request("GET", "http://basic"))
            ).headers["Authorization"]
        case HeaderAuth(name=name, value=value):
            headers[name] = as_text(value)
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


def redirected(request: Request, status: int, location: str) -> Request:
    """The next request (RFC 9110, 15.4): 303 becomes a GET, 301 and 302 turn a POST into one
    as browsers do, 307 and 308 keep everything. Another origin gets no credentials."""
    try:
        url = request.url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise NodeError(
            f"{shown(request.url)} redirects to a bad address: {error}", code="bad_redirect"
        ) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise NodeError(
            f"{shown(request.url)} redirects to {shown(url)!r}, which is not of http or https",
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
    return Request(method, url, headers, content, request.private)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host.lower(), port


def shown(url: httpx.URL) -> str:
    """A URL without what may be secret in it: its user, its query and its fragment."""
    try:
        return str(url.copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx.InvalidURL, ValueError, TypeError):
        return f"{url.scheme}://{url.host}"


def invalid_request(message: str) -> NodeError:
    return NodeError(message, code="invalid_request")
