"""Of whatever document: each of its nodes and edges is in the graph or in the report, a report
without an error is a graph that the validator takes, and nothing but "no such document" is raised.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot.convert.dify.app import CONVERTERS as DIFY
from pilot.convert.document import Conversion, NotConvertibleError
from pilot.convert.formats import convert, parse_document
from pilot.convert.n8n.workflow import CONVERTERS as N8N
from pilot.graph.issues import errors
from pilot.graph.model import Graph
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.dify_app import dify_app, dify_node
from tests.convert.n8n_workflow import n8n_body, n8n_node

SAMPLES = Path(__file__).parent / "samples"
RUNS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

STRANGE = st.sampled_from(
    [None, True, -1, 0, 3, 1e300, 10**30, "", "x", "nan", "inf", "={{ $json.a }}", "={{ (",
     "{{#1.a#}}", "{{#", "{", "}", [], {}, [[]], [{}], {"": ""}, {"value": []},
     ["x", None, {}], "\x00", "ключ"]
)  # fmt: skip


def keeps_its_word(found: Conversion) -> None:
    """What holds of any conversion."""
    said = found.report.findings
    issues = errors(validate(found.graph, specs()))
    if not [one for one in said if one.severity == "error"]:
        assert issues == []
    for one in said:
        assert one.message
        if one.severity != "info":
            assert one.action, one
    json.dumps([one.message for one in said])


def accounted(found: Conversion) -> set[str]:
    of_nodes = {one.source_id for one in found.report.findings if one.source_id is not None}
    return of_nodes | {one.source_id for one in found.report.carried}


def flat(graph: Graph) -> dict[str, set[str]]:
    """Where the graph leads from each node: by edges, into bodies and out of them."""
    ways: dict[str, set[str]] = {}

    def walk(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], around: str | None) -> None:
        for edge in edges:
            ways.setdefault(edge["source"], set()).add(edge["target"])
        led_to = {edge["target"] for edge in edges}
        for node in nodes:
            ways.setdefault(node["id"], set())
            if around is not None and node["type"] == "output":
                ways[node["id"]].add(around)
            if around is not None and node["id"] not in led_to:
                ways.setdefault(around, set()).add(node["id"])
            body = node.get("config", {}).get("body")
            if isinstance(body, dict):
                walk(body["nodes"], body["edges"], node["id"])

    body = graph.to_json()
    walk(body["nodes"], body["edges"], None)
    return ways


def reaches(ways: dict[str, set[str]], source: str, target: str) -> bool:
    seen, stack = {source}, [source]
    while stack:
        for one in ways.get(stack.pop(), ()):
            if one == target:
                return True
            if one not in seen:
                seen.add(one)
                stack.append(one)
    return False


def places_of(graph: Graph) -> dict[str, tuple[str, str]]:
    """By a source's id, the id and type of the node that is imported from it."""
    found: dict[str, tuple[str, str]] = {}

    def walk(nodes: list[dict[str, Any]]) -> None:
        for node in nodes:
            imported = node.get("imported")
            if isinstance(imported, dict):
                found.setdefault(imported["id"], (node["id"], node["type"]))
            body = node.get("config", {}).get("body")
            if isinstance(body, dict):
                walk(body["nodes"])

    walk(graph.to_json()["nodes"])
    return found


def drawn(found: Conversion, edges: list[tuple[str, str]]) -> None:
    """Each edge leads on in the graph, or the report names it. An answer ends its branch here."""
    ways, at = flat(found.graph), places_of(found.graph)
    lost = {one.original for one in found.report.findings if one.original}
    for source, target in edges:
        if f"{source} > {target}" in lost or source not in at or target not in at:
            continue
        if at[source][1] == "output" or source == target:
            continue
        assert reaches(ways, at[source][0], at[target][0]), (source, target)


N8N_KINDS = [*N8N, "noOp", "code", "slack", "stickyNote", "splitInBatches", "manualTrigger",
             "webhook", "scheduleTrigger", "executeWorkflowTrigger", "lmChatOpenAi"]  # fmt: skip
NAMES = [f"N{index}" for index in range(7)]


@st.composite
def n8n_flows(draw: st.DrawFn) -> dict[str, Any]:
    nodes = [
        n8n_node(name, draw(st.sampled_from(N8N_KINDS)), typeVersion=draw(st.sampled_from([1, 3])),
                 **draw(st.sampled_from([{}, {}, {"disabled": True}])))
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=7))
    ]  # fmt: skip
    wire = st.tuples(
        st.sampled_from([*NAMES, "gone"]), st.integers(0, 2), st.sampled_from([*NAMES, "gone"]),
        st.integers(0, 1),
    )  # fmt: skip
    wires = [f"{a}:{b}>{c}:{d}" for a, b, c, d in draw(st.lists(wire, max_size=12, unique=True))]
    for index, node in enumerate(nodes):
        node["id"] = f"id{index}"
    return n8n_body(nodes, *wires)


