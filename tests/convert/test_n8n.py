"""n8n's workflows: what they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilot.convert.cel import Place
from pilot.convert.document import Conversion
from pilot.convert.draft import Certainty
from pilot.convert.formats import convert, parse_document
from pilot.convert.n8n.expression import translate
from pilot.convert.n8n.views import At, Either, Fields, Read, read
from pilot.graph.evaluation import evaluate
from pilot.graph.expressions import compile_expression
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs

SAMPLES = Path(__file__).parent / "samples" / "n8n"


def converted(name: str) -> Conversion:
    return convert(parse_document((SAMPLES / f"{name}.json").read_text()), specs())


def node(found: Conversion, node_id: str) -> Any:
    return next(one for one in found.graph.nodes if one.id == node_id)


def at_input(name: str | None, path: tuple[str | int, ...]) -> Read | None:
    place = Place(("input", *([name] if name else [])))
    return read(At(place), path, "r", Certainty())


VALUES = {
    "a": 1,
    "f": 2.5,
    "name": " Ada ",
    "empty": "",
    "none": None,
    "list": ["x", "y"],
    "deep": {"a b": {"c": [10, 20]}},
    "Node X": {"y": 5},
    "yes": True,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$json.a", 1),
        ("$json['a'] + 1", 2),
        ("$json.deep['a b'].c[1]", 20),
        ('$node["Node X"].json.y', 5),
        ("$('Node X').item.json.y * 2", 10),
        ("$('Node X').first().json['y']", 5),
        ("$input.item.json.a", 1),
        ("$json.name.trim() + '!'", "Ada!"),
        ("'n = ' + $json.a", "n = 1"),
        ("`${$json.name.trim()} is ${$json.a}`", "Ada is 1"),
        ("$json.missing || 'none'", "none"),
        ("$json.empty || $json.a", 1),
        ("$json.none ?? 'x'", "x"),
        ("$json.a === 1 && $json.yes === true", True),
        ("$json.a !== 1 || $json.f >= 2.5", True),
        ("!$json.missing", True),
        ("$json.yes ? 'y' : 'n'", "y"),
        ("$json.empty ? 'y' : 'n'", "n"),
        ("$json.list.length", 2),
        ("$json.list.join(', ')", "x, y"),
        ("$json.name.includes('da')", True),
        ("['x', 'z'].includes($json.list[0])", True),
        ("'a-b-c'.replace('-', '+')", "a+b-c"),
        ("'a-b-c'.replaceAll('-', '+')", "a+b+c"),
        ("'a,b'.split(',')[1]", "b"),
        ("7 / 2", 3.5),
        ("(1 + 2) * 3 - -1", 10),
        ("JSON.parse('[1]')[0]", 1),
        ("$if($json.yes, 'a', 'b')", "a"),
        ("$ifEmpty($json.empty, 'b')", "b"),
        ("'it\\'s \"x\"\\n'", 'it\'s "x"\n'),
        ("$execution.id", "run"),
        ("[$json.a, 'b', null, false]", [1, "b", None, False]),
        ("$json", VALUES),
    ],
)
def test_what_is_translated_gives_the_same(source: str, value: Any) -> None:
    found = translate(source, at_input, {"$execution.id": '"run"'})
    assert found is not None, source
    assert evaluate(compile_expression(found.text), {"input": VALUES}) == value, found.text


@pytest.mark.parametrize(
    "source",
    [
        "$json.rows.map(r => r.name)",
        "$now.toISO()",
        "$json.a?.b",
        "new Date()",
        "$json.text.match(/x/)",
        "$input.all()",
        "$json.name.slice(-3)",
        "$items()[0]",
        "$env.KEY",
        "$json.a && 'text'",
        "(() => 1)()",
        "$json.a; $json.b",
        "{a: 1}",
        "$json.name.replace('a')",
        "`${`nested`}`",
        "'unclosed",
        "",
        "typeof $json",
        "$json.a ==",
        "constructor.constructor('x')()",
        "(" * 5000,
    ],
)
def test_all_else_is_left(source: str) -> None:
    assert translate(source, at_input, {}) is None


def test_a_view_of_several_nodes_is_that_of_the_first_that_ran() -> None:
    a, b = (At(Place(("nodes", one, "output"), one)) for one in "ab")
    found = read(Either((a, b)), ("x",), "r", Certainty())
    assert found == Read(
        "(has(nodes.a.output) ? nodes.a.output.x : (has(nodes.b.output) ? nodes.b.output.x : null))"
    )
    whole = read(Fields({"t": a, "u": Fields({"v": b})}), (), "r", Certainty())
    assert whole == Read('{"t": nodes.a.output, "u": {"v": nodes.b.output}}')
    assert read(Fields({"t": a}), ("other",), "r", Certainty()) is None


def test_a_webhook_workflow_is_carried_whole() -> None:
    found = converted("order_desk")
    assert (found.name, found.report.format) == ("Order desk", "n8n")
    assert errors(validate(found.graph, specs())) == []
    assert [one for one in found.report.findings if one.severity == "error"] == []
    assert [(one.id, one.type) for one in found.graph.nodes] == [
        ("start", "start"),
        ("read_it", "variable"),
        ("large", "condition"),
        ("tell_the_crm", "http"),
        ("small", "output"),
        ("add_the_id", "variable"),
        ("add_the_id_fields", "variable"),
        ("answer", "output"),
    ]
    assert node(found, "read_it").config["assignments"]["read_it"] == {
        "who": "{nodes.start.output.body.name.trim().upperAscii()}",
        "order": {
            "total": "{(nodes.start.output.body.items[0].price * "
            "nodes.start.output.body.items[0].count)}",
            "currency": "EUR",
        },
        "note": "{string(((has(nodes.start.output.body.note) && !(nodes.start.output.body.note in "
        '[null, "", 0, false])) ? nodes.start.output.body.note : "none"))}',
        "literal": "{{keep}} {{{{ these }}}}",
    }
    call = node(found, "tell_the_crm")
    assert call.config["auth"] == {"type": "bearer", "token": "{secrets.CRM_TOKEN}"}
    assert call.config["body"] == "{vars.read_it}"
    assert (call.retry.max_attempts, call.retry.initial_s, call.timeout_s) == (4, 0.5, 20)
    edges = {(one.source, one.target, one.source_handle) for one in found.graph.edges}
    assert ("large", "tell_the_crm", "true") in edges
    assert ("large", "small", "false") in edges
    said = [f"{one.message}: {one.action}" for one in found.report.findings]
    assert any("once for each item" in one for one in said)
    assert any("CRM_TOKEN" in one for one in said)
    assert any("does nothing" in one for one in said)
    assert any("A to Z" in one for one in said)


def test_models_are_plugged_in() -> None:
    found = converted("ask_about_mail")
    assert errors(validate(found.graph, specs())) == []
    sort, sell = node(found, "sort").config, node(found, "sell").config
    assert sort == {
        "name": "Sort",
        "model": "openai/gpt-4o-mini",
        "temperature": 0.1,
        "max_tokens": 200,
        "system_template": "You sort mail.",
        "messages": [{"role": "user", "content": "an example"}],
        "prompt_template": "Sort this: {nodes.start.output.chatInput}",
        "output_schema": {
            "type": "object",
            "properties": {"topic": {"type": "string"}, "score": {"type": "number"}},
            "required": ["topic", "score"],
        },
    }
    assert sell["model"] == "anthropic/claude-3-5-haiku-latest"
    assert sell["system_template"] == "Topic {nodes.sort.output.topic}"
    dropped = {(one.name, one.field) for one in found.report.dropped}
    assert {("Sell", "ai_tool"), ("Sort", "options.topP")} <= dropped
    assert ("Say", None) in {(one.name, one.field) for one in found.report.approximated}


def test_what_cannot_be_carried_is_an_error_that_holds_it() -> None:
    found = converted("lost")
    broken = {one.node_id for one in errors(validate(found.graph, specs())) if one.node_id}
    assert {"script", "slack", "edit", "dates"} <= broken
    assert node(found, "slack").type == "n8n:slack"
    kept = node(found, "script").model_extra["imported"]
    assert kept["data"]["parameters"] == {"jsCode": "return [{json: {a: 1}}]"}
    assert "credentials" not in node(found, "slack").model_extra["imported"]["data"]
    edit = node(found, "edit").config["assignments"]["edit"]
    assert edit["list"] == '{untranslated("$json.rows.map(r => r.name)")}'
    assert edit["now"] == 'at {untranslated("$now.toISO()")} in {nodes.slack.output.ok}'
    body = node(found, "each").config["body"]
    [call] = [one for one in body["nodes"] if one["id"] == "call"]
    assert call["on_error"] == "branch"
    assert {"source": "call", "target": "each_item", "source_handle": "error"} in body["edges"]
    by_name = {(one.name, one.field, one.severity): one.original for one in found.report.findings}
    assert by_name["Script", "type", "error"] == "n8n-nodes-base.code"
    assert by_name["Edit", "fields.list", "error"] == "$json.rows.map(r => r.name)"
    assert ("Off", None, "info") in by_name
    assert ("Call", "authentication", "error") in by_name
    assert ("Call", "options.pagination", "warning") in by_name
    assert any("stops at an item" in one.message for one in found.report.approximated)


def test_a_report_without_an_error_is_a_graph_that_runs() -> None:
    body = {
        "nodes": [
            {"name": "Go", "type": "n8n-nodes-base.manualTrigger", "parameters": {}},
            {"name": "Get", "type": "n8n-nodes-base.httpRequest", "parameters": {"url": "nowhere"}},
        ],
        "connections": {"Go": {"main": [[{"node": "Get", "type": "main", "index": 0}]]}},
    }
    found = convert(json.loads(json.dumps(body)), specs())
    [error] = [one for one in found.report.findings if one.severity == "error"]
    assert (error.name, error.field) == ("Get", "config.url")


@pytest.mark.parametrize(
    ("version", "parameters", "config"),
    [
        (1.1, {"amount": 15}, {"duration": 15.0}),
        (1, {"amount": 2, "unit": "minutes"}, {"duration": 120.0}),
        (1, {}, {"duration": 3600.0}),
        (
            1.1,
            {"amount": "={{ $json.s }}"},
            {"duration": "{double(nodes.start.output.s) * 1.0}"},
        ),
        (
            1.1,
            {"resume": "specificTime", "dateTime": "={{ $json.at }}"},
            {"until": "{nodes.start.output.at}"},
        ),
        (1.1, {"resume": "form"}, None),
    ],
)
def test_a_wait_waits_as_long(version: float, parameters: Any, config: Any) -> None:
    kind = "n8n-nodes-base.wait"
    body = {
        "nodes": [
            {"name": "Go", "type": "n8n-nodes-base.manualTrigger", "parameters": {}},
            {"name": "Wait", "type": kind, "typeVersion": version, "parameters": parameters},
        ],
        "connections": {"Go": {"main": [[{"node": "Wait", "type": "main", "index": 0}]]}},
    }
    found = convert(body, specs())
    wait = node(found, "wait")
    if config is None:
        assert wait.type == "n8n:wait"
        return
    assert wait.config == {"name": "Wait", **config}
    assert node(found, "output").config["value"] == "{nodes.start.output}"
    assert errors(validate(found.graph, specs())) == []


@pytest.mark.parametrize(
    ("options", "mode"), [({}, "first"), ({"allMatchingOutputs": True}, "all")]
)
def test_a_switch_is_a_switch(options: Any, mode: str) -> None:
    rules = [
        {"value2": "a", "output": 0},
        {"value2": "b", "output": 1},
        {"value2": "c", "output": 0},
    ]
    parameters = {
        "dataType": "string",
        "value1": "={{ $json.kind }}",
        "rules": {"rules": rules},
        "fallbackOutput": 2,
        "options": options,
    }
    kinds = "n8n-nodes-base"
    one = {"node": "Noop", "type": "main", "index": 0}
    body = {
        "nodes": [
            {"name": "Go", "type": f"{kinds}.manualTrigger"},
            {"name": "Route", "type": f"{kinds}.switch", "parameters": parameters},
            *({"name": name, "type": f"{kinds}.set"} for name in ("A", "B", "C")),
        ],
        "connections": {
            "Go": {"main": [[{**one, "node": "Route"}]]},
            "Route": {"main": [[{**one, "node": name}] for name in ("A", "B", "C")]},
        },
    }
    found = convert(body, specs())
    assert node(found, "route").config == {
        "name": "Route",
        "mode": mode,
        "cases": [
            {
                "handle": "case_1",
                "expression": '(nodes.start.output.kind == "a") || '
                '(nodes.start.output.kind == "c")',
            },
            {"handle": "case_2", "expression": 'nodes.start.output.kind == "b"'},
        ],
    }
    edges = {(one.source, one.target, one.source_handle) for one in found.graph.edges}
    assert {
        ("route", "a", "case_1"),
        ("route", "b", "case_2"),
        ("route", "c", "else"),
    } <= edges
