"""Thirty and more bad graphs, each refused for its reason and at its place."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pilot.errors import GraphError
from pilot.graph.compile import compile_plan
from pilot.graph.issues import EdgeRef, errors
from pilot.graph.model import Graph
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.graph.graphs import codes, graph, issues, node

S, O = node("s", "start"), node("o", "output")  # noqa: E741

# name: (nodes, edges, code, what the issue points at)
BAD: dict[str, tuple[list[dict[str, Any]], list[str], str, dict[str, Any]]] = {
    "no nodes": ([], [], "no_start", {}),
    "no start": ([node("a"), O], ["a>o"], "no_start", {}),
    "two starts": ([S, node("t", "start"), O], ["s>o", "t>o"], "several_starts", {"node_id": "t"}),
    "empty id": ([S, node(""), O], ["s>o"], "empty_node_id", {"field": "id"}),
    "blank id": ([S, node("  "), O], ["s>o"], "empty_node_id", {"field": "id"}),
    "long id": ([S, node("x" * 129), O], ["s>o"], "invalid_node_id", {"field": "id"}),
    "id with a quote": ([S, node('a"b'), O], ["s>o"], "invalid_node_id", {"node_id": 'a"b'}),
    "duplicate id": ([S, O, O], ["s>o"], "duplicate_node_id", {"node_id": "o"}),
    "unknown type": ([S, node("a", "magic"), O], ["s>a", "a>o"], "unknown_node_type",
                     {"node_id": "a", "field": "type"}),
    "edge from nowhere": ([S, O], ["s>o", "x>o"], "unknown_edge_source",
                          {"edge": EdgeRef("x", "o")}),
    "edge to nowhere": ([S, O], ["s>o", "s>x"], "unknown_edge_target",
                        {"edge": EdgeRef("s", "x")}),
    "self-loop": ([S, node("a"), O], ["s>a", "a>a", "a>o"], "self_loop",
                  {"edge": EdgeRef("a", "a")}),
    "cycle": ([S, node("a"), node("b"), O], ["s>a", "a>b", "b>a", "b>o"], "cycle", {}),
    "duplicate edge": ([S, O], ["s>o", "s>o"], "duplicate_edge", {"edge": EdgeRef("s", "o")}),
    "edge into start": ([S, node("a"), O], ["s>a", "a>s", "a>o"], "edge_into_start", {}),
    "unreachable": ([S, node("a"), O], ["s>o"], "unreachable_node", {"node_id": "a"}),
    "unknown handle": ([S, node("c", "condition"), O], ["s>c", "c:maybe>o"], "unknown_handle",
                       {"edge": EdgeRef("c", "o", "maybe")}),
    "condition without handle": ([S, node("c", "condition"), O], ["s>c", "c>o"],
                                 "unknown_handle", {"edge": EdgeRef("c", "o")}),
    "handle on a plain node": ([S, O], ["s:true>o"], "unknown_handle", {}),
    "error handle without on_error": ([S, node("h", "http"), O], ["s>h", "h:error>o"],
                                      "unknown_handle", {}),
    "edge out of output": ([S, O, node("a")], ["s>o", "o>a"], "unknown_handle", {}),
    "join over its edges": ([S, node("a", join={"n_of": 3}), O], ["s>a", "a>o"],
                            "invalid_join", {"node_id": "a", "field": "join"}),
    "llm without prompt": ([S, node("l", "llm", config={"model": "m"}), O], ["s>l", "l>o"],
                           "missing_prompt", {"field": "config.prompt_template"}),
    "temperature out of range": (
        [S, node("l", "llm", config={"prompt_template": "x", "temperature": 9}), O],
        ["s>l", "l>o"], "invalid_config", {"field": "config.temperature"}),
    "unknown config field": (
        [S, node("h", "http", config={"url": "https://a.b/", "methd": "GET"}), O],
        ["s>h", "h>o"], "invalid_config", {"field": "config.methd"}),
    "missing url": ([S, node("h", "http", config={}), O], ["s>h", "h>o"], "invalid_config",
                    {"field": "config.url"}),
    "url without scheme": ([S, node("h", "http", config={"url": "ftp://x"}), O], ["s>h", "h>o"],
                           "invalid_url", {"field": "config.url"}),
    "code with a syntax error": (
        [S, node("k", "code", config={"source": "x = 1\ndef main(:\n    pass"}), O],
        ["s>k", "k>o"], "invalid_code", {"field": "config.source", "line": 2, "column": 10}),
    "main with a foreign parameter": (
        [S, node("k", "code", config={"source": "def main(input, foo):\n    pass"}), O],
        ["s>k", "k>o"], "invalid_code", {"field": "config.source"}),
    "bad variable name": ([S, node("v", config={"assignments": {"a b": 1}}), O], ["s>v", "v>o"],
                          "invalid_variable_name", {"field": "config.assignments.a b"}),
    "condition with both": (
        [S, node("c", "condition", config={"expression": "true", "cases": []}), O],
        ["s>c", "c:true>o"], "invalid_condition", {"node_id": "c"}),
    "reserved case handle": (
        [S, node("c", "condition", config={"cases": [{"handle": "else", "expression": "true"}]}),
         O], ["s>c", "c:else>o"], "invalid_handle", {"field": "config.cases[0].handle"}),
    "bad CEL": ([S, node("c", "condition", config={"expression": "input.x >"}), O],
                ["s>c", "c:true>o"], "invalid_expression",
                {"field": "config.expression", "line": 1, "column": 10}),
    "condition that is no bool": ([S, node("c", "condition", config={"expression": "'a'"}), O],
                                  ["s>c", "c:true>o"], "expression_not_bool", {}),
    "bad template": ([S, node("o", "output", config={"value": 'JSON:\n{"a": 1}'})], ["s>o"],
                     "invalid_template", {"field": "config.value", "line": 2, "column": 1}),
    "unknown name": ([S, node("o", "output", config={"value": "{foo}"})], ["s>o"],
                     "invalid_template", {"line": 1, "column": 2}),
    "unknown node": ([S, node("o", "output", config={"value": "a {nodes.x.output}"})], ["s>o"],
                     "unknown_node", {"line": 1, "column": 4}),
    "node that is not upstream": (
        [S, node("a", config={"assignments": {"v": "{nodes.b.output}"}}), node("b"), O],
        ["s>a", "s>b", "a>o", "b>o"], "not_upstream",
        {"node_id": "a", "field": "config.assignments.v"}),
    "node that may be skipped": (
        [S, node("c", "condition"), node("a"),
         node("o", "output", config={"value": {"k": ["{nodes.a.output}"]}})],
        ["s>c", "c:true>a", "a>o", "c:false>o"], "may_be_skipped",
        {"field": "config.value.k[0]"}),
    "node part that is none": ([S, node("o", "output", config={"value": "{nodes.s.text}"})],
                               ["s>o"], "unknown_node_part", {}),
    "index that is no literal": (
        [S, node("o", "output", config={"value": "{nodes[input].output}"})], ["s>o"],
        "dynamic_reference", {}),
    "unknown variable": ([S, node("o", "output", config={"value": "{vars.x}"})], ["s>o"],
                         "unknown_variable", {}),
    "variable that may be unset": (
        [S, node("c", "condition"), node("a"), node("o", "output", config={"value": "{vars.v}"})],
        ["s>c", "c:true>a", "a>o", "c:false>o"], "may_be_unset", {}),
    "variable of a sibling": (
        [S, node("a"), node("b", config={"assignments": {"w": "{vars.v}"}}), O],
        ["s>a", "s>b", "a>o", "b>o"], "variable_not_upstream", {"node_id": "b"}),
    "secret outside http and llm": (
        [S, node("o", "output", config={"value": "{secrets.KEY}"})], ["s>o"],
        "secret_not_allowed", {}),
    "loop name outside a loop": ([S, node("o", "output", config={"value": "{item}"})], ["s>o"],
                                 "unknown_name", {}),
    "two outputs of one key": (
        [S, node("a", "output", config={"key": "k"}), node("b", "output", config={"key": "k"})],
        ["s>a", "s>b"], "duplicate_output_key", {"node_id": "b"}),
    "bad default of an input": (
        [node("s", "start", config={"inputs": [{"name": "n", "type": "integer",
                                                "default": "x"}]}), O], ["s>o"],
        "invalid_default", {"field": "config.inputs[0].default"}),
    "configuration nested too deep": (
        [S, node("o", "output", config={"value": eval("[" * 80 + "]" * 80)})], ["s>o"],
        "config_too_deep", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_graphs_are_refused_for_their_reason(name: str) -> None:
    nodes, edges, code, place = BAD[name]
    found = [issue for issue in issues(nodes, *edges) if issue.code == code]
    assert found, f"no {code} in {codes(nodes, *edges)}"
    assert all(issue.severity == "error" for issue in found)
    for field, expected in place.items():
        assert getattr(found[0], field) == expected
    with pytest.raises(GraphError):
        compile_plan(graph(nodes, *edges), specs())


WARNINGS: dict[str, tuple[list[dict[str, Any]], list[str], str]] = {
    "a branch that just ends": ([S, node("c", "condition"), O], ["s>c", "c:true>o"],
                                "missing_branch"),
    "an error branch without edge": ([S, node("h", "http", on_error="branch"), O],
                                     ["s>h", "h>o"], "missing_branch"),
    "a dead end": ([S, node("h", "http"), O], ["s>h", "s>o"], "dead_end"),
    "no output": ([S, node("h", "http")], ["s>h"], "no_output"),
    "a race": ([S, node("a"), node("b"), O], ["s>a", "s>b", "a>o", "b>o"], "variable_race"),
    "code without output": ([S, node("k", "code", config={"source": "x = 1"}), O],
                            ["s>k", "k>o"], "no_output"),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings_stop_nothing(name: str) -> None:
    nodes, edges, code = WARNINGS[name]
    found = issues(nodes, *edges)
    assert code in {issue.code for issue in found}
    assert not errors(found)
    compile_plan(graph(nodes, *edges), specs())


GOOD: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "guarded by has": (
        [S, node("c", "condition"), node("a"), node(
            "o", "output",
            config={"value": "{has(nodes.a.output) ? nodes.a.output : 'none'}"})],
        ["s>c", "c:true>a", "a>o", "c:false>o"]),
    "guarded by an optional": (
        [S, node("c", "condition"), node("a"), node(
            "o", "output", config={"value": "{nodes.a.?output.orValue(null)}"})],
        ["s>c", "c:true>a", "a>o", "c:false>o"]),
    "a sure sibling": (
        [S, node("a"), node("b", config={"assignments": {"w": 1}}),
         node("o", "output", config={"value": "{nodes.a.output} {nodes.b.output}"})],
        ["s>a", "s>b", "a>o", "b>o"]),
    "set on both branches": (
        [S, node("c", "condition"), node("a"), node("b"),
         node("o", "output", config={"value": "{vars.v}"})],
        ["s>c", "c:true>a", "c:false>b", "a>o", "b>o"]),
    "ids that need quotes": (
        [S, node("node-1"), node("nœud 2"),
         node("o", "output", config={"value": "{nodes['nœud 2'].output} {nodes.`node-1`.meta}"})],
        ["s>node-1", "node-1>nœud 2", "nœud 2>o"]),
    "secrets in http": (
        [S, node("h", "http", config={"url": "https://a.b/{input}",
                                      "headers": {"A": "{secrets.KEY}"}}), O],
        ["s>h", "h>o"]),
    "an error branch": (
        [S, node("h", "http", on_error="branch"), O, node("e", "output")],
        ["s>h", "h>o", "h:error>e"]),
    "both handles into one node": ([S, node("c", "condition"), O],
                                   ["s>c", "c:true>o", "c:false>o"]),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_graphs_have_no_errors(name: str) -> None:
    nodes, edges = GOOD[name]
    assert errors(issues(nodes, *edges)) == []


def test_a_node_behind_an_early_join_may_not_be_done() -> None:
    """With join any, the slower branch may still run when the node starts."""
    nodes = [S, node("a"), node("b"), node("j", join="any", config={"assignments": {"w": 1}}),
             node("o", "output", config={"value": "{nodes.a.output}"})]  # fmt: skip
    edges = ["s>a", "s>b", "a>j", "b>j", "j>o"]
    assert "may_be_skipped" in codes(nodes, *edges)
    nodes[3] = node("j", config={"assignments": {"w": 1}})
    assert "may_be_skipped" not in codes(nodes, *edges)


def test_exclusive_branches_do_not_race() -> None:
    nodes, edges = GOOD["set on both branches"]
    assert "variable_race" not in codes(nodes, *edges)


def test_all_issues_come_at_once() -> None:
    nodes = [
        node("s", "start"),
        node("", "magic"),
        node("k", "code", config={"source": "def"}),
        node("o", "output", config={"value": "{nope} {nodes.zz.output}"}),
    ]
    found = codes(nodes, "s>k", "k>o", "o>k", "q>k")
    assert found >= {
        "empty_node_id",
        "unknown_node_type",
        "invalid_code",
        "unknown_edge_source",
        "unknown_handle",
        "invalid_template",
    }


def test_a_cycle_is_named() -> None:
    [issue] = [
        issue
        for issue in issues(
            [S, node("a"), node("b"), node("c"), O], "s>a", "a>b", "b>c", "c>a", "c>o"
        )
        if issue.code == "cycle"
    ]
    assert any(
        f"{x} -> {y} -> {z} -> {x}" in issue.message
        for x, y, z in (("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b"))
    )


def test_a_plan_carries_policy_and_references() -> None:
    nodes = [
        S,
        node("h", "http", retry={"max_attempts": 9, "initial_s": 100}, timeout_s=7,
             on_error={"default": {"x": 1}}),
        node("k", "code", config={"source": "def main(nodes, vars):\n    return 1"}),
        node("o", "output", config={"value": "{nodes.h.meta.status} {execution.input.a}"}),
    ]  # fmt: skip
    plan = compile_plan(graph(nodes, "s>h", "h>k", "k>o"), specs())
    by_id = {one.id: one for one in plan.nodes}
    policy = plan.policies[by_id["h"].policy]
    assert (policy.retry.max_attempts, policy.retry.initial_s, policy.timeout_s) == (9, 100, 7)
    assert policy.retry.max_s == 100, "Temporal refuses a longest pause below the first"
    assert (by_id["h"].on_error, by_id["h"].default_output) == ("default", {"x": 1})
    assert by_id["k"].references.all_nodes
    assert by_id["k"].references.all_vars
    assert not by_id["k"].references.input
    assert by_id["o"].references.nodes == {"h": ["meta"]}
    assert by_id["o"].references.execution_input
    assert not by_id["o"].references.input


def test_too_many_nodes_are_refused_without_looking_at_them() -> None:
    many = Graph.model_validate({"nodes": [{"id": "n", "type": "x"}] * 10_001})
    [issue] = validate(many, specs())
    assert issue.code == "too_many_nodes"


def _chain(size: int) -> Graph:
    nodes = [node("n0", "start")]
    nodes += [
        node(f"n{i}", config={"assignments": {"v": f"{{nodes.n{i - 1}.output}} {i}"}})
        for i in range(1, size - 1)
    ]
    nodes.append(node(f"n{size - 1}", "output"))
    return graph(nodes, *[f"n{i}>n{i + 1}" for i in range(size - 1)])


def test_ten_thousand_nodes_in_about_a_second() -> None:
    big = _chain(10_000)
    begin = time.process_time()
    assert validate(big, specs()) == []
    assert time.process_time() - begin < 3, "0.7 s alone; the bound allows for a busy machine"


def test_hostile_references_stay_bounded() -> None:
    """Ten thousand references that all may be skipped, to variables on one branch each."""
    nodes = [S, node("c", "condition")]
    edges = ["s>c"]
    for i in range(100):
        nodes.append(node(f"v{i}", config={"assignments": {f"x{i}": 1}}))
        edges += [f"c:true>v{i}", f"v{i}>j"]
    nodes.append(node("j", config={"assignments": {"w": "x"}}))
    edges.append("c:false>j")
    for i in range(2_000):
        refs = "".join(f"{{vars.x{(i + k) % 100}}}" for k in range(5))
        nodes.append(node(f"r{i}", config={"assignments": {"z": refs}}))
        edges.append(f"{'j' if i == 0 else f'r{i - 1}'}>r{i}")
    begin = time.process_time()
    assert "may_be_unset" in codes(nodes, *edges)
    assert time.process_time() - begin < 8


@pytest.mark.parametrize(
    ("name", "instead"),
    [("methd", "did you mean 'method'?"), ("verb", "there are ")],
)
def test_a_field_that_there_is_not_says_what_there_is(name: str, instead: str) -> None:
    asking = node("h", "http", config={"url": "https://a.b/", name: "GET"})
    [found] = [
        issue for issue in issues([S, asking, O], "s>h", "h>o") if issue.code == "invalid_config"
    ]
    assert found.message.startswith(f"there is no field {name!r}; {instead}")
    assert "method" in found.message
