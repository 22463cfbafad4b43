"""n8n's HTTP Request, versions 1 to 4."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pilot.convert.cel import Place, slot
from pilot.convert.n8n.build import Build, N8nNode, rows_of
from pilot.convert.n8n.views import At, Fields

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_STRINGIFIED = re.compile(r"=\s*\{\{\s*JSON\.stringify\((.*)\)\s*\}\}\s*", re.DOTALL)
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9]+")
_LOST = ("batching", "pagination", "proxy", "allowUnauthorizedCerts", "lowercaseHeaders")


def http_request(node: N8nNode, build: Build) -> None:
    """Its json is the answer's body; with `fullResponse` {body, headers, statusCode}."""
    given = node.parameters
    method = str(
        build.template(given.get("method", given.get("requestMethod", "GET")), node, "method")
    )
    config: dict[str, Any] = {"url": build.template(given.get("url"), node, "url")}
    if method in _METHODS:
        config["method"] = method
    else:
        build.account.dropped(
            "the method is no template here", node.source, "method", original=method,
            severity="error", action="branch by a switch, with an http node a method",
        )  # fmt: skip
        config["method"] = "POST"
    query = _pairs(node, build, "query")
    headers = {name: str(value) for name, value in _pairs(node, build, "header").items()}
    _body(node, build, config, headers)
    if query:
        config["query"] = query
    if headers:
        config["headers"] = headers
    auth = _auth(node, build)
    if auth is not None:
        config["auth"] = auth
    beside: dict[str, Any] = {}
    timeout = node.options.get("timeout")
    if isinstance(timeout, int | float) and timeout > 0:
        beside["timeout_s"] = timeout / 1000
    _options(node, build, config)
    build.add(node, "http", config, **beside)
    _view(node, build, config)


def _view(node: N8nNode, build: Build, config: Mapping[str, Any]) -> None:
    response = _response(node)
    body = build.own(node)
    if response.get("fullResponse") or node.options.get("fullResponse"):
        meta = Place(("nodes", node.node_id, "meta"), node.node_id)
        build.views[node.name] = Fields(
            {
                "body": body,
                "headers": At(meta.under("headers")),
                "statusCode": At(meta.under("status")),
            }
        )
    elif config.get("response") == "text":
        name = (
            response.get("outputPropertyName") or node.parameters.get("dataPropertyName") or "data"
        )
        build.views[node.name] = Fields({str(name): body})


def _response(node: N8nNode) -> Mapping[str, Any]:
    outer = node.options.get("response")
    inner = outer.get("response") if isinstance(outer, dict) else None
    return inner if isinstance(inner, dict) else {}


def _options(node: N8nNode, build: Build, config: dict[str, Any]) -> None:
    response = _response(node)
    wanted = response.get("responseFormat", node.parameters.get("responseFormat"))
    kind = {"text": "text", "string": "text", "json": "json", "file": "file"}.get(str(wanted))
    if kind is not None:
        config["response"] = kind
    if response.get("neverError"):
        config["success"] = ["1xx", "2xx", "3xx", "4xx", "5xx"]
    for name in _LOST:
        if node.options.get(name):
            build.account.dropped(
                f"the option {name} is not carried",
                node.source,
                f"options.{name}",
                original=json.dumps(node.options[name]),
                action="do it around the node: pages by a loop, batches by a map",
            )


def _pairs(node: N8nNode, build: Build, what: str) -> dict[str, Any]:
    """Parameters or headers: rows of {name, value}, or a JSON text."""
    given = node.parameters
    kind = "Query" if what == "query" else "Headers"
    modern, old = f"{what}Parameters", f"{what}ParametersUi"
    if given.get(f"specify{kind}") == "json" or given.get("jsonParameters"):
        text = given.get(f"json{kind}") or given.get(f"{what}ParametersJson")
        found = _json(text, node, build, f"json{kind}") if text else None
        return found if isinstance(found, dict) else {}
    pairs = [*rows_of(given, modern, "parameters"), *rows_of(given, old, "parameter")]
    return {
        str(one.get("name")): build.template(one.get("value"), node, f"{modern}.{one.get('name')}")
        for one in pairs
        if one.get("name")
    }


