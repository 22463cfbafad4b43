"""Dify's http-request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilot.convert.cel import Place, slot
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.scope import rows_of

_ALL_ANSWERS = ["1xx", "2xx", "3xx", "4xx", "5xx"]
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


def outputs_of_http(node: DifyNode) -> dict[str, Place]:
    """Dify's body is a text; so it is asked for as one here."""
    meta = Place(("nodes", node.node_id, "meta"), node.node_id)
    return {
        "body": Place(("nodes", node.node_id, "output"), node.node_id),
        "status_code": meta.under("status"),
        "headers": meta.under("headers"),
    }


def http_request(node: DifyNode, build: Build) -> None:
    """The body comes as a text, and any status is an answer unless the node retries or has an
    error strategy: as in Dify."""
    data, account = node.data, build.scope.account
    method = str(data.get("method") or "get").upper()
    config: dict[str, Any] = {
        "method": method if method in _METHODS else "GET",
        "url": build.scope.template(data.get("url"), node.source, "url"),
        "response": "text",
    }
    if method not in _METHODS:
        account.dropped(
            f"no method {method}",
            node.source,
            "method",
            severity="error",
            action="choose one of the http node's methods",
        )
    headers = dict(_lines(data.get("headers"), node, build, "headers"))
    query = dict(_lines(data.get("params"), node, build, "params"))
    _body(node, build, config, headers)
    if headers:
        config["headers"] = headers
    if query:
        config["query"] = query
    auth = _auth(node, build)
    if auth is not None:
        config["auth"] = auth
    retry = data.get("retry_config")
    retries = isinstance(retry, dict) and (retry.get("retry_enabled") or retry.get("enabled"))
    if not (retries or data.get("error_strategy")):
        config["success"] = _ALL_ANSWERS
    if data.get("ssl_verify") is False:
        account.dropped(
            "certificates are always checked here",
            node.source,
            "ssl_verify",
            action="have a certificate that the worker trusts",
        )
    beside: dict[str, Any] = {}
    given = data.get("timeout")
    if isinstance(given, dict):
        read = given.get("read") or given.get("max_read_timeout") or 0
        connect = given.get("connect") or given.get("max_connect_timeout") or 0
        if isinstance(connect, int | float) and connect > 0:
            config["connect_timeout_s"] = min(connect, 60)
        if isinstance(read, int | float) and read > 0:
            beside["timeout_s"] = read
    build.add(node, "http", config, **beside)


def _lines(text: Any, node: DifyNode, build: Build, field: str) -> Iterator[tuple[str, str]]:
    """`name:value` lines. A name is no template here."""
    for line in str(text or "").splitlines():
        name, _, value = line.partition(":")
        if not name.strip():
            continue
        if "{{#" in name:
            build.scope.account.dropped(
                "a name of a header or parameter cannot be a template",
                node.source,
                field,
                original=line,
                severity="error",
                action="write the name as it is",
            )
            continue
        yield name.strip(), build.scope.template(value.strip(), node.source, field)


def _body(node: DifyNode, build: Build, config: dict[str, Any], headers: dict[str, str]) -> None:
    body = node.data.get("body")
    if not isinstance(body, dict):
        return
    kind, data = str(body.get("type") or "none"), body.get("data")
    match kind:
        case "none":
            return
        case "raw-text" | "json":
            config["body_type"] = "raw"
            config["body"] = build.scope.template(_text(data), node.source, "body.data")
            if kind == "json" and "content-type" not in {name.lower() for name in headers}:
                headers["Content-Type"] = "application/json"
        case "x-www-form-urlencoded" | "form-data":
            config["body_type"] = "form" if kind.startswith("x") else "multipart"
            config["body"] = _form(data, node, build)
        case _:
            build.scope.account.dropped(
                f"a body of type {kind} is not carried",
                node.source,
                "body",
                original=str(data),
                severity="error",
                action="send it as JSON, a form or raw",
            )


def _text(data: Any) -> str:
    if isinstance(data, str):
        return data
    return "".join(str(one.get("value") or "") for one in rows_of(data))


def _form(data: Any, node: DifyNode, build: Build) -> dict[str, str]:
    if isinstance(data, str):
        return dict(_lines(data, node, build, "body.data"))
    form: dict[str, str] = {}
    for one in rows_of(data):
        name = str(one.get("key") or "")
        if one.get("type") == "file" and isinstance(one.get("file"), list):
            form[name] = slot(build.scope.value(one["file"], node.source, "body.data"))
        elif name:
            form[name] = build.scope.template(one.get("value"), node.source, "body.data")
    return form


def _auth(node: DifyNode, build: Build) -> dict[str, str] | None:
    given = node.data.get("authorization")
    inner = given.get("config") if isinstance(given, dict) else None
    if not isinstance(given, dict) or given.get("type") != "api-key" or not isinstance(inner, dict):
        return None
    key = _key(node, build, inner)
    match inner.get("type"):
        case "bearer":
            return {"type": "bearer", "token": key}
        case "custom":
            name = str(inner.get("header") or "Authorization")[:200]
            return {"type": "header", "name": name, "value": key}
    build.scope.account.approximated(
        "Dify encodes `user:password` itself; here the secret is what stands after `Basic `",
        node.source,
        "authorization",
        action="store user:password in base64",
    )
    return {"type": "header", "name": "Authorization", "value": f"Basic {key}"}


def _key(node: DifyNode, build: Build, inner: Mapping[str, Any]) -> str:
    """A key that stands in the file is not carried: it becomes the name of a secret."""
    key = str(inner.get("api_key") or "")
    if "{{#" in key:
        return build.scope.template(key, node.source, "authorization.api_key")
    name = f"{node.node_id.upper()}_API_KEY"[:64]
    build.scope.account.dropped(
        "the key is not carried",
        node.source,
        "authorization.api_key",
        severity="error",
        action=f"store it as the secret {name}",
    )
    return slot(f"secrets.{name}")
