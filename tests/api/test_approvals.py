"""Approvals over HTTP: who is asked, who may answer, and what a race comes to."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from pilot.client import AsyncClient
from tests.api.conftest import Api, Worker, chain
from tests.api.test_hooks import node_of, until

URL = "/api/v1/workflows"
FORM = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def asking(**config: Any) -> dict[str, Any]:
    workflow = chain(
        {"id": "ok", "type": "approval", "config": {"title": "Send {input}?", **config}}
    )
    workflow["edges"][1]["source_handle"] = "approved"
    return workflow


async def begun(client: httpx.AsyncClient, **config: Any) -> tuple[str, str]:
    """A workflow's id and its execution's, which waits."""
    made = await client.post(URL, json=asking(**config))
    assert made.status_code == 201, made.text
    workflow = str(made.json()["id"])
    run = await client.post(f"{URL}/{workflow}/execute", json={"input": "it"})
    assert run.status_code == 202, run.text
    await until(client, run.json()["id"], "waiting")
    return workflow, str(run.json()["id"])


async def asked(client: httpx.AsyncClient, execution: str, *, is_there: bool = True) -> Any:
    """The approval in the caller's list, which is written a moment after the run waits."""
    async with asyncio.timeout(30):
        while True:
            items = (await client.get("/api/v1/approvals")).json()["items"]
            found = [item for item in items if item["execution_id"] == execution]
            if bool(found) is is_there:
                return found[0] if found else None
            await asyncio.sleep(0.05)


async def says(
    client: httpx.AsyncClient, execution: str, decision: str = "approved", **fields: Any
) -> httpx.Response:
    key = fields.pop("key", None)
    return await client.post(
        f"/api/v1/executions/{execution}/approvals/ok",
        json={"decision": decision, **fields},
        headers={} if key is None else {"Idempotency-Key": key},
    )


def user() -> str:
    return f"u_{uuid4().hex[:10]}"


