"""Dify's people, tools, agents and lists: what they become."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.convert.document import Conversion
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.dify_app import dify_node, end, from_dify_nodes, start
from tests.convert.test_n8n_flow import trigger_body


def node(found: Conversion, node_id: str) -> Any:
    return next(one for one in found.graph.nodes if one.id == node_id)


def sound(found: Conversion) -> None:
    assert errors(validate(found.graph, specs())) == []


def test_triggers_are_the_start_and_say_what_to_create() -> None:
    hook = dify_node(
        "hook", "trigger-webhook", method="POST", headers=[{"name": "X-Order"}],
        params=[{"name": "q"}], body=[{"name": "total", "type": "number"}],
    )  # fmt: skip
    tick = dify_node(
        "tick", "trigger-schedule", mode="visual", frequency="weekly", timezone="Asia/Tokyo",
        visual_config={"time": "2:30 PM", "weekdays": ["mon", "fri"]},
    )  # fmt: skip
    outputs = end(a=["hook", "X_Order"], b=["hook", "q"], c=["hook", "total"])
    variables = [{"name": "SHOP", "value": "tea", "value_type": "string"}]
    found = from_dify_nodes(
        [hook, tick, outputs], "hook>e", "tick>e", environment_variables=variables
    )
    sound(found)
    assert [one.type for one in found.graph.nodes] == ["variable", "start", "output"]
    assert node(found, "e").config["value"] == {
        "a": '{nodes.start.output.headers["x-order"]}',
        "b": "{nodes.start.output.query.q}",
        "c": "{nodes.start.output.body.total}",
    }
    said = {one.name: str(one.action) for one in found.report.findings if one.field}
    webhook = trigger_body(said["hook"]).webhook
    schedule = trigger_body(said["tick"]).schedule
    assert webhook is not None
    assert webhook.headers == ["x-order"]
    assert schedule is not None
    assert (list(schedule.cron), schedule.timezone) == (["30 14 * * mon,fri"], "Asia/Tokyo")


@pytest.mark.parametrize(
    ("data", "cron"),
    [
        ({"mode": "cron", "cron_expression": "5 4 * * *"}, "5 4 * * *"),
        ({"frequency": "hourly", "visual_config": {"on_minute": 7}}, "7 * * * *"),
        ({"frequency": "daily", "visual_config": {"time": "12:05 AM"}}, "5 0 * * *"),
        ({"frequency": "monthly", "visual_config": {"monthly_days": [1, "last"]}}, "0 0 1 * *"),
    ],
)
def test_a_schedule_is_a_cron_expression(data: Any, cron: str) -> None:
    found = from_dify_nodes([dify_node("tick", "trigger-schedule", **data), end()], "tick>e")
    [said] = [one for one in found.report.findings if one.name == "tick"]
    schedule = trigger_body(str(said.action)).schedule
    assert schedule is not None
    assert list(schedule.cron) == [cron]


def asks(actions: dict[str, str], *inputs: str, **more: Any) -> dict[str, Any]:
    return dify_node(
        "ask",
        "human-input",
        form_content="About {{#s.text#}}: {{#$output.note#}}",
        inputs=[{"type": "paragraph", "output_variable_name": name} for name in inputs],
        user_actions=[{"id": id, "title": title} for id, title in actions.items()],
        timeout=3,
        timeout_unit="day",
        **more,
    )


def test_two_buttons_of_which_one_refuses_are_an_approval() -> None:
    found = from_dify_nodes(
        [start("text"), asks({"ok": "Send", "no": "Reject"}), end("e"), end("n"), end("l")],
        "s>ask", "ask:ok>e", "ask:no>n", "ask:__timeout>l",
    )  # fmt: skip
    sound(found)
    assert node(found, "ask").config == {
        "name": "ask",
        "title": "ask",
        "timeout": 259_200.0,
        "description": "About {nodes.start.output.text}: [note]",
    }
    edges = {(one.target, one.source_handle) for one in found.graph.edges if one.source == "ask"}
    assert edges == {("e", "approved"), ("n", "rejected"), ("l", "timeout")}
    assert {one.severity for one in found.report.findings} == {"warning"}


def test_further_buttons_are_a_field_of_the_form_and_a_switch() -> None:
    buttons = {"send": "Send", "later": "Later", "drop": "Drop"}
    found = from_dify_nodes(
        [start("text"), asks(buttons, "note"), end("e", note=["ask", "note"]), end("n"), end("l")],
        "s>ask", "ask:send>e", "ask:drop>n", "ask:__timeout>l",
    )  # fmt: skip
    sound(found)
    config = node(found, "ask").config
    assert config["form"]["required"] == ["note", "action"]
    assert config["form"]["properties"]["action"]["enum"] == list(buttons)
    assert config["on_reject"] == "fail"
    edges = {(one.source, one.target, one.source_handle) for one in found.graph.edges}
    assert {
        ("ask", "ask_action", "approved"),
        ("ask_action", "e", "action_1"),
        ("ask_action", "n", "action_3"),
        ("ask", "l", "timeout"),
    } <= edges
    assert node(found, "e").config["value"] == {"note": "{nodes.ask.output.values.note}"}


def test_a_form_that_takes_files_is_said() -> None:
    ask = asks({"ok": "Go"})
    ask["data"]["inputs"] = [{"type": "file", "output_variable_name": "scan"}]
    found = from_dify_nodes([start("text"), ask, end()], "s>ask", "ask:ok>e")
    [error] = [one for one in found.report.findings if one.severity == "error"]
    assert (error.field, bool(error.action)) == ("inputs.scan", True)


def test_cases_and_classes_are_switches() -> None:
    condition = {"comparison_operator": "is", "value": "a", "varType": "string",
                 "variable_selector": ["s", "text"]}  # fmt: skip
    cases = [{"case_id": id, "conditions": [condition]} for id in ("true", "other")]
    choose = dify_node("choose", "if-else", cases=cases)
    sort = dify_node(
        "sort", "question-classifier", query_variable_selector=["s", "text"],
        classes=[{"id": "1", "name": "tea"}, {"id": "2", "name": "rest"}],
        model={"provider": "openai", "name": "m"},
    )  # fmt: skip
    found = from_dify_nodes(
        [start("text"), choose, sort, end("e"), end("f"), end("g")],
        "s>choose", "choose:true>sort", "choose:other>e", "choose:false>f", "sort:1>g",
    )  # fmt: skip
    sound(found)
    assert node(found, "choose").type == node(found, "sort_route").type == "switch"
    edges = {(one.target, one.source_handle) for one in found.graph.edges if one.source == "choose"}
    assert edges == {("sort", "case_1"), ("e", "case_2"), ("f", "else")}


def plugged(name: str, **more: Any) -> dict[str, Any]:
    schemas = [
        {"name": "city", "type": "string", "form": "llm", "required": True,
         "llm_description": "Where"},
        {"name": "key", "type": "string", "form": "form", "required": True},
    ]  # fmt: skip
    return {"tool_name": name, "tool_label": name, "provider_name": "w1", "enabled": True,
            "extra": {"description": "Weather"}, "schemas": schemas, **more}  # fmt: skip


def test_an_agent_is_a_model_with_tools() -> None:
    parameters = {
        "model": {"type": "constant", "value": {"provider": "langgenius/openai/openai",
                                                "model": "gpt-4o", "completion_params": {}}},
        "instruction": {"type": "constant", "value": "Be short. {{#s.text#}}"},
        "query": {"type": "constant", "value": "{{#s.text#}}"},
        "maximum_iterations": {"type": "constant", "value": 3},
        "tools": {"type": "constant", "value": [
            plugged("weather", type="workflow"), plugged("search", type="builtin"),
            plugged("off", enabled=False),
        ]},
    }  # fmt: skip
    agent = dify_node("think", "agent", agent_strategy_name="ReAct", agent_parameters=parameters)
    found = from_dify_nodes([start("text"), agent, end(t=["think", "text"])], "s>think", "think>e")
    config = node(found, "think").config
    assert {name: config[name] for name in ("model", "max_tool_rounds", "prompt_template")} == {
        "model": "openai/gpt-4o",
        "max_tool_rounds": 3,
        "prompt_template": "{nodes.start.output.text}",
    }
    assert config["tools"][0] == {
        "node": "think_weather",
        "description": "Weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Where"}},
            "required": ["city"],
        },
    }
    assert [node(found, one["node"]).type for one in config["tools"]] == ["workflow", "dify:tool"]
    assert {one.field for one in found.report.findings if one.severity == "error"} == {
        "provider_id",
        "tools.search",
    }
    assert node(found, "e").config["value"] == {"t": "{nodes.think.output}"}
    [broken] = {one.node_id for one in errors(validate(found.graph, specs()))}
    assert broken == "think_search"


def test_a_workflow_as_a_tool_is_a_workflow_node() -> None:
    parameters = {
        "city": {"type": "mixed", "value": "in {{#s.text#}}"},
        "days": {"type": "constant", "value": 2},
        "from": {"type": "variable", "value": ["s", "text"]},
    }
    call = dify_node(
        "call", "tool", provider_type="workflow", provider_id="p1", tool_name="w",
        tool_parameters=parameters,
    )  # fmt: skip
    found = from_dify_nodes([start("text"), call, end(x=["call", "total"])], "s>call", "call>e")
    sound(found)
    assert node(found, "call").config["input"] == {
        "city": "in {nodes.start.output.text}",
        "days": 2,
        "from": "{nodes.start.output.text}",
    }
    assert node(found, "e").config["value"] == {"x": "{nodes.call.output.total}"}
    call["data"]["provider_type"] = "builtin"
    assert node(from_dify_nodes([start(), call], "s>call"), "call").type == "dify:tool"


@pytest.mark.parametrize(
    "data",
    [
        {"var_type": "array[file]", "filter_by": {"enabled": True, "conditions": [
            {"key": "size", "comparison_operator": ">", "value": "1"}]}},
        {"var_type": "array[string]", "filter_by": {"enabled": True, "conditions": [
            {"comparison_operator": "is", "value": "{{#s.text#}}"}]}},
        {"var_type": "array[string]", "extract_by": {"enabled": True, "serial": "{{#s.text#}}"}},
        {"var_type": "array[file]", "order_by": {"enabled": True, "key": "name", "value": "asc"}},
    ],
)  # fmt: skip
def test_a_list_of_files_is_not_guessed(data: Any) -> None:
    lists = dify_node("pick", "list-operator", variable=["s", "text"], **data)
    found = from_dify_nodes([start("text"), lists, end()], "s>pick", "pick>e")
    assert node(found, "pick").type == "dify:list-operator"
