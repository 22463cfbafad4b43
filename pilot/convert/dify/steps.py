"""Dify's other nodes: start, end, answer, if-else, code, templates and variables."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from pilot.convert.cel import AT_SOURCE, Place, braced_json, literal, slot, untranslated
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.conditions import conjunction
from pilot.convert.dify.models import jinja
from pilot.convert.dify.scope import CONVERSATION_ID, FILES, HISTORY, QUERY, number, rows_of
from pilot.nodes.code import SCOPE_NAMES, main_parameters

_INPUT_TYPES = {
    "text-input": "string",
    "paragraph": "string",
    "select": "string",
    "number": "number",
    "checkbox": "boolean",
    "boolean": "boolean",
    "json_object": "object",
    "json": "object",
    "file": "object",
    "file-list": "array",
}
_EMPTY: Mapping[str, Any] = {"number": 0, "integer": 0, "boolean": False, "object": {}}


def start(node: DifyNode, build: Build) -> None:
    """Its variables are the run's input; a chatflow's has its message, history and files too."""
    inputs = [_input(one, node, build) for one in rows_of(node.data.get("variables"))]
    named = {one["name"] for one in inputs}
    more: list[dict[str, Any]] = [
        {"name": FILES, "type": "array", "required": False, "default": []}
    ]
    if build.scope.chat:
        more += [
            {"name": QUERY, "type": "string", "description": "What the person says."},
            {"name": HISTORY, "type": "array", "required": False, "default": []},
            {"name": CONVERSATION_ID, "type": "string", "required": False, "default": ""},
        ]
    inputs += [one for one in more if one["name"] not in named]
    build.add(node, "start", {"inputs": inputs})


def _input(given: Mapping[str, Any], node: DifyNode, build: Build) -> dict[str, Any]:
    kind, name = str(given.get("type")), str(given.get("variable"))
    required = bool(given.get("required"))
    field: dict[str, Any] = {"name": name, "type": _INPUT_TYPES.get(kind, "any")}
    if given.get("label") and given["label"] != name:
        field["description"] = str(given["label"])
    options = given.get("options")
    if kind == "select" and isinstance(options, list) and options:
        field["enum"] = [str(one) for one in options][:200]
    default = given.get("default")
    if kind == "number" and isinstance(default, str):
        found = number(default)
        default = None if found is None else float(found)
    if default not in (None, ""):
        field["default"] = default
    elif not required:
        field["default"] = {"string": "", "array": []}.get(field["type"])
        if "enum" in field:
            field["default"] = None
    if not required:
        field["required"] = False
    if kind.startswith("file"):
        build.scope.account.approximated(
            "a file is {name, content_type, base64} in the input",
            node.source,
            f"variables.{name}",
            action="hand files over in this shape",
        )
    return field


def end(node: DifyNode, build: Build) -> None:
    value = {
        str(one.get("variable")): slot(
            build.scope.value(
                one["value_selector"], node.source, f"outputs.{one.get('variable')}", "null"
            )
        )
        for one in rows_of(node.data.get("outputs"))
        if isinstance(one.get("value_selector"), list) and one["value_selector"]
    }
    build.add(node, "output", {"value": value})


def answer(node: DifyNode, build: Build) -> None:
    """An output. What follows it in Dify follows what stands before it here."""
    text = build.scope.template(node.data.get("answer"), node.source, "answer")
    build.add(node, "output", {"value": text})


def if_else(node: DifyNode, build: Build) -> None:
    cases = rows_of(node.data.get("cases"))
    if not cases and node.data.get("conditions"):
        cases = [{"case_id": "true", **node.data}]
    if len(cases) == 1 and cases[0].get("case_id", "true") == "true":
        expression = conjunction(cases[0], build.scope, node.source, "cases[0]")
        build.add(node, "condition", {"expression": expression})
        return
    converted = []
    for index, case in enumerate(cases):
        handle = str(case.get("case_id") or case.get("id") or index)
        ours = f"case_{index + 1}"
        build.handles[node.id, handle] = ours
        expression = conjunction(case, build.scope, node.source, f"cases[{index}]")
        converted.append({"handle": ours, "expression": expression})
    build.handles[node.id, "false"] = "else"
    build.add(node, "switch", {"cases": converted})


def code(node: DifyNode, build: Build) -> None:
    """`main` keeps its parameters: another `main` behind it hands it their values."""
    source = str(node.data.get("code") or "")
    language = node.data.get("code_language") or "python3"
    parameters = main_parameters(source)
    if language != "python3" or parameters is None:
        why = f"code in {language} is not carried" if language != "python3" else "it has no `main`"
        build.placeholder(node, why, "write it as a code node in Python")
        return
    arguments, roots = [], set()
    for one in rows_of(node.data.get("variables")):
        name, selector = str(one.get("variable")), one.get("value_selector")
        place = build.scope.place(selector) if isinstance(selector, list) else None
        if place is None or place.path[0] == "secrets":
            original = f"{name} = {selector}"
            build.scope.account.dropped(
                f"πlot has nothing for the argument {name}: it is None",
                node.source,
                f"variables.{name}",
                original=original,
                severity="error",
                action="give it by an input or a variable",
            )
            arguments.append(f"{name}={untranslated(original)}")
            continue
        roots.add(str(place.path[0]))
        arguments.append(f"{name}={place.python}")
    build.add(node, "code", {"source": _called(source, arguments, roots)})


def _called(source: str, arguments: Sequence[str], roots: set[str]) -> str:
    if not arguments and not main_parameters(source):
        return source
    scope = [name for name in SCOPE_NAMES if name in roots]
    call = f"_dify_main({', '.join(arguments)})"
    if any(isinstance(one, ast.AsyncFunctionDef) for one in ast.parse(source).body):
        call = f"await {call}"
    head = "async def" if call.startswith("await") else "def"
    needs_json = "import json\n\n" if any("json.dumps" in one for one in arguments) else ""
    return (
        f"{source.rstrip()}\n\n\n_dify_main = main\n\n\n{needs_json}{AT_SOURCE}\n\n"
        f"{head} main({', '.join(scope)}):\n    return {call}\n"
    )


def template_transform(node: DifyNode, build: Build) -> None:
    text = str(node.data.get("template") or "")
    variables = rows_of(node.data.get("variables"))
    template = jinja(text, variables, node, build, "template")
    build.add(node, "variable", {"assignments": {node.node_id: template}})


def variable_aggregator(node: DifyNode, build: Build) -> None:
    """The first of the variables that is there, as a variable of its own a group."""
    assignments = {name: slot(_first(selectors, node, build)) for name, selectors in groups(node)}
    build.add(node, "variable", {"assignments": assignments})


def groups(node: DifyNode) -> list[tuple[str, list[list[Any]]]]:
    """The variables' names and what each may be."""
    advanced = node.data.get("advanced_settings")
    if isinstance(advanced, dict) and advanced.get("group_enabled"):
        return [
            (f"{node.node_id}_{one.get('group_name')}"[:64], _selectors(one.get("variables")))
            for one in rows_of(advanced.get("groups"))
        ]
    return [(node.node_id, _selectors(node.data.get("variables")))]


