"""What came of the iterations of loops and maps, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import Execution
from pilot.store.iterations import Iteration
from tests.api.conftest import Api, chain

AT = datetime(2026, 3, 1, tzinfo=UTC)


async def made(api: Api, user: str) -> str:
    """An execution of the user's, with three iterations of `each` and one of `inner`."""
    store = api.parts.store
    workflow = await store.create_workflow(user, name="w", description="", graph=chain())
    execution, _ = await store.create_execution(
        Execution(str(uuid4()), user, workflow.id, 1, ExecutionStatus.SUCCEEDED, None, AT)
    )
    error = {"code": "code_error", "message": "no", "node_id": "a", "attempt": 3}
    rows = [
        Iteration(0, NodeStatus.SUCCEEDED, "k", [1], nodes=[{"id": "a", "status": "succeeded"}]),
        Iteration(1, NodeStatus.FAILED, "k", None, error, finished_at=AT),
        Iteration(2, NodeStatus.SUCCEEDED, "k", "x" * 20_000),
    ]
    await store.iterations.record(execution.id, "each", "", rows)
    await store.iterations.record(execution.id, "inner", "each[0]", rows[:1])
    return f"/api/v1/executions/{execution.id}/nodes"


async def test_iterations_are_listed(api: Api) -> None:
    nodes, client = await made(api, user := f"ada_{uuid4().hex[:8]}"), api.client(user)
    first = (await client.get(f"{nodes}/each/iterations", params={"limit": 2})).json()
    assert first["items"] == [
        {
            "index": 0,
            "status": "succeeded",
            "output": [1],
            "error": None,
            "nodes": [{"id": "a", "status": "succeeded"}],
            "started_at": None,
            "finished_at": None,
        },
        {
            "index": 1,
            "status": "failed",
            "output": None,
            "error": {"code": "code_error", "message": "no", "node_id": "a"},
            "nodes": [],
            "started_at": None,
            "finished_at": "2026-03-01T00:00:00Z",
        },
    ]
    cursor = {"cursor": first["next_cursor"]}
    rest = (await client.get(f"{nodes}/each/iterations", params=cursor)).json()
    [large] = rest["items"]
    assert rest["next_cursor"] is None
    assert (large["index"], large["output"], large["preview"][:3]) == (2, None, '"xx')


async def test_they_are_of_one_run_of_their_node(api: Api) -> None:
    nodes, client = await made(api, user := f"ada_{uuid4().hex[:8]}"), api.client(user)

    async def indexes(node: str, **params: str) -> list[int]:
        answer = await client.get(f"{nodes}/{node}/iterations", params=params)
        return [one["index"] for one in answer.json()["items"]]

    assert await indexes("inner") == []
    assert await indexes("inner", path="each[0]") == [0]
    assert await indexes("each", status="failed") == [1]
    assert await indexes("nothing") == []


async def test_others_do_not_see_them(api: Api) -> None:
    nodes = await made(api, f"ada_{uuid4().hex[:8]}")
    answer = await api.client("mallory").get(f"{nodes}/each/iterations")
    assert answer.status_code == 404
    assert (await api.client(None).get(f"{nodes}/each/iterations")).status_code == 401


async def test_what_is_no_query_is_refused(api: Api) -> None:
    nodes, client = await made(api, user := f"ada_{uuid4().hex[:8]}"), api.client(user)
    bad = await client.get(f"{nodes}/each/iterations", params={"cursor": "x"})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_cursor")
    assert (
        await client.get(f"{nodes}/each/iterations", params={"status": "odd"})
    ).status_code == 422
