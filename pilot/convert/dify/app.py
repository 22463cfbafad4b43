"""The document: an app's workflow as a draft.

It is built twice: only a graph that is there says which of its nodes may be skipped, and what
refers to one of those needs a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilot.convert.cel import Place, braced_json
from pilot.convert.dify import (
    containers,
    lists,
    models,
    people,
    places,
    requests,
    steps,
    tools,
    triggers,
)
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.reading import check_version, nodes_of, own_ids, say_lost_edges
from pilot.convert.dify.scope import Scope, rows_of
from pilot.convert.document import Conversion, NotConvertibleError, named, rows
from pilot.convert.draft import Certainty, Draft
from pilot.convert.report import Account
from pilot.graph.spec import ERROR_HANDLE, Specs
from pilot.nodes.wait import TIMEOUT_HANDLE

Converter = Callable[[DifyNode, Build], None]

CONVERTERS: Mapping[str, Converter] = {
    "start": steps.start,
    "end": steps.end,
    "answer": steps.answer,
    "if-else": steps.if_else,
    "code": steps.code,
    "template-transform": steps.template_transform,
    "variable-aggregator": steps.variable_aggregator,
    "variable-assigner": steps.variable_aggregator,
    "assigner": steps.assigner,
    "llm": models.llm,
    "question-classifier": models.question_classifier,
    "parameter-extractor": models.parameter_extractor,
    "http-request": requests.http_request,
    "human-input": people.human_input,
    "list-operator": lists.list_operator,
    "tool": tools.tool,
    "agent": tools.agent,
    **dict.fromkeys(triggers.KINDS, triggers.trigger),
}
_INSTEAD = {
    "knowledge-retrieval": "ask your retriever by an http node",
    "document-extractor": "have the file's text in the run's input, or ask a service by http",
    "loop-end": "say in the loop's break conditions when it ends",
}
"""What to put in the place of a node that is not carried."""


def from_dify(body: Mapping[str, Any], specs: Specs) -> Conversion:
    """Raises `NotConvertibleError` for what is no workflow or chatflow."""
    workflow = body.get("workflow")
    graph = workflow.get("graph") if isinstance(workflow, dict) else None
    if not isinstance(workflow, dict) or not isinstance(graph, dict):
        app = body.get("app")
        mode = app.get("mode") if isinstance(app, dict) else None
        raise NotConvertibleError(
            f"a Dify app of mode {mode!r} has no graph: workflows and chatflows can be imported"
        )
    first = _built(body, workflow, graph, Certainty())
    certainty = Certainty.of(first.draft.graph(), specs)
    build = _built(body, workflow, graph, certainty)
    name, description = named(_app(body), "Dify")
    return Conversion(name, description, build.draft.graph(), build.scope.account.report())


def _app(body: Mapping[str, Any]) -> Mapping[str, Any]:
    app = body.get("app")
    return app if isinstance(app, dict) else {}


def _built(
    body: Mapping[str, Any],
    workflow: Mapping[str, Any],
    graph: Mapping[str, Any],
    certainty: Certainty,
) -> Build:
    mode = str(_app(body).get("mode") or "workflow")
    account = Account("dify")
    scope = Scope(account, chat=mode == "advanced-chat", certainty=certainty)
    build = Build(scope, Draft(), mode)
    check_version(body, account)
    nodes = own_ids(nodes_of(graph, build), account)
    setup = _setup(workflow, nodes, build)
    for node in nodes:
        found = places.outputs(node) | triggers.outputs(node, scope.start)
        scope.outputs.setdefault(node.id, {}).update(found)
        if places.is_whole(node):
            scope.whole[node.id] = Place(("nodes", node.node_id, "output"), node.node_id)
    inside: dict[str, list[DifyNode]] = {}
    for node in nodes:
        inside.setdefault(node.parent, []).append(node)
    _convert(graph, inside, "", setup, build)
    for node in nodes:
        if node.id not in build.entries:
            account.dropped(
                "it lies inside a node that is not there",
                node.source,
                severity="error",
                action="put it into a map or loop, or take it out",
            )
    say_lost_edges(graph, nodes, build)
    return build


def _convert(
    graph: Mapping[str, Any],
    inside: Mapping[str, list[DifyNode]],
    parent: str,
    setup: str | None,
    build: Build,
) -> list[str]:
    """The nodes of one level and their edges; gives those that no edge leads to. What lies inside
    an iteration or loop goes with it."""
    nodes = inside.get(parent, [])

    def convert_body(children: Sequence[DifyNode], body: Build) -> list[str]:
        return _convert(graph, inside, children[0].parent, None, body) if children else []

    for node in nodes:
        children = inside.get(node.id, [])
        why = _misplaced(node, children)
        if why is not None:
            build.placeholder(node, why, _INSTEAD.get(node.source.type, "move it, or take it out"))
        elif node.source.type == "iteration":
            containers.iteration(node, children, build, convert_body)
        elif node.source.type == "loop":
            containers.loop(node, children, build, convert_body)
        elif node.source.type in CONVERTERS:
            CONVERTERS[node.source.type](node, build)
        else:
            kind = node.source.type
            why = f"πlot has no node like Dify's {kind}"
            build.placeholder(node, why, _INSTEAD.get(kind, "put a node of πlot's in its place"))
    return _connect(graph, nodes, setup, build)


def _misplaced(node: DifyNode, children: Sequence[DifyNode]) -> str | None:
    """Why a node cannot be where it is."""
    if node.source.type in containers.KINDS:
        if node.parent:
            return "a loop in a loop is not carried"
        return None if children else "there is nothing inside of it"
    if node.parent and node.source.type in ("answer", "end", "loop-end", *triggers.STARTS):
        return f"πlot has no {node.source.type} inside of a map or loop"
    return None


def _setup(workflow: Mapping[str, Any], nodes: list[DifyNode], build: Build) -> str | None:
    """A node behind the start that sets the app's variables; None where there are none. The
    values of secret ones are left where they are: they become names of πlot's secrets."""
    scope, account = build.scope, build.scope.account
    starts = (node for node in nodes if node.source.type in triggers.STARTS and not node.parent)
    begin = next(starts, None)
    if begin is None:
        return None
    scope.start = begin.node_id
    setup = build.draft.slugs.new("set_variables", "variable")
    assignments: dict[str, Any] = {}
    for one in rows_of(workflow.get("environment_variables")):
        name = str(one.get("name"))
        if one.get("value_type") == "secret":
            scope.env[name] = Place(("secrets", name))
            account.dropped(
                f"the value of the secret {name} is not carried",
                field=f"environment_variables.{name}",
                severity="warning",
                action="store it under that name",
            )
            continue
        assignments[f"env_{name}"[:64]] = braced_json(one.get("value"))
        scope.env[name] = Place(("vars", f"env_{name}"[:64]), setup)
    for one in rows_of(workflow.get("conversation_variables")):
        name = str(one.get("name"))
        assignments[f"conversation_{name}"[:64]] = braced_json(one.get("value"))
        scope.conversation[name] = Place(("vars", f"conversation_{name}"[:64]), setup)
        account.approximated(
            f"the conversation variable {name} lives for one run here, not for a conversation",
            field=f"conversation_variables.{name}",
            action="keep it where you start runs, and hand it over as an input",
        )
    if not assignments:
        return None
    x, y = begin.position
    build.draft.add(
        setup, "variable", {"name": "Variables", "assignments": assignments}, (x + 130, y)
    )
    return setup


