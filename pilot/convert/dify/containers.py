"""Dify's nodes that hold others: an iteration is a map, a loop is a loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pilot.convert.cel import Place, braced_json, slot
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.conditions import conjunction
from pilot.convert.dify.scope import number, rows_of
from pilot.convert.document import whole
from pilot.convert.draft import Draft
from pilot.nodes.loop import MAX_ITERATIONS
from pilot.nodes.map import MAX_PARALLELISM

KINDS = ("iteration", "loop")

Convert = Callable[[Sequence[DifyNode], Build], list[str]]
"""Converts nodes and their edges; gives the ids of those that no edge leads to."""

_ON_ERROR = {"continue-on-error": "collect", "remove-abnormal-output": "skip"}


def outputs(node: DifyNode) -> dict[str, Place]:
    """What stands in the graph around it."""
    output = Place(("nodes", node.node_id, "output"), node.node_id)
    if node.source.type == "iteration":
        return {"output": output}
    labels = (str(one.get("label")) for one in rows_of(node.data.get("loop_variables")))
    return {label: output.under(label) for label in labels}


def iteration(node: DifyNode, inside: Sequence[DifyNode], build: Build, convert: Convert) -> None:
    """`item` and `index` are the same here as there."""
    data, scope = node.data, build.scope
    scope.outputs[node.id] = {"item": Place(("item",)), "index": Place(("index",))}
    body = replace(build, draft=Draft(slugs=build.draft.slugs))
    entries = convert(inside, body)
    reader = replace(node.source, node_id=build.draft.slugs.new(f"{node.node_id} item", "item"))
    selector = data.get("output_selector")
    value = scope.value(
        selector if isinstance(selector, list) else ["?"], reader, "output_selector", "null"
    )
    _give(body, reader.node_id, slot(value), entries)
    scope.outputs[node.id] = outputs(node)
    items = data.get("iterator_selector")
    parallel = data.get("parallel_nums") if data.get("is_parallel") else 1
    config: dict[str, Any] = {
        "items": slot(
            scope.value(
                items if isinstance(items, list) else ["?"], node.source, "iterator_selector"
            )
        ),
        "parallelism": min(max(whole(parallel, 1), 1), MAX_PARALLELISM),
        "on_item_error": _ON_ERROR.get(str(data.get("error_handle_mode")), "fail"),
        "body": {"nodes": body.draft.nodes, "edges": body.draft.edges},
    }
    if data.get("flatten_output"):
        scope.account.approximated(
            "Dify makes one list of the items' lists; here a list of lists stays one",
            node.source,
            "flatten_output",
            action="flatten the list by a code node behind the map",
        )
    build.add(node, "map", config)


def loop(node: DifyNode, inside: Sequence[DifyNode], build: Build, convert: Convert) -> None:
    """The loop's variables are its state: set from it as an iteration begins, and given back as it
    ends. Dify too looks at the break conditions before the first iteration."""
    data, scope = node.data, build.scope
    names = [str(one.get("label")) for one in rows_of(data.get("loop_variables"))]
    setup = build.draft.slugs.new(f"{node.node_id} state", "state")
    variables = {name: f"{node.node_id}_{name}"[:64] for name in names}
    scope.outputs[node.id] = {name: Place(("vars", variables[name]), setup) for name in names}
    body = replace(build, draft=Draft(slugs=build.draft.slugs))
    if names:
        assignments = {variables[name]: slot(Place(("item", name)).cel) for name in names}
        body.draft.add(setup, "variable", {"name": "State", "assignments": assignments}, (0, 0))
    entries = convert(inside, body)
    if names:
        for entry in entries:
            body.draft.connect(setup, entry)
        entries = [setup]
    reader = build.draft.slugs.new(f"{node.node_id} next", "next")
    state = {name: slot(Place(("vars", variables[name])).cel) for name in names}
    _give(body, reader, state, entries)
    scope.outputs[node.id] = {name: Place(("item", name)) for name in names}
    broken = conjunction(
        {"conditions": data.get("break_conditions"), **_operator(data)}, scope, node.source, "break"
    )
    scope.outputs[node.id] = outputs(node)
    config = {
        "initial": {
            str(one.get("label")): _initial(one, node, build)
            for one in rows_of(data.get("loop_variables"))
        },
        "condition": f"!({broken})",
        "max_iterations": min(max(whole(data.get("loop_count"), 1), 1), MAX_ITERATIONS),
        "on_limit": "stop",
        "body": {"nodes": body.draft.nodes, "edges": body.draft.edges},
    }
    build.add(node, "loop", config)


def _operator(data: Any) -> dict[str, Any]:
    return {"logical_operator": data.get("logical_operator")}


def _initial(one: Any, node: DifyNode, build: Build) -> Any:
    value, field = one.get("value"), f"loop_variables.{one.get('label')}"
    if one.get("value_type") == "variable" and isinstance(value, list):
        return slot(build.scope.value(value, node.source, field, "null"))
    kind = str(one.get("var_type"))
    if kind == "number" and isinstance(value, str):
        found = number(value)
        return 0 if found is None else json.loads(found)
    if isinstance(value, str) and (kind == "object" or kind.startswith("array")):
        try:
            return braced_json(json.loads(value or "null"))
        except (ValueError, RecursionError):
            build.scope.account.dropped(
                "its value is no JSON",
                node.source,
                field,
                original=value,
                severity="error",
                action="write its value as JSON",
            )
    return braced_json(value)


def _give(body: Build, output: str, value: Any, entries: Sequence[str]) -> None:
    """The body's output, behind every node that nothing follows; and behind the first ones, so
    that it is reached where a branch ends early."""
    ids = [node["id"] for node in body.draft.nodes if node["type"] != "output"]
    leaves = set(ids) - {edge["source"] for edge in body.draft.edges}
    types = {node["id"]: node["type"] for node in body.draft.nodes}
    body.draft.add(output, "output", {"value": value}, (0, 200))
    for one in dict.fromkeys([*entries, *(one for one in ids if one in leaves)]):
        if types[one] != "condition":
            body.draft.connect(one, output)
