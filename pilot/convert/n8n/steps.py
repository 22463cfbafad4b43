"""n8n's other nodes: If, Filter, Switch, Set, Wait, Respond to Webhook."""

from __future__ import annotations

import json
import math
from typing import Any

from pilot.convert.cel import slot
from pilot.convert.document import real, whole
from pilot.convert.n8n.build import Build, N8nNode, rows_of
from pilot.convert.n8n.conditions import filter_expression, old_expression, written
from pilot.convert.n8n.expression import Translation
from pilot.convert.n8n.views import At, Fields, Items
from pilot.nodes.cases import MAX_CASES

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_TYPED = {"stringValue": "string", "numberValue": "number", "booleanValue": "boolean"}


def if_(node: N8nNode, build: Build) -> None:
    build.add(node, "condition", {"expression": _holds(node, build)})
    build.handles |= {(node.name, 0): "true", (node.name, 1): "false"}
    build.pass_on(node)


def filter_(node: N8nNode, build: Build) -> None:
    build.add(node, "condition", {"expression": _holds(node, build)})
    build.handles[node.name, 0] = "true"
    build.pass_on(node)


def _holds(node: N8nNode, build: Build) -> str:
    given = node.parameters.get("conditions")
    if isinstance(given, dict) and "conditions" in given:
        return filter_expression(given, node, build, "conditions")
    joiner = str(
        node.parameters.get("combineOperation") or node.parameters.get("combineConditions")
    )
    return old_expression(given, joiner.lower().replace("or", "any"), node, build, "conditions")


def switch(node: N8nNode, build: Build) -> None:
    """Rules in order: the first that holds, or all that do."""
    given = node.parameters
    if given.get("mode") == "expression":
        _by_number(node, build)
        return
    cases: list[tuple[int, str]] = []
    modern = rows_of(given, "rules", "values")
    for index, one in enumerate(modern):
        expression = filter_expression(one.get("conditions"), node, build, f"rules[{index}]")
        cases.append((index, expression))
    for index, one in enumerate([] if modern else rows_of(given, "rules", "rules")):
        kind = str(given.get("dataType") or "number")
        expression = written(
            str(one.get("operation") or ("equal" if kind != "number" else "smaller")),
            kind, given.get("value1"), one.get("value2"), node, build, f"rules[{index}]",
        )  # fmt: skip
        cases.append((whole(one.get("output"), 0), expression))
    for index, (output, _) in enumerate(cases):
        build.handles.setdefault((node.name, output), f"case_{index + 1}")
    # several rules may lead to one output: they are one case
    merged: dict[int, list[str]] = {}
    for output, expression in cases:
        merged.setdefault(output, []).append(expression)
    config = [
        {
            "handle": build.handles[node.name, output],
            "expression": " || ".join(f"({one})" for one in found) if len(found) > 1 else found[0],
        }
        for output, found in merged.items()
    ]
    fallback = given.get("fallbackOutput", node.options.get("fallbackOutput"))
    if fallback == "extra":
        build.handles[node.name, len(modern)] = "else"
    elif isinstance(fallback, int) and fallback >= 0:
        build.handles[node.name, fallback] = build.handles.get((node.name, fallback), "else")
        if fallback in merged:
            build.account.dropped(
                "the fallback is an output of a rule too",
                node.source, "fallbackOutput", original=str(fallback),
                action="connect the handle `else` by hand",
            )  # fmt: skip
    if not config:
        build.placeholder(node, "a switch without rules")
        return
    mode = "all" if node.options.get("allMatchingOutputs") else "first"
    build.add(node, "switch", {"cases": config, "mode": mode})
    build.pass_on(node)


