"""n8n's nodes that lead a run: merges, calls, waits for a call, triggers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.triggers.schemas import TriggerIn
from pilot.convert.document import Conversion
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.n8n_workflow import GO, from_n8n_nodes, n8n_node, set_node


def node(found: Conversion, node_id: str) -> Any:
    return next(one for one in found.graph.nodes if one.id == node_id)


def sound(found: Conversion) -> None:
    assert errors(validate(found.graph, specs())) == []


TWO = (GO, set_node("A", a=1, same="a"), set_node("B", b=2, same="b"))
MEET = ("Go>A", "Go>B", "A>Meet:0", "B>Meet:1")


def merged(parameters: Any, *wires: str, version: float = 3, more: Any = ()) -> Conversion:
    meet = n8n_node("Meet", "merge", parameters, typeVersion=version)
    return from_n8n_nodes([*TWO, *more, meet], *(wires or MEET))


@pytest.mark.parametrize(
    ("version", "parameters"),
    [
        (3, {"mode": "combine", "combineBy": "combineByPosition"}),
        (3, {"mode": "combine", "combineBy": "combineAll"}),
        (2, {"mode": "combine", "combinationMode": "mergeByPosition"}),
        (1, {"mode": "mergeByIndex"}),
    ],
)
def test_combined_inputs_are_one_object_and_both_are_needed(
    version: float, parameters: Any
) -> None:
    found = merged(parameters, version=version)
    sound(found)
    assert node(found, "meet").config == {"name": "Meet", "mode": "n_of", "n": 2}
    assert node(found, "meet_fields").config == {
        "assignments": {"meet": "{vars.b}"},
        "operations": {"meet": "merge"},
    }


def test_the_order_is_that_of_the_inputs_and_of_the_preferred_one() -> None:
    parameters = {"mode": "combine", "combineBy": "combineByPosition"}
    crossed = merged(parameters, "Go>A", "Go>B", "A>Meet:1", "B>Meet:0")
    assert node(crossed, "meet_item").config["assignments"] == {"meet": "{vars.b}"}
    prefer = {"options": {"clashHandling": {"values": {"resolveClash": "preferInput1"}}}}
    first = merged({**parameters, **prefer})
    assert node(first, "meet_fields").config["assignments"] == {"meet": "{vars.a}"}


def test_what_nodes_give_as_their_output_is_merged_by_the_merge_itself() -> None:
    calls = [n8n_node(name, "httpRequest", {"url": "https://x.test"}) for name in ("C", "D")]
    meet = n8n_node("Meet", "merge", {"mode": "combine", "combineBy": "combineAll"})
    found = from_n8n_nodes([GO, *calls, meet], "Go>C", "Go>D", "D>Meet:0", "C>Meet:1")
    sound(found)
    assert node(found, "meet").config == {
        "name": "Meet", "mode": "n_of", "n": 2, "output": "object",
    }  # fmt: skip
    into = [edge.source for edge in found.graph.edges if edge.target == "meet"]
    assert into == ["d", "c"]


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        ({"mode": "chooseBranch"}, "{vars.a}"),
        ({"mode": "chooseBranch", "useDataOfInput": 2}, "{vars.b}"),
        ({"mode": "chooseBranch", "output": "empty"}, "{ {} }"),
    ],
)
def test_of_a_chosen_branch_the_other_is_waited_for(parameters: Any, value: str) -> None:
    found = merged(parameters)
    sound(found)
    assert node(found, "meet").config["n"] == 2
    assert node(found, "output").config["value"] == value


@pytest.mark.parametrize(
    "parameters",
    [
        {"mode": "combine"},  # n8n leaves the default out, which is by fields
        {"mode": "combine", "combineBy": "combineByFields"},
        {"mode": "combineBySql"},
        {
            "mode": "combine",
            "combineBy": "combineAll",
            "options": {"clashHandling": {"values": {"resolveClash": "addSuffix"}}},
        },
    ],
)
def test_a_merge_of_lists_is_not_guessed(parameters: Any) -> None:
    found = merged(parameters)
    assert node(found, "meet").type == "n8n:merge"
    [error] = [one for one in found.report.findings if one.severity == "error"]
    assert (error.name, bool(error.action)) == ("Meet", True)


def test_a_call_of_another_workflow_says_what_is_left_to_do() -> None:
    workflow = {"__rl": True, "mode": "list", "value": "w1", "cachedResultName": "Bill"}
    columns = {
        "value": {"total": "={{ $json.a }}"},
        "schema": [
            {"id": "total", "displayName": "total"},
            {"id": "same", "displayName": "same"},
            {"id": "gone", "displayName": "gone", "removed": True},
        ],
    }
    call = n8n_node("Call", "executeWorkflow", {"workflowId": workflow, "workflowInputs": columns})
    found = from_n8n_nodes([GO, TWO[1], call], "Go>A", "A>Call")
    sound(found)
    config = node(found, "call").config
    assert (config["workflow_id"], set(config["input"])) == ("w1", {"total", "same"})
    assert config["input"]["total"] == "{vars.a.a}"
    [error] = [one for one in found.report.findings if one.severity == "error"]
    assert "Bill" in error.message
    assert "workflow_id" in str(error.action)
    call["parameters"] = {"workflowId": "w1", "options": {"waitForSubWorkflow": False}}
    found = from_n8n_nodes([GO, TWO[1], call], "Go>A", "A>Call")
    assert node(found, "call").config["wait"] is False
    assert node(found, "output").config["value"] == "{vars.a}"
    call["parameters"] = {"workflowId": "={{ $json.id }}"}
    found = from_n8n_nodes([GO, call], "Go>Call")
    assert node(found, "call").type == "n8n:executeWorkflow"


def test_a_called_workflow_declares_its_input() -> None:
    values = [{"name": "total", "type": "number"}, {"name": "any"}, {"name": "not a name"}]
    trigger = n8n_node("In", "executeWorkflowTrigger", {"workflowInputs": {"values": values}})
    found = from_n8n_nodes([trigger, TWO[1]], "In>A")
    assert [(one["name"], one["type"]) for one in node(found, "start").config["inputs"]] == [
        ("total", "number"),
        ("any", "any"),
    ]


def test_a_wait_for_a_call_has_an_address_to_send() -> None:
    wait = n8n_node(
        "Hold", "wait",
        {"resume": "webhook", "httpMethod": "POST", "limitWaitTime": True, "resumeAmount": 2},
    )  # fmt: skip
    send = n8n_node("Send", "httpRequest", {"url": "=https://x.test?to={{ $execution.resumeUrl }}"})
    after = set_node("After", name="={{ $json.body.name }}")
    found = from_n8n_nodes([GO, send, wait, after], "Go>Send", "Send>Hold", "Hold>After")
    sound(found)
    assert node(found, "send").config["url"] == "https://x.test?to={hooks.hold}"
    assert node(found, "hold").config == {"name": "Hold", "webhook": True, "timeout": 7200.0}
    edges = {(one.source, one.target, one.source_handle) for one in found.graph.edges}
    assert {("hold", "after", None), ("hold", "after", "timeout")} <= edges


def test_a_switch_by_number_is_a_switch() -> None:
    switch = n8n_node(
        "Route", "switch",
        {"mode": "expression", "numberOutputs": 2, "output": "={{ $json.n }}"}, typeVersion=3.2,
    )  # fmt: skip
    found = from_n8n_nodes([GO, switch, *TWO[1:]], "Go>Route", "Route:0>A", "Route:1>B")
    sound(found)
    cases = node(found, "route").config["cases"]
    assert cases[1] == {"handle": "case_2", "expression": "double(nodes.start.output.n) == 1.0"}


def trigger_body(action: str) -> TriggerIn:
    text = action[action.index("{") :]
    return TriggerIn.model_validate(json.JSONDecoder().raw_decode(text)[0])


@pytest.mark.parametrize(
    ("interval", "cron"),
    [
        ({"field": "minutes", "minutesInterval": 10}, ["*/10 * * * *"]),
        ({"field": "hours", "triggerAtMinute": 5}, ["5 */1 * * *"]),
        ({"triggerAtHour": 9}, ["0 9 * * *"]),
        ({"field": "weeks", "triggerAtDay": [1, 3], "triggerAtHour": 7}, ["0 7 * * 1,3"]),
        ({"field": "months", "triggerAtDayOfMonth": 2}, ["0 0 2 */1 *"]),
        ({"field": "cronExpression", "expression": "15 0 8 * * 1-5"}, ["0 8 * * 1-5"]),
        ({"field": "days", "daysInterval": 3}, None),
    ],
)
def test_a_schedule_says_which_trigger_to_create(interval: Any, cron: Any) -> None:
    tick = n8n_node("Tick", "scheduleTrigger", {"rule": {"interval": [interval]}})
    found = from_n8n_nodes([tick, TWO[1]], "Tick>A", settings={"timezone": "Europe/Berlin"})
    [said] = [one for one in found.report.findings if one.name == "Tick"]
    schedule = trigger_body(str(said.action)).schedule
    assert schedule is not None
    assert schedule.timezone == "Europe/Berlin"
    assert (list(schedule.cron) or None) == cron
    assert cron is not None or schedule.every_s == 3 * 86_400


def test_a_webhook_says_which_trigger_to_create() -> None:
    hook = n8n_node(
        "Hook", "webhook",
        {"path": "x", "httpMethod": "PUT", "responseMode": "lastNode",
         "authentication": "headerAuth"},
    )  # fmt: skip
    found = from_n8n_nodes([hook, TWO[1]], "Hook>A")
    by_field = {one.field: one for one in found.report.findings if one.name == "Hook"}
    webhook = trigger_body(str(by_field["parameters"].action)).webhook
    assert webhook is not None
    assert webhook.max_wait_s == 60
    assert by_field["httpMethod"].severity == by_field["authentication"].severity == "warning"