def _json(text: Any, node: N8nNode, build: Build, field: str) -> Any:
    """A JSON text whose values may be expressions. None, and said, where it is none."""
    if not isinstance(text, str):
        return build.template(text, node, field)
    try:
        return build.json_text(text, node, field)
    except ValueError:
        build.account.dropped(
            "this is no JSON before its expressions are filled in",
            node.source,
            field,
            original=text,
            severity="error",
            action="write the JSON with templates in its values",
        )
        return None


def _body(node: N8nNode, build: Build, config: dict[str, Any], headers: dict[str, str]) -> None:
    given = node.parameters
    rows = [
        *rows_of(given, "bodyParameters", "parameters"),
        *rows_of(given, "bodyParametersUi", "parameter"),
    ]
    text = given.get("jsonBody") or given.get("bodyParametersJson")
    if not (given.get("sendBody") or rows or text):
        return
    kind = str(given.get("contentType") or given.get("bodyContentType") or "json")
    as_json = given.get("specifyBody") == "json" or given.get("jsonParameters")
    if kind == "json" and as_json and isinstance(text, str):
        whole = _STRINGIFIED.fullmatch(text)
        if whole is not None:
            config["body"] = slot(build.expression(whole[1], node, "jsonBody").text)
        elif re.fullmatch(r"=\s*\{\{[^{}]*\}\}\s*", text):
            config["body"] = str(build.template(text, node, "jsonBody")).strip()
        else:
            # n8n fills the expressions into the text; so it goes out as a text
            config["body"] = build.template(text, node, "jsonBody")
            config["body_type"] = "raw"
            headers.setdefault("Content-Type", "application/json")
    elif kind == "raw":
        config["body"] = build.template(given.get("body"), node, "body")
        config["body_type"] = "raw"
        if given.get("rawContentType"):
            headers.setdefault("Content-Type", str(given["rawContentType"]))
    elif kind in ("json", "form-urlencoded", "multipart-form-data"):
        config["body_type"] = {"json": "json", "form-urlencoded": "form"}.get(kind, "multipart")
        config["body"] = {
            str(one.get("name")): build.template(one.get("value"), node, f"body.{one.get('name')}")
            for one in rows
            if one.get("name")
        }
    else:
        build.account.dropped(
            f"a body of type {kind} is not carried", node.source, "contentType", original=kind,
            severity="error", action="send it as JSON, a form or raw",
        )  # fmt: skip


def _auth(node: N8nNode, build: Build) -> dict[str, str] | None:
    """A credential by its name: n8n's file has no value of one, and neither has the graph."""
    given = node.parameters
    way = given.get("authentication")
    if way in (None, "none"):
        return None
    kind = str(given.get("genericAuthType") or given.get("nodeCredentialType") or way)
    credentials = node.given.get("credentials")
    credential = credentials.get(kind) if isinstance(credentials, dict) else None
    named = credential.get("name") if isinstance(credential, dict) else None
    name = (
        _NOT_IN_NAMES.sub("_", str(named or f"{node.node_id} key").upper()).strip("_")[:50] or "KEY"
    )
    if name[0].isdigit():
        name = f"KEY_{name}"
    build.account.dropped(
        f"the credential {named or kind!r} is not carried",
        node.source,
        "authentication",
        original=kind,
        severity="warning" if kind in ("httpBearerAuth", "httpBasicAuth") else "error",
        action=f"store it as the secret {name}, and see that `auth` is of its kind",
    )
    if kind in ("httpBasicAuth", "basicAuth"):
        return {
            "type": "basic",
            "username": f"{{secrets.{name}_USER}}",
            "password": f"{{secrets.{name}_PASSWORD}}",
        }
    if kind in ("httpHeaderAuth", "headerAuth"):
        return {"type": "header", "name": "Authorization", "value": f"{{secrets.{name}}}"}
    return {"type": "bearer", "token": f"{{secrets.{name}}}"}