def _selectors(given: Any) -> list[list[Any]]:
    return [one for one in given if isinstance(one, list)] if isinstance(given, list) else []


def _first(selectors: list[list[Any]], node: DifyNode, build: Build) -> str:
    expression = "null"
    for selector in reversed(selectors):
        place = build.scope.place(selector)
        if place is None:
            inner = build.scope.value(selector, node.source, "variables")
            expression = f"({inner})"
            continue
        if build.scope.certainty.sure(node.node_id, place.setter):
            expression = place.cel
            continue
        expression = f"({place.present} ? {place.cel} : {expression})"
    return expression


def assigner(node: DifyNode, build: Build) -> None:
    """Writes conversation variables, which are variables of the run here."""
    items = rows_of(node.data.get("items"))
    if not items and node.data.get("assigned_variable_selector"):
        items = [
            {
                "variable_selector": node.data["assigned_variable_selector"],
                "operation": node.data.get("write_mode"),
                "input_type": "variable",
                "value": node.data.get("input_variable_selector"),
            }
        ]
    assignments: dict[str, Any] = {}
    operations: dict[str, str] = {}
    for index, item in enumerate(items):
        field = f"items[{index}]"
        selector = item.get("variable_selector")
        place = build.scope.place(selector) if isinstance(selector, list) else None
        if place is None or place.path[0] != "vars" or len(place.path) != 2:
            build.scope.account.dropped(
                "only conversation variables can be written",
                node.source,
                field,
                original=str(selector),
                severity="error",
                action="write it to a variable of the run",
            )
            continue
        name = str(place.path[1])
        if node.parent and place in build.scope.conversation.values():
            build.scope.account.approximated(
                "what is written inside a map or loop counts only there",
                node.source,
                field,
                action="give it out as the map's or loop's output",
            )
        value, operation = _assigned(item, place, node, build, field)
        if name in assignments:
            build.scope.account.dropped(
                f"{name} is written twice in one node: only the last is carried",
                node.source,
                field,
                severity="error",
                action="write it by two variable nodes",
            )
        assignments[name] = value
        if operation != "set":
            operations[name] = operation
    if not assignments:
        build.placeholder(node, "nothing that it writes is there", "write it as a variable node")
        return
    config: dict[str, Any] = {"assignments": assignments}
    if operations:
        config["operations"] = operations
    build.add(node, "variable", config)


def _assigned(
    item: Mapping[str, Any], place: Place, node: DifyNode, build: Build, field: str
) -> tuple[Any, str]:
    given, operation = item.get("value"), str(item.get("operation") or "over-write")
    if operation == "clear":
        return "", "set"
    if item.get("input_type") == "variable" or isinstance(given, list):
        selector = given if isinstance(given, list) else ["?"]
        expression = build.scope.value(selector, node.source, field, "null")
        value: Any = slot(expression)
    else:
        expression = literal(given)
        value = braced_json(given)
    match operation:
        case "over-write" | "set":
            return value, "set"
        case "append":
            return value, "append"
        case "+=":
            return value, "increment"
        case "extend":
            return slot(f"{place.cel} + {expression}"), "set"
        case "-=" | "*=":
            return slot(f"{place.cel} {operation[0]} {expression}"), "set"
    build.scope.account.dropped(
        f"πlot has no operation {operation!r} on a variable",
        node.source,
        field,
        original=operation,
        severity="error",
        action="write it as CEL in a variable node",
    )
    return slot(untranslated(operation)), "set"