@RUNS
@given(n8n_flows())
def test_of_n8n_nothing_is_lost(body: dict[str, Any]) -> None:
    found = convert(body, specs())
    keeps_its_word(found)
    assert accounted(found) >= {one["id"] for one in body["nodes"]}
    first = {one["name"]: one["id"] for one in reversed(body["nodes"])}
    said = {one.original for one in found.report.findings}
    edges = []
    for source, kinds in body["connections"].items():
        for one in (one for row in kinds["main"] for one in row):
            target = one["node"]
            if source in first and target in first:
                if f"{source} > {target}" not in said:
                    edges.append((first[source], first[target]))
            else:
                assert {f"{source} > {target}", f"{source} > ?"} & said
    drawn(found, edges)


IDS = [f"n{index}" for index in range(7)]


@st.composite
def dify_flows(draw: st.DrawFn) -> dict[str, Any]:
    kinds = [*DIFY, "iteration", "loop", "iteration-start", "loop-end", "knowledge-retrieval",
             "odd"]  # fmt: skip
    nodes = []
    for id_ in draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=7)):
        parent = draw(st.sampled_from([None, None, *IDS]))
        nodes.append(dify_node(id_, draw(st.sampled_from(kinds)), parent=parent))
    edge = st.tuples(
        st.sampled_from([*IDS, "gone"]), st.sampled_from(["source", "true", "false", "x"]),
        st.sampled_from([*IDS, "gone"]),
    )  # fmt: skip
    edges = [f"{a}:{b}>{c}" for a, b, c in draw(st.lists(edge, max_size=12, unique=True))]
    variables = [
        {"name": "KEY", "value": "x", "value_type": draw(st.sampled_from(["string", "secret"]))}
    ]
    more = draw(st.sampled_from([{}, {"environment_variables": variables}]))
    return dify_app(nodes, *edges, **more)


@RUNS
@given(dify_flows())
def test_of_dify_nothing_is_lost(app: dict[str, Any]) -> None:
    found = convert(app, specs())
    keeps_its_word(found)
    graph = app["workflow"]["graph"]
    begins = {one["id"] for one in graph["nodes"] if one["data"]["type"] == "iteration-start"}
    assert accounted(found) >= {one["id"] for one in graph["nodes"]} - begins
    known = {one["id"] for one in graph["nodes"]}
    said = {one.original for one in found.report.findings}
    for edge in graph["edges"]:
        if not {edge["source"], edge["target"]} <= known:
            assert f"{edge['source']} > {edge['target']}" in said
    drawn(found, [(one["source"], one["target"]) for one in graph["edges"]])


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        if isinstance(inner, dict | list):
            yield from paths(inner, (*at, key))
        else:
            yield (*at, key)


FILES = sorted(SAMPLES.glob("*/*.*"))
DOCUMENTS = {file.stem: parse_document(file.read_text()) for file in FILES}
PATHS = {name: [path for path in paths(body) if path] for name, body in DOCUMENTS.items()}


@settings(RUNS, max_examples=600)
@given(st.sampled_from(sorted(DOCUMENTS)), st.data())
def test_a_document_with_something_strange_in_it_is_read_or_refused(
    name: str, data: st.DataObject
) -> None:
    body = copy.deepcopy(DOCUMENTS[name])
    for path in data.draw(st.lists(st.sampled_from(PATHS[name]), min_size=1, max_size=3)):
        at = body
        try:
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = data.draw(STRANGE)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    try:
        found = convert(body, specs())
    except NotConvertibleError:
        return
    keeps_its_word(found)


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "body",
    [
        n8n_body([n8n_node("A", "set", deep(60))]),
        dify_app([dify_node("a", "llm", model=deep(60))]),
        {"nodes": deep(200), "connections": {}},
    ],
)
def test_what_nests_too_deep_is_refused(body: Any) -> None:
    with pytest.raises(NotConvertibleError):
        convert(body, specs())


def test_parents_in_a_circle_are_said() -> None:
    nodes = [
        dify_node("a", "iteration", parent="b"),
        dify_node("b", "loop", parent="a"),
        dify_node("c", "llm", parent="c"),
        dify_node("d", "code", parent="gone"),
    ]
    found = convert(dify_app(nodes, "a>b", "b>a", "c>d"), specs())
    keeps_its_word(found)
    assert accounted(found) >= {"a", "b", "c", "d"}


def test_too_many_nodes_or_connections_are_refused_before_any_work() -> None:
    for body in (
        {"nodes": [{}] * 10_001, "connections": {}},
        n8n_body(
            [n8n_node("A", "set")],
            **{"connections": {"A": {"main": [[{"node": "A"}] * 40_001]}}},
        ),
        dify_app([dify_node("a", "llm")] * 10_001),
    ):
        with pytest.raises(NotConvertibleError):
            convert(body, specs())
