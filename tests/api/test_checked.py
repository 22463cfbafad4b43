"""What validation said of a graph is kept for its next read, and no longer than it holds."""

from uuid import uuid4

import pytest

from api.workflows import checked, service
from api.workflows.checked import Checked, Checks
from api.workflows.schemas import CHATBOT
from pilot.graph.issues import Issue

URL = "/api/v1/workflows"


def asking(field, value):
    """The chatbot, with a node that has this in its configuration."""
    node = {"id": "ask", "type": "http", "config": {"url": "https://a.example", field: value}}
    edges = [{"source": "start", "target": "ask"}, {"source": "ask", "target": "output"}]
    return {**CHATBOT, "nodes": [*CHATBOT["nodes"], node], "edges": [*CHATBOT["edges"], *edges]}


def calling(workflow_id):
    node = {"id": "call", "type": "workflow", "config": {"workflow_id": workflow_id}}
    edges = [{"source": "start", "target": "call"}, {"source": "call", "target": "output"}]
    return {**CHATBOT, "nodes": [*CHATBOT["nodes"], node], "edges": [*CHATBOT["edges"], *edges]}


async def made(client, body):
    answer = await client.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def codes(client, workflow_id):
    answer = await client.get(f"{URL}/{workflow_id}")
    assert answer.status_code == 200, answer.text
    return [issue["code"] for issue in answer.json()["issues"]]


@pytest.fixture
def validated(monkeypatch):
    """The graphs that were validated."""
    seen, validate = [], service.validate

    def noted(graph, *rest):
        seen.append(graph)
        return validate(graph, *rest)

    monkeypatch.setattr(service, "validate", noted)
    return seen


async def test_a_graph_is_validated_for_its_first_read_and_gives_the_same_after(client, validated):
    start, *others = CHATBOT["nodes"]
    unseen = {**start, "config": {**start["config"], "name": str(uuid4())}}
    workflow = await made(client, {**CHATBOT, "nodes": [unseen, *others]})
    validated.clear()
    first, second = [await client.get(f"{URL}/{workflow}") for _ in range(2)]
    assert first.json() == second.json()
    assert first.json()["input_schema"] is not None
    assert len(validated) == 1


async def test_a_secret_that_comes_or_goes_is_noticed(client):
    workflow = await made(client, asking("headers", {"X-Key": "{secrets.NEW_ONE}"}))
    assert await codes(client, workflow) == ["unknown_secret"]
    put = await client.post("/api/v1/secrets", json={"name": "NEW_ONE", "value": "x"})
    assert put.status_code == 201, put.text
    assert await codes(client, workflow) == []
    assert (await client.delete("/api/v1/secrets/NEW_ONE")).status_code == 204
    assert await codes(client, workflow) == ["unknown_secret"]


async def test_a_called_workflow_that_is_deleted_is_noticed(client):
    called = await made(client, CHATBOT)
    workflow = await made(client, calling(called))
    assert await codes(client, workflow) == []
    assert (await client.delete(f"{URL}/{called}")).status_code == 204
    assert await codes(client, workflow) == ["unknown_workflow"]


def test_what_is_kept_is_bounded_and_what_was_used_last_stays(monkeypatch):
    one = Checks([Issue("code", "m" * 100)], None, None)
    size = one.chars() + len("a")
    monkeypatch.setattr(checked, "MAX_CHARS", 2 * size)
    monkeypatch.setattr(checked, "MAX_ENTRY_CHARS", size)
    kept, none = Checked(), frozenset()
    for name in "ab":
        kept.put((name, none), one)
    assert kept.get(("a", none)) is one
    kept.put(("c", none), one)
    assert [kept.get((name, none)) for name in "abc"] == [one, None, one]
    kept.put(("d", frozenset({"too much"})), one)
    assert kept.get(("d", frozenset({"too much"}))) is None
