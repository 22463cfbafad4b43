"""Dify's tools and agents. A tool of Dify's is a plugin of its installation, so only a workflow
that is published as a tool has something like it here: the workflow node. An agent is an llm node
with tools; those of its tools that πlot does not have are nodes that the validator refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pilot.convert.cel import Place
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.models import configured, told_history
from pilot.convert.dify.scope import rows_of
from pilot.convert.document import whole
from pilot.convert.report import Source
from pilot.nodes.llm import MAX_TOOL_ROUNDS, MAX_TOOLS

_TYPES = {
    "string": "string",
    "select": "string",
    "secret-input": "string",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
_REPLACE = "put a code, http or workflow node in its place that does the same"


def is_workflow(data: Mapping[str, Any]) -> bool:
    return (data.get("provider_type") or data.get("type")) == "workflow"


def outputs_of_tool(node: DifyNode) -> dict[str, Place]:
    if not is_workflow(node.data):
        return {}
    output = Place(("nodes", node.node_id, "output"), node.node_id)
    return {"text": Place(output.path, output.setter, as_json=True)}


def outputs_of_agent(node: DifyNode) -> dict[str, Place]:
    return {"text": Place(("nodes", node.node_id, "output"), node.node_id)}


def tool(node: DifyNode, build: Build) -> None:
    """A workflow that is published as a tool; all others are not carried."""
    data = node.data
    label = data.get("tool_label") or data.get("tool_name")
    if data.get("provider_type") != "workflow":
        build.placeholder(
            node,
            f"the tool {label} of {data.get('provider_name') or 'a plugin'} is Dify's own",
            action=_REPLACE,
        )
        return
    fields: dict[str, Any] = {}
    given = data.get("tool_parameters")
    for name, one in (given if isinstance(given, dict) else {}).items():
        fields[str(name)] = _argument(one, node, build, f"tool_parameters.{name}")
    _say_which(node.source, build, str(label), str(data.get("provider_id") or ""))
    workflow_id = str(data.get("provider_id") or label or "workflow")[:200]
    build.add(node, "workflow", {"workflow_id": workflow_id, "input": fields})


def _say_which(source: Source, build: Build, label: str, original: str) -> None:
    build.scope.account.dropped(
        f"the workflow {label} is a document of its own",
        source,
        "provider_id",
        original=original,
        severity="error",
        action="import that workflow too, and set `workflow_id` to the id that it is given",
    )


def _argument(given: Any, node: DifyNode, build: Build, field: str) -> Any:
    """`mixed` is a text with references, `variable` a selector, `constant` as it stands."""
    kind = given.get("type") if isinstance(given, dict) else None
    value = given.get("value") if isinstance(given, dict) else given
    if kind == "variable" and isinstance(value, list):
        return f"{{{build.scope.value(value, node.source, field, 'null')}}}"
    if isinstance(value, str):
        return build.scope.template(value, node.source, field)
    return value


def agent(node: DifyNode, build: Build) -> None:
    """Its model, instruction, query and tools; how it reasons is the model's own affair here."""
    given = node.data.get("agent_parameters")
    given = given if isinstance(given, dict) else {}
    values = {
        str(name): one.get("value") if isinstance(one, dict) else one for name, one in given.items()
    }
    model = values.get("model")
    model = dict(model) if isinstance(model, dict) else {}
    model.setdefault("name", model.get("model"))
    config = configured(replace(node, data={**node.data, "model": model}), build)
    query = build.scope.template(values.get("query") or "", node.source, "query")
    if not query.strip():
        build.placeholder(node, "it has no query", action="write it as an llm node")
        return
    instruction = build.scope.template(values.get("instruction") or "", node.source, "instruction")
    if instruction.strip():
        config["system_template"] = instruction
    config["prompt_template"] = query
    if isinstance(node.data.get("memory"), dict):
        told_history(node, build, config)
    rounds = whole(values.get("maximum_iterations", values.get("max_iterations")), 0)
    if rounds >= 1:
        config["max_tool_rounds"] = min(rounds, MAX_TOOL_ROUNDS)
    wanted = [one for one in rows_of(values.get("tools")) if one.get("enabled", True)]
    tools = [_plugged(one, node, build) for one in wanted[:MAX_TOOLS]]
    if tools:
        config["tools"] = tools
    strategy = str(node.data.get("agent_strategy_name") or "function_calling")
    if strategy != "function_calling":
        build.scope.account.approximated(
            f"the strategy {strategy} is Dify's own: here the model calls tools by itself",
            node.source,
            "agent_strategy_name",
            original=strategy,
            action="use a model that can call tools",
        )
    build.add(node, "llm", config)


def _plugged(given: Mapping[str, Any], node: DifyNode, build: Build) -> dict[str, Any]:
    """One tool, as a node that the model may call."""
    name = str(given.get("tool_name") or "tool")
    label = str(given.get("tool_label") or name)
    node_id = build.draft.slugs.new(f"{node.node_id} {name}", "tool")
    source = replace(node.source, node_id=node_id)
    x, y = node.position
    kind, config = "dify:tool", {"name": label[:200]}
    imported = {"from": "dify", "id": node.id, "type": "tool", "data": dict(given)}
    if is_workflow(given):
        workflow_id = str(given.get("provider_name") or name)[:200]
        kind, config = "workflow", {"name": label[:200], "workflow_id": workflow_id}
        _say_which(source, build, label, workflow_id)
    else:
        build.scope.account.dropped(
            f"its tool {label} of {given.get('provider_name') or 'a plugin'} is Dify's own",
            source,
            f"tools.{name}",
            original=name,
            severity="error",
            action=_REPLACE,
        )
    build.draft.add(node_id, kind, config, (x, y + 120), imported=imported)
    extra = given.get("extra")
    told = extra.get("description") if isinstance(extra, dict) else None
    told = told or given.get("tool_description")
    tool: dict[str, Any] = {"node": node_id, "parameters": _parameters(given)}
    if told:
        tool["description"] = str(told)[:4000]
    return tool


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the model fills in (`form: llm`), as a JSON Schema."""
    properties: dict[str, Any] = {}
    required = []
    for one in rows_of(given.get("schemas")):
        if one.get("form") != "llm":
            continue
        name = str(one.get("name"))
        schema: dict[str, Any] = {"type": _TYPES.get(str(one.get("type")), "string")}
        if one.get("llm_description"):
            schema["description"] = str(one["llm_description"])
        options = [str(option.get("value")) for option in rows_of(one.get("options"))]
        if options:
            schema["enum"] = options
        properties[name] = schema
        if one.get("required"):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}