def _by_number(node: N8nNode, build: Build) -> None:
    """An expression that gives the output's number."""
    given = node.parameters
    count = given.get("numberOutputs", given.get("outputsAmount", 4))
    count = count if isinstance(count, int) else 4
    found = build.value(given.get("output"), node, "output")
    if found.kind not in ("number", "path", "other") or not 0 < count <= MAX_CASES:
        build.placeholder(
            node,
            "which output it takes is no number that can be read",
            "write its cases in a switch node",
        )
        return
    cases = []
    for output in range(count):
        handle = build.handles[node.name, output] = f"case_{output + 1}"
        cases.append({"handle": handle, "expression": f"double({found.text}) == {output}.0"})
    build.account.approximated(
        "a number that is none of its outputs is an error in n8n; here the handle `else` is taken",
        node.source,
        "output",
        severity="info",
        action="connect `else` where that may happen",
    )
    build.add(node, "switch", {"cases": cases})
    build.pass_on(node)


def set_(node: N8nNode, build: Build) -> None:
    """Fields of an item: one variable that is an object. With the fields that were there before,
    the variable is first those, and then merged with the new ones."""
    given = node.parameters
    name = node.node_id
    if given.get("mode") == "raw":
        fields = _raw(given.get("jsonOutput"), node, build, "jsonOutput")
        keeps = bool(given.get("includeOtherFields"))
    else:
        fields, keeps = _fields(node, build), _keeps(node)
    if not isinstance(fields, dict):
        build.placeholder(node, "its JSON cannot be read before its expressions are filled in")
        return
    before = build.through(node)
    if not keeps or before is None:
        build.add(node, "variable", {"assignments": {name: fields}})
    else:
        whole = slot(build.whole(before, node))
        build.add(node, "variable", {"assignments": {name: whole}})
        merged = {"assignments": {name: fields}, "operations": {name: "merge"}}
        build.after(node, "fields", "variable", {"name": f"{node.name}: fields"[:200], **merged})
    build.views[node.name] = build.variable(node)


def _keeps(node: N8nNode) -> bool:
    given = node.parameters
    if "includeOtherFields" in given:
        return bool(given["includeOtherFields"])
    if node.version < 3:
        return not given.get("keepOnlySet")
    if node.version < 3.3:
        return bool(given.get("include", "all") != "none")
    return False  # from 3.3 on the fields that were there are kept only where it is asked for


def _fields(node: N8nNode, build: Build) -> dict[str, Any]:
    """The fields by name; a dotted name is a field inside an object, unless it is switched off."""
    given = node.parameters
    pairs: list[tuple[str, str, Any]] = [
        (str(one.get("name")), str(one.get("type") or "string"), one.get("value"))
        for one in rows_of(given, "assignments", "assignments")
    ]
    for one in rows_of(given, "fields", "values"):
        kind = str(one.get("type") or "stringValue")
        pairs.append((str(one.get("name")), _TYPED.get(kind, "other"), one.get(kind)))
    for kind in ("string", "number", "boolean"):
        pairs += [
            (str(one.get("name")), kind, one.get("value")) for one in rows_of(given, "values", kind)
        ]
    dotted = node.options.get("dotNotation", True)
    fields: dict[str, Any] = {}
    for name, kind, value in pairs:
        at, path = fields, name.split(".") if dotted else [name]
        for part in path[:-1]:
            inner = at.setdefault(part, {})
            at = inner if isinstance(inner, dict) else at
        at[path[-1]] = _typed(kind, value, node, build, f"fields.{name}")
    return fields


def _typed(kind: str, value: Any, node: N8nNode, build: Build, field: str) -> Any:
    if isinstance(value, str) and value.startswith("="):
        template = build.template(value, node, field)
        if kind == "string" and template.startswith("{") and template.endswith("}"):
            found: Translation = build.value(value, node, field)
            # n8n makes a text of what a field of type string is given
            return template if found.kind in ("string", "path") else slot(f"string({found.text})")
        return template
    if kind == "number":
        try:
            number = float(value)
        except (TypeError, ValueError):
            return build.template(value, node, field)
        return int(number) if number.is_integer() else number if math.isfinite(number) else value
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if kind in ("array", "object") and isinstance(value, str):
        try:
            return build.template(json.loads(value), node, field)
        except (ValueError, RecursionError):
            return build.template(value, node, field)
    return build.template(value, node, field)


