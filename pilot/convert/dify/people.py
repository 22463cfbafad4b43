"""Dify's human input: people fill in a form and press one of its buttons.

https://github.com/langgenius/dify/tree/main/api (nodes/human_input): what is filled in stands by
its name in the node's outputs, `__action_id` is the button, and the node's handle is the button's
id, or `__timeout`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pilot.convert.cel import Place, literal
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.scope import rows_of
from pilot.convert.document import real
from pilot.nodes.approval import APPROVED, REJECTED
from pilot.nodes.wait import TIMEOUT_HANDLE

_SECONDS = {"hour": 3600, "day": 86_400}
_FIELD = re.compile(r"\{\{#\$output\.([A-Za-z_][A-Za-z0-9_]{0,63})#\}\}")
_REFUSES = re.compile(r"reject|refuse|deny|decline|disapprove|拒绝|驳回", re.IGNORECASE)
_TEXTS = ("paragraph", "text-input", "text_input", "select")


def outputs(node: DifyNode) -> dict[str, Place]:
    values = Place(("nodes", node.node_id, "output", "values"), node.node_id)
    found = {name: values.under(name) for name in _names(node)}
    if _refusal(node) is None:
        found["__action_id"] = values.under(_action_field(node))
    return found


def human_input(node: DifyNode, build: Build) -> None:
    """An approval whose form asks for the fields and, where there is a choice, for the button;
    a switch behind it has a handle a button."""
    data, account = node.data, build.scope.account
    content = _FIELD.sub(lambda match: f"[{match[1]}]", str(data.get("form_content") or ""))
    amount = real(data.get("timeout"), 36)
    unit = _SECONDS.get(str(data.get("timeout_unit") or "hour"), 3600)
    config: dict[str, Any] = {
        "title": (node.source.name or "Human input")[:1000].replace("{", "{{").replace("}", "}}"),
        "timeout": amount * unit,
    }
    text = build.scope.template(content, node.source, "form_content")
    if text.strip():
        config["description"] = text
    build.handles[node.id, "__timeout"] = TIMEOUT_HANDLE
    _say_who(node, build)
    actions = _actions(node)
    refusal = _refusal(node)
    if refusal is not None:
        [agreed] = [one for one in actions if one != refusal]
        build.handles |= {(node.id, agreed): APPROVED, (node.id, refusal): REJECTED}
        build.add(node, "approval", config)
        return
    properties = {name: _schema(one) for name, one in _inputs(node).items()}
    for name, one in _inputs(node).items():
        if one.get("type") not in _TEXTS:
            account.dropped(
                f"its field {name} takes files, which a form does not",
                node.source,
                f"inputs.{name}",
                original=str(one.get("type")),
                severity="error",
                action="ask for an address of the file instead",
            )
    field = _action_field(node)
    if len(actions) > 1:
        properties[field] = {
            "type": "string",
            "enum": list(actions),
            "description": ", ".join(f"{key}: {title}" for key, title in actions.items()),
        }
    if properties:
        config["form"] = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
        }
    account.approximated(
        "its buttons are a field of the form here; whoever rejects instead ends the run",
        node.source,
        "user_actions",
        severity="info",
        action=f"approve with a value for `{field}`" if len(actions) > 1 else None,
    )
    build.add(node, "approval", {**config, "on_reject": "fail"})
    if len(actions) < 2:
        build.handles |= {(node.id, key): APPROVED for key in actions}
        return
    place = Place(("nodes", node.node_id, "output", "values", field)).cel
    cases = []
    for index, key in enumerate(actions, start=1):
        handle = build.handles[node.id, key] = f"action_{index}"
        cases.append({"handle": handle, "expression": f"{place} == {literal(key)}"})
    build.after(
        node, "action", "switch", {"name": node.source.name[:200], "cases": cases}, APPROVED
    )


def _inputs(node: DifyNode) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("output_variable_name")): one for one in rows_of(node.data.get("inputs"))}


def _names(node: DifyNode) -> Sequence[str]:
    return list(_inputs(node))


def _actions(node: DifyNode) -> dict[str, str]:
    return {
        str(one.get("id")): str(one.get("title") or one.get("id"))
        for one in rows_of(node.data.get("user_actions"))
    }


def _refusal(node: DifyNode) -> str | None:
    """Of two buttons and no field, the one that says no: then they are approve and reject."""
    actions = _actions(node)
    if len(actions) != 2 or _inputs(node):
        return None
    found = [key for key, title in actions.items() if _REFUSES.search(f"{key} {title}")]
    return found[0] if len(found) == 1 else None


def _action_field(node: DifyNode) -> str:
    name = "action"
    while name in _inputs(node):
        name += "_"
    return name


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    default = given.get("default") or given.get("placeholder")
    if isinstance(default, dict) and default.get("type") == "constant" and default.get("value"):
        schema["default"] = str(default["value"])
    return schema


def _say_who(node: DifyNode, build: Build) -> None:
    methods = [
        one for one in rows_of(node.data.get("delivery_methods")) if one.get("enabled", True)
    ]
    kinds = sorted({str(one.get("type")) for one in methods})
    build.scope.account.dropped(
        "how Dify tells people is not carried: whoever may run the workflow may answer",
        node.source,
        "delivery_methods",
        original=", ".join(kinds) or None,
        action="name the `approvers`; their list is GET /api/v1/approvals",
    )
