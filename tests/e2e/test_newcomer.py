"""A newcomer's path: start πlot, run the chatbot, watch it, find it in Temporal."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import psutil
import pytest

from pilot.settings import Settings
from pilot.temporal import connect
from tests.stack import Stack, execute, finished, live_events, pilot, run_events, save

EXAMPLES = Path(__file__).parents[2] / "examples"
CHATBOT = json.loads((EXAMPLES / "simple_chatbot.json").read_text())

LIMIT_S = 20.0  # 3 s on an idle machine; two suites share this one


async def test_ready_means_that_everything_answers(stack: Stack) -> None:
    assert stack.ready_after_s < LIMIT_S
    assert stack.ready_line == f"pilot ready {stack.url}"
    async with httpx.AsyncClient(base_url=stack.url) as anyone:
        health = (await anyone.get("/health")).json()
        assert health["status"] == "ok", health
        assert (await anyone.get("/")).status_code == 200
        assert (await anyone.get("/api/v1/workflows")).status_code == 401


def test_the_state_file_names_living_processes(stack: Stack) -> None:
    state = stack.state()
    assert set(state) == {"api", "worker", "temporal"}
    assert state["api"]["url"] == stack.url
    children = {process.pid for process in stack.descendants()}
    assert {state[part]["pid"] for part in state} <= children


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    hosts = {
        connection.laddr.ip
        for process in stack.descendants()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert hosts == {"127.0.0.1"}


async def test_the_chatbot_runs_without_any_key(stack: Stack) -> None:
    async with stack.client("newcomer") as client:
        workflow_id = await save(client, CHATBOT)
        execution_id = await execute(client, workflow_id, {"message": "Hello πlot"})
        execution = await finished(client, execution_id)
    assert execution["status"] == "succeeded", execution
    assert "demo" in execution["output"]
    assert "Hello πlot" in execution["output"]
    assert [node["status"] for node in execution["nodes"]] == ["succeeded"] * 3
    assert execution["temporal"]["workflow_id"] == f"execution-{execution_id}"
    assert execution["temporal"]["url"].startswith(stack.state()["temporal"]["ui"])


async def test_every_step_is_seen_live_once_and_in_order(stack: Stack) -> None:
    async with stack.client("watcher") as client, stack.events("watcher") as socket:
        workflow_id = await save(client, CHATBOT)
        execution_id = await execute(client, workflow_id, {"message": "Hi"})
        # not a subscription, whose replay leaves out the tokens of what has ended already
        events = [event async for event in live_events(socket, execution_id)]
        durable = [event for event in events if "seq" in event]
        assert [event["seq"] for event in durable] == list(range(1, len(durable) + 1))
        assert [(event["type"], event.get("node_id")) for event in durable] == [
            ("execution.started", None),
            ("node.started", "start"),
            ("node.succeeded", "start"),
            ("node.started", "llm"),
            ("node.succeeded", "llm"),
            ("node.started", "output"),
            ("node.succeeded", "output"),
            ("execution.succeeded", None),
        ]
        spoken = "".join(e["data"]["text"] for e in events if e["type"] == "llm.token")
        execution = await finished(client, execution_id)
        assert spoken == execution["output"]

    # and again, later, from the middle
    async with stack.events("watcher") as socket:
        again = [event async for event in run_events(socket, execution_id, last_seq=3)]
    assert [event["seq"] for event in again] == [4, 5, 6, 7, 8]


async def test_temporal_shows_which_workflow_ran(stack: Stack) -> None:
    async with stack.client("inspector") as client:
        workflow_id = await save(client, CHATBOT)
        execution_id = await execute(client, workflow_id, {"message": "Hi"})
        await finished(client, execution_id)
    temporal = await connect(Settings(temporal_address=stack.state()["temporal"]["address"]))
    handle = temporal.get_workflow_handle(f"execution-{execution_id}")
    await handle.result()
    shown = await handle.describe()
    assert shown.workflow_type == "InterpretGraph"
    assert shown.search_attributes["PilotUser"] == ["inspector"]
    assert shown.search_attributes["PilotWorkflow"] == [workflow_id]
    assert shown.search_attributes["PilotStatus"] == ["succeeded"]
    async with httpx.AsyncClient() as browser:
        page = await browser.get(stack.state()["temporal"]["ui"])
    assert page.status_code == 200


def test_pilot_run_prints_the_answer_alone(stack: Stack) -> None:
    chatbot = str(EXAMPLES / "simple_chatbot.json")
    first = stack.pilot("run", chatbot, "--input", '{"message": "Ahoy"}')
    assert first.returncode == 0, first.stderr
    assert "Ahoy" in first.stdout
    assert len(first.stdout.splitlines()) == 1
    assert "llm                   succeeded" in first.stderr
    second = stack.pilot("run", chatbot)
    assert second.returncode == 0, second.stderr
    assert "(version 1)" in second.stderr  # the same stored workflow, unchanged


async def test_pilot_run_takes_an_id_too(stack: Stack) -> None:
    async with stack.client("dev") as client:
        workflow_id = await save(client, {**CHATBOT, "name": "by id"})
    result = stack.pilot("run", workflow_id)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("[demo")


FAILING = {
    "name": "failing",
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "broken",
            "type": "code",
            "config": {"source": "def main(input):\n    raise ValueError('no luck')\n"},
            "retry": {"max_attempts": 1},
        },
        {"id": "output", "type": "output"},
    ],
    "edges": [
        {"source": "start", "target": "broken"},
        {"source": "broken", "target": "output"},
    ],
}


def test_a_run_that_fails_exits_with_1_and_says_where(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "failing.json"
    file.write_text(json.dumps(FAILING))
    result = stack.pilot("run", str(file))
    assert result.returncode == 1
    assert result.stdout == ""
    assert "failed at broken" in result.stderr
    assert "no luck" in result.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"prompt_template": "Hi {inptu}"}, "llm config.prompt_template 1:5"),
        ({}, "prompt_template"),
    ],
)
def test_a_bad_graph_exits_with_2_and_points_at_it(
    stack: Stack, tmp_path: Path, config: dict[str, str], said: str
) -> None:
    graph = json.loads(json.dumps(CHATBOT))
    graph["name"] = "bad"
    graph["nodes"][1]["config"] = config
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(graph))
    for command in (
        stack.pilot("run", str(file)),
        pilot("validate", str(file), cwd=tmp_path),
    ):
        assert command.returncode == 2
        assert said in command.stdout + command.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["no-such-file.json"], "no such file", 2),
        (["00000000-0000-0000-0000-000000000000"], "neither a file nor a workflow", 2),
        ([str(EXAMPLES / "simple_chatbot.json"), "--input", "{oops"], "not JSON", 2),
        ([str(EXAMPLES / "simple_chatbot.json"), "--input", '{"message": 7}'], "input.message", 2),
        ([str(EXAMPLES / "simple_chatbot.json"), "--server", "http://127.0.0.1:9"], "no πlot", 4),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(
    stack: Stack, arguments: list[str], said: str, code: int
) -> None:
    result = stack.pilot("run", *arguments)
    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
