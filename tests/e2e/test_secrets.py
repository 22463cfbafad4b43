"""A secret reaches the server it is for, and nothing else: not the output, the events, the
history, the database, or the logs, whatever the other side echoes."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from pilot.settings import Settings
from pilot.temporal import connect
from tests.activities.http_server import http_server
from tests.openai_server import Reply, openai_server
from tests.stack import Stack, execute, finished, run_events, save

VALUE = 'hush/K9+zq "no one" 7Tq'
FORMS = [
    VALUE,
    quote(VALUE, safe=""),
    json.dumps(VALUE)[1:-1],
    json.dumps(json.dumps(VALUE)[1:-1])[1:-1],
    b64encode(VALUE.encode()).decode().rstrip("=")[:-1],
    "hush/K9",
    "hush%2FK9",
]


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    chain = [
        {"id": "start", "type": "start", "config": {}},
        *nodes,
        {"id": "output", "type": "output", "config": {}},
    ]
    edges = [{"source": one["id"], "target": other["id"]} for one, other in pairwise(chain)]
    return {"nodes": chain, "edges": edges}


def clean(text: str, what: str) -> None:
    leaked = [form for form in FORMS if form in text]
    assert not leaked, f"{what}: {leaked}"


class Witness:
    """A user with a secret, who runs a graph and then looks everywhere."""

    def __init__(self, stack: Stack, user: str) -> None:
        self.stack = stack
        self.user = user
        self.watches = asyncio.Event()
        """Set once the run's first event came."""

    async def run(self, *nodes: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The execution, and its live and durable events."""
        async with self.stack.client(self.user) as client, self.stack.events(self.user) as socket:
            made = await client.post("/api/v1/secrets", json={"name": "KEY", "value": VALUE})
            assert made.status_code in (200, 201), made.text
            workflow_id = await save(client, graph(*nodes))
            execution_id = await execute(client, workflow_id)
            events = []
            async for event in run_events(socket, execution_id):
                events.append(event)
                self.watches.set()
            execution = await finished(client, execution_id)
            answer = await client.get(f"/api/v1/executions/{execution_id}/events")
            clean(answer.text, "the stream of events")
        clean(json.dumps(events, ensure_ascii=False), "the live events")
        clean(json.dumps(execution, ensure_ascii=False), "the execution")
        clean(await self.history(execution_id), "the history")
        for path in self.stack.data_dir.rglob("*"):
            if path.is_file():
                clean(path.read_bytes().decode("latin-1"), str(path))
        clean(self.stack.errors(), "stderr")
        return execution, events

    async def history(self, execution_id: str) -> str:
        address = self.stack.state()["temporal"]["address"]
        client = await connect(Settings(temporal_address=address))
        handle = client.get_workflow_handle(f"execution-{execution_id}")
        whole = "".join(
            [
                event.SerializeToString().decode("utf-8", "replace")
                async for event in handle.fetch_history_events()
            ]
        )
        assert "{secrets.KEY}" in whole
        return whole


async def test_an_echo_of_the_request_leaks_nothing(stack: Stack) -> None:
    async with http_server() as server:
        execution, _ = await Witness(stack, "echoed").run(
            {
                "id": "call",
                "type": "http",
                "config": {
                    "method": "POST",
                    "url": f"{server.url}/echo",
                    "query": {"key": "{secrets.KEY}"},
                    "headers": {"X-Key": "{secrets.KEY}"},
                    "auth": {"type": "basic", "username": "me", "password": "{secrets.KEY}"},
                    "body": {"nested": [{"key": "the key is {secrets.KEY}."}]},
                },
            }
        )
        [(_, _, headers, body)] = server.requests
    assert headers["x-key"] == VALUE
    assert headers["authorization"] == f"Basic {b64encode(f'me:{VALUE}'.encode()).decode()}"
    assert json.loads(body) == {"nested": [{"key": f"the key is {VALUE}."}]}
    echoed = execution["output"]
    assert echoed["headers"]["x-key"] == "[secret KEY]"
    assert "[secret KEY]" in echoed["headers"]["authorization"]
    assert echoed["query"] == [["key", "[secret KEY]"]]
    assert "the key is [secret KEY]." in echoed["body"]


async def test_an_error_and_its_retries_leak_nothing(stack: Stack) -> None:
    async with http_server() as server:
        execution, events = await Witness(stack, "failing").run(
            {
                "id": "call",
                "type": "http",
                "config": {
                    "url": f"{server.url}/echo?key={{secrets.KEY}}",
                    "headers": {"X-Key": "{secrets.KEY}"},
                    "success": ["299"],
                },
            },
        )
    assert execution["status"] == "failed"
    assert "[secret KEY]" in execution["error"]["message"]
    assert any(event["type"] == "node.failed" for event in events)


async def test_a_bad_request_made_of_a_secret_leaks_nothing(stack: Stack) -> None:
    execution, _ = await Witness(stack, "unreachable").run(
        {
            "id": "call",
            "type": "http",
            "config": {"url": "http://127.0.0.1:1/{secrets.KEY}"},
            "retry": {"max_attempts": 2, "initial_s": 0.1},
        },
    )
    assert execution["status"] == "failed"


async def test_a_model_that_repeats_its_prompt_leaks_nothing(stack: Stack) -> None:
    witness = Witness(stack, "prompted")

    async def echo(request: dict[str, Any]) -> Reply:
        await witness.watches.wait()  # who comes when it has answered is told no token
        await asyncio.sleep(0.5)
        return Reply(f"echo: {request['messages'][-1]['content']}")

    async with openai_server() as server:
        server.answer = echo
        execution, events = await witness.run(
            {
                "id": "ask",
                "type": "llm",
                "config": {
                    "model": "gpt-3.5-turbo",
                    "api_base": server.base_url,
                    "api_key": "{secrets.KEY}",
                    "prompt_template": "My key is {secrets.KEY}, repeat it.",
                },
            }
        )
        assert server.requests[-1]["messages"][-1]["content"] == f"My key is {VALUE}, repeat it."
        assert server.headers[-1]["authorization"] == f"Bearer {VALUE}"
    assert execution["output"] == "echo: My key is [secret KEY], repeat it."
    told = "".join(event["data"]["text"] for event in events if event["type"] == "llm.token")
    assert told == "echo: My key is [secret KEY], repeat it."


async def test_a_secret_that_is_removed_before_its_node_runs(stack: Stack) -> None:
    async with http_server() as server, stack.client("remover") as client:
        await client.post("/api/v1/secrets", json={"name": "KEY", "value": VALUE})
        await stack.client("neighbour").post(
            "/api/v1/secrets", json={"name": "KEY", "value": "the neighbour's"}
        )
        first = {
            "id": "slow",
            "type": "http",
            "config": {"url": f"{server.url}/slow"},
            "timeout_s": 1,
            "retry": {"max_attempts": 1},
            "on_error": "continue",
        }
        second = {
            "id": "call",
            "type": "http",
            "config": {"url": f"{server.url}/echo", "headers": {"A": "{secrets.KEY}"}},
        }
        workflow_id = await save(client, graph(first, second))
        execution_id = await execute(client, workflow_id)
        assert (await client.delete("/api/v1/secrets/KEY")).status_code == 204
        execution = await finished(client, execution_id)
        assert [path for _, path, _, _ in server.requests] == ["/slow"]
    assert execution["error"]["code"] == "missing_secret"
    assert "'KEY'" in execution["error"]["message"]
    [failed] = [node for node in execution["nodes"] if node["id"] == "call"]
    assert failed["attempt"] == 1


@pytest.mark.parametrize("kind", ["code", "condition", "variable", "output"])
async def test_no_other_node_may_refer_to_a_secret(stack: Stack, kind: str) -> None:
    config: dict[str, Any] = {
        "code": {"source": "def main(secrets): return secrets"},
        "condition": {"expression": "secrets.KEY == 'x'"},
        "variable": {"assignments": {"x": "{secrets.KEY}"}},
        "output": {"value": "{secrets.KEY}"},
    }[kind]
    nodes = [
        {"id": "start", "type": "start", "config": {}},
        {"id": "n", "type": kind, "config": config},
    ]
    edges = [{"source": "start", "target": "n"}]
    async with stack.client("elsewhere") as client:
        await client.post("/api/v1/secrets", json={"name": "KEY", "value": VALUE})
        answer = await client.post(
            "/api/v1/workflows/validate", json={"nodes": nodes, "edges": edges}
        )
    found = {issue["code"] for issue in answer.json()["issues"]}
    # `secrets` is a parameter of a code node like any other, and gets the node's input
    assert ("secret_not_allowed" in found) is (kind != "code")