async def test_it_is_asked_answered_and_over(live_api: Api, worker: Worker) -> None:
    ada = live_api.client(user())
    workflow, execution = await begun(ada, form=FORM, description="Because of {input}.")
    item = await asked(ada, execution)
    assert (item["node_id"], item["title"], item["workflow_id"]) == ("ok", "Send it?", workflow)
    assert (item["description"], item["form"]) == ("Because of it.", FORM)
    wrong = await says(ada, execution, values={"n": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_values")
    assert wrong.json()["issues"][0]["field"] == "values.n"
    taken = await says(ada, execution, values={"n": 1}, comment="Yes.", key="k")
    assert (taken.status_code, taken.json()["status"]) == (200, "approved"), taken.text
    done = await until(ada, execution, "succeeded")
    assert node_of(done, "ok")["meta"]["decision"] == "approved"
    assert done["output"]["answers"][0]["comment"] == "Yes."
    await asked(ada, execution, is_there=False)
    again = await says(ada, execution, values={"n": 1}, comment="Yes.", key="k")
    assert (again.status_code, again.json()) == (200, taken.json())
    for changed in ({"values": {"n": 2}, "comment": "Yes."}, {"values": {"n": 1}}):
        other = await says(ada, execution, **changed, key="k")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    late = await says(ada, execution, "rejected")
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    assert "approved" in late.json()["detail"]
    [kept] = (await ada.get(f"/api/v1/executions/{execution}/approvals")).json()["items"]
    assert kept["closed_at"] is not None


async def test_who_may_not_answer_is_told_so_or_nothing(live_api: Api, worker: Worker) -> None:
    owner, named, guest = user(), user(), user()
    ada, bob, eve = (live_api.client(one) for one in (owner, named, guest))
    stranger = live_api.client(user())
    workflow, execution = await begun(ada, approvers={"users": [named, owner]}, allow_self=False)
    await asked(bob, execution)
    for client in (stranger, eve):
        answer = await says(client, execution)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        await asked(client, execution, is_there=False)
    await ada.put(f"{URL}/{workflow}/shares/{guest}", json={"role": "viewer"})
    assert (await says(eve, execution)).json()["code"] == "insufficient_role"
    await ada.put(f"{URL}/{workflow}/shares/{guest}", json={"role": "editor"})
    refused = await says(eve, execution)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_approver")
    own = await says(ada, execution)
    assert (own.status_code, own.json()["code"]) == (403, "self_approval")
    await asked(ada, execution, is_there=False)
    # bob sees the approval, and nothing else of the run
    assert (await bob.get(f"/api/v1/executions/{execution}")).status_code == 404
    assert (await says(bob, execution)).json()["status"] == "approved"
    await until(ada, execution, "succeeded")


async def test_two_of_three(live_api: Api, worker: Worker) -> None:
    users = [user() for _ in range(3)]
    clients = [live_api.client(one) for one in users]
    ada = live_api.client(user())
    _, execution = await begun(ada, approvers={"users": users}, required=2)
    await asked(clients[0], execution)
    first = await says(clients[0], execution)
    assert first.json() == {"status": "waiting", "approvals": 1, "required": 2}
    await asked(clients[0], execution, is_there=False)
    again = await says(clients[0], execution)
    assert (again.status_code, again.json()["code"]) == (409, "already_answered")
    assert (await asked(clients[1], execution))["approvals"] == 1
    assert (await says(clients[1], execution)).json()["status"] == "approved"
    await asked(clients[2], execution, is_there=False)
    await until(ada, execution, "succeeded")


async def test_of_answers_at_once_one_decides(live_api: Api, worker: Worker) -> None:
    users = [user() for _ in range(6)]
    ada = live_api.client(user())
    _, execution = await begun(ada, approvers={"users": users})
    await asked(live_api.client(users[0]), execution)
    answers = await asyncio.gather(
        *(
            says(live_api.client(one), execution, ("approved", "rejected")[n % 2])
            for n, one in enumerate(users)
        )
    )
    codes = [answer.status_code for answer in answers]
    assert sorted(codes) == [200, 409, 409, 409, 409, 409], [one.text for one in answers]
    [decided] = [one.json()["status"] for one in answers if one.status_code == 200]
    for answer in answers:
        if answer.status_code == 409 and answer.json()["code"] == "already_decided":
            assert decided in answer.json()["detail"]
    done = await until(ada, execution, "succeeded")
    assert node_of(done, "ok")["meta"]["decision"] == decided


async def test_what_is_cancelled_waits_for_nobody(live_api: Api, worker: Worker) -> None:
    ada = live_api.client(user())
    _, execution = await begun(ada)
    await asked(ada, execution)
    await ada.post(f"/api/v1/executions/{execution}/cancel")
    await until(ada, execution, "cancelled")
    await asked(ada, execution, is_there=False)
    late = await says(ada, execution)
    assert (late.status_code, late.json()["code"]) == (409, "already_finished")


async def test_what_was_asked_before_the_worker_died_is_answered_after(
    live_api: Api, worker: Worker, monkeypatch: Any
) -> None:
    """The worker is killed while an answer is on its way: the client repeats it, and it counts
    once."""
    from datetime import timedelta

    users = [user(), user()]
    ada, bob, eve = live_api.client(user()), *(live_api.client(one) for one in users)
    _, execution = await begun(ada, approvers={"users": users}, required=2, form=FORM)
    await asked(bob, execution)
    worker.kill()
    try:
        monkeypatch.setattr("api.runs.UPDATE_LIMIT", timedelta(seconds=1))
        lost = await says(bob, execution, values={"n": 1}, key="bobs")
        assert (lost.status_code, lost.json()["code"]) == (503, "no_answer")
    finally:
        monkeypatch.undo()
        worker.start()
    for _ in range(2):
        answer = lost
        async with asyncio.timeout(90):
            while answer.status_code == 503:  # until the new worker answers
                answer = await says(bob, execution, values={"n": 1}, key="bobs")
        assert (answer.status_code, answer.json()["approvals"]) == (200, 1), answer.text
    assert (await says(eve, execution, values={"n": 2})).json()["status"] == "approved"
    done = await until(ada, execution, "succeeded")
    assert [one["by"] for one in done["output"]["answers"]] == users


async def test_a_program_lists_and_answers(live_api: Api, worker: Worker) -> None:
    ada = live_api.client(name := user())
    _, execution = await begun(ada)
    await asked(ada, execution)
    async with AsyncClient(live_api.url, live_api.token(name)) as client:
        [found] = [one async for one in client.approvals.list()]
        assert (found.execution_id, found.node_id, found.title) == (execution, "ok", "Send it?")
        assert await client.approvals.answer(execution, "ok", "approved", comment="ok") == (
            "approved"
        )
    await until(ada, execution, "succeeded")


async def test_nodes_inside_a_map_are_answered_by_their_paths(
    live_api: Api, worker: Worker
) -> None:
    ada = live_api.client(user())
    inner = {"id": "ok", "type": "approval", "config": {"title": "{item}?", "on_reject": "fail"}}
    body = {"nodes": [inner], "edges": []}
    each = {"id": "each", "type": "map", "config": {"items": "{input}", "body": body}}
    made = (await ada.post(URL, json=chain(each))).json()["id"]
    run = await ada.post(f"{URL}/{made}/execute", json={"input": ["a", "b"]})
    execution = run.json()["id"]
    items: list[Any] = []
    async with asyncio.timeout(60):
        while len(items) < 2:
            items = (await ada.get("/api/v1/approvals")).json()["items"]
            await asyncio.sleep(0.05)
    assert sorted((item["path"], item["title"]) for item in items) == [
        ("each[0]", "a?"),
        ("each[1]", "b?"),
    ]
    for item in items:
        assert (await says(ada, execution, path=item["path"])).json()["status"] == "approved"
    done = await until(ada, execution, "succeeded", "failed")
    assert [one["decision"] for one in done["output"]] == ["approved", "approved"]