def _raw(text: Any, node: N8nNode, build: Build, field: str) -> Any:
    """JSON with templates inside; None where the text is none before it is filled in."""
    if not isinstance(text, str):
        return build.template(text, node, field)
    try:
        return build.json_text(text, node, field)
    except ValueError:
        return None


def wait(node: N8nNode, build: Build) -> None:
    """A while, a time, or a call of its webhook. A form's is not carried."""
    given = node.parameters
    unit = str(given.get("unit") or ("hours" if node.version < 1.1 else "seconds"))
    match given.get("resume", "timeInterval"):
        case "timeInterval" if unit in _SECONDS:
            amount = given.get("amount", 1 if node.version < 1.1 else 5)
            config = {"duration": _span(amount, unit, node, build, "amount")}
        case "specificTime" if given.get("dateTime"):
            config = {"until": build.template(given["dateTime"], node, "dateTime")}
        case "webhook":
            _wait_for_call(node, build)
            return
        case other:
            build.placeholder(
                node,
                f"a wait that is resumed by {other} is not carried",
                "ask by an approval node, or wait for a webhook",
            )
            return
    build.add(node, "wait", config)
    build.pass_on(node)


def has_webhook(node: N8nNode) -> bool:
    return node.parameters.get("resume") == "webhook"


def _span(amount: Any, unit: str, node: N8nNode, build: Build, field: str) -> Any:
    """A span of time in seconds, or a template that gives it."""
    if isinstance(amount, str):
        value = build.value(amount, node, field).text
        return slot(f"double({value}) * {_SECONDS[unit]}.0")
    return real(amount, 1) * _SECONDS[unit]


def _wait_for_call(node: N8nNode, build: Build) -> None:
    """Its json is then the call: of that πlot keeps the body."""
    given = node.parameters
    config: dict[str, Any] = {"webhook": True}
    if given.get("limitWaitTime"):
        unit = str(given.get("resumeUnit") or "hours")
        if given.get("limitType", "afterTimeInterval") != "afterTimeInterval":
            build.placeholder(
                node,
                "a wait for a call until a given time is not carried",
                "wait for a webhook with a `timeout`",
            )
            return
        amount = given.get("resumeAmount", 1)
        config["timeout"] = _span(
            amount, unit if unit in _SECONDS else "hours", node, build, "resumeAmount"
        )
        build.also[node.name, 0] = "timeout"
        build.account.approximated(
            "after its time n8n goes on with the item that came in; here the handle `timeout` "
            "leads on, and there is no body",
            node.source, "limitWaitTime", action="give the handle `timeout` a branch of its own",
        )  # fmt: skip
    method = given.get("httpMethod", "GET")
    build.account.approximated(
        "the call's body is kept, its headers and query are not"
        + ("" if method == "POST" else f"; n8n waits for {method}, and here a POST is waited for"),
        node.source, "httpMethod", original=str(method),
        severity="info" if method == "POST" else "warning",
        action=f"send {{hooks.{node.node_id}}} to whoever answers; they POST JSON to it",
    )  # fmt: skip
    build.add(node, "wait", config)
    build.views[node.name] = Fields({"body": build.own(node)})


def respond(node: N8nNode, build: Build) -> None:
    """What the webhook answers is what the execution answers."""
    given = node.parameters
    kind = str(given.get("respondWith") or "firstIncomingItem")
    view = build.through(node)
    if isinstance(view, Items) and kind != "allIncomingItems":
        build.narrow(node, At(view.at.place.under(0)))
    if kind == "noData":
        value: Any = None
    elif kind in ("json", "text") and "responseBody" in given:
        text = given["responseBody"]
        value = _raw(text, node, build, "responseBody") if kind == "json" else None
        if value is None:
            value = build.template(text, node, "responseBody")
    else:
        value = slot(build.whole(build.through(node), node))
    code = node.options.get("responseCode")
    if code not in (None, 200) or node.options.get("responseHeaders"):
        build.account.dropped(
            "an execution's answer has no status or headers of its own", node.source, "options",
            original=json.dumps(dict(node.options)),
            action="have the caller read them in the answer",
        )  # fmt: skip
    build.add(node, "output", {"value": value})