def _connect(
    graph: Mapping[str, Any], nodes: list[DifyNode], setup: str | None, build: Build
) -> list[str]:
    """The edges, by the handles that the nodes' converters named; gives the nodes that none of
    them leads to."""
    drawn = {node.id: node for node in nodes}
    if setup is not None:
        start = build.scope.start
        build.draft.connect(start, setup)
        build.exits |= {node.id: setup for node in nodes if build.exits[node.id] == start}
    edges = [
        (
            str(edge.get("source")),
            str(edge.get("target")),
            str(edge.get("sourceHandle") or "source"),
        )
        for edge in rows(graph, "edges")
        if str(edge.get("source")) in drawn and str(edge.get("target")) in drawn
    ]
    led_to = set()
    for source, target, handle in _past_answers(edges, drawn, build):
        ours = build.handles.get((source, handle), handle)
        leaves_first = ours in (ERROR_HANDLE, TIMEOUT_HANDLE)
        exit_ = drawn[source].node_id if leaves_first else build.exits[source]
        if handle in ("source", "success-branch") or ours is None:
            ours = None
        build.draft.connect(exit_, build.entries[target], ours)
        led_to.add(target)
    return [build.entries[node.id] for node in nodes if node.id not in led_to]


def _past_answers(
    edges: list[tuple[str, str, str]], drawn: Mapping[str, DifyNode], build: Build
) -> list[tuple[str, str, str]]:
    """An answer is an end here: what follows one follows what stands before it."""
    before: dict[str, list[tuple[str, str]]] = {}
    for source, target, handle in edges:
        before.setdefault(target, []).append((source, handle))
    result: list[tuple[str, str, str]] = []
    known: dict[str, list[tuple[str, str]]] = {}
    for source, target, handle in edges:
        if drawn[source].source.type != "answer":
            result.append((source, target, handle))
            continue
        build.scope.account.approximated(
            "an answer ends its branch here: what follows it runs beside it",
            drawn[source].source,
            severity="info",
        )
        result.extend((one, target, by) for one, by in _real_sources(source, before, drawn, known))
    return result


def _real_sources(
    node: str,
    before: Mapping[str, list[tuple[str, str]]],
    drawn: Mapping[str, DifyNode],
    known: dict[str, list[tuple[str, str]]],
) -> list[tuple[str, str]]:
    """What stands before an answer and is none itself; found once for each answer."""
    stack = [node]
    while stack:
        at = stack[-1]
        answers = [one for one, _ in before.get(at, []) if drawn[one].source.type == "answer"]
        missing = [one for one in answers if one not in known]
        known.setdefault(at, [])  # so that a cycle ends
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        found: dict[tuple[str, str], None] = {}
        for source, handle in before.get(at, []):
            is_answer = drawn[source].source.type == "answer"
            found.update(dict.fromkeys(known[source] if is_answer else [(source, handle)]))
        known[at] = list(found)
    return known[node]
