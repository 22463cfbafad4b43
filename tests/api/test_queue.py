"""Runs over the number that an owner may have at once: answered 202, shown with their place, not
started. (That a worker starts them is in `tests/faults/test_queue.py`.)"""

import asyncio
from uuid import uuid4

import pytest

from pilot.graph.status import ExecutionStatus

W, E = "/api/v1/workflows", "/api/v1/executions"


@pytest.fixture
def without_worker(serve, tmp_path, temporal_address):
    """Serves an API with Temporal and without a worker, where an owner has one run at once."""
    serving, settings_for = serve

    def served(**more):
        return serving(
            settings_for(
                tmp_path,
                temporal_address=temporal_address,
                temporal_task_queue=f"capped-{uuid4().hex}",
                pilot_max_runs_per_user=1,
                **more,
            )
        )

    return served


@pytest.fixture
async def capped(without_worker):
    async with without_worker() as api:
        yield api


async def saved(client, make_chain):
    return (await client.post(W, json=make_chain())).json()["id"]


async def started(client, workflow, **headers):
    answer = await client.post(f"{W}/{workflow}/execute", json={"input": "hi"}, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{E}/{answer.json()['id']}"
    return answer.json()


async def read(client, execution):
    return (await client.get(f"{E}/{execution['id']}")).json()


def place(execution):
    """Why a run waits to be started, and its place; None for one that has its own."""
    queue = execution.get("queue", {})
    return (queue["reason"], queue["position"]) if "position" in queue else None


async def test_a_run_over_the_number_waits_and_says_so(capped, make_chain):
    ada, bob = capped.client("ada"), capped.client("bob")
    workflow = await saved(ada, make_chain)
    first = await started(ada, workflow)
    second = await started(ada, workflow, **{"Idempotency-Key": "k"})
    third = await started(ada, workflow)
    assert first["status"] == second["status"] == "queued"
    assert place(first) is None
    assert place(second) == ("concurrency", 1)
    assert place(third) == ("concurrency", 2)
    # nobody starts it: not the same request again, and not Temporal
    again = await started(ada, workflow, **{"Idempotency-Key": "k"})
    assert (again["id"], again["queue"]) == (second["id"], second["queue"])
    assert await capped.parts.runs.exists(first["id"])
    assert not await capped.parts.runs.exists(second["id"])
    # and others have slots of their own
    assert place(await started(bob, await saved(bob, make_chain))) is None


async def test_a_held_run_is_cancelled_at_once_and_the_queue_moves_up(capped, make_chain):
    ada = capped.client("ada")
    workflow = await saved(ada, make_chain)
    await started(ada, workflow)
    second = await started(ada, workflow, **{"Idempotency-Key": "k"})
    third = await started(ada, workflow)
    answer = await ada.post(f"{E}/{second['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert (await read(ada, third))["queue"]["position"] == 1
    assert (await ada.post(f"{E}/{third['id']}/pause")).json()["code"] == "not_started"
    again = await ada.post(
        f"{W}/{workflow}/execute", json={"input": "hi"}, headers={"Idempotency-Key": "k"}
    )
    assert again.json()["status"] == "cancelled"
    assert not await capped.parts.runs.exists(second["id"])
    # what is held goes with its workflow
    deleting = await ada.delete(f"{W}/{workflow}", params={"cancel_executions": True})
    assert deleting.status_code in (204, 409)
    assert (await read(ada, third))["status"] == "cancelled"


async def test_a_repetition_that_starts_a_run_as_its_row_is_cancelled_cancels_it(
    live_api, make_chain, monkeypatch
):
    """The row is closed as never begun between the repetition's look at it and its start."""
    client = live_api.client(f"user_{uuid4().hex[:8]}")
    workflow = await saved(client, make_chain)
    runs, store = type(live_api.parts.runs), live_api.parts.store
    start = runs.start

    async def refused(self, run):
        from api.problems import unavailable

        raise unavailable("temporal_unavailable", "not now")

    monkeypatch.setattr(runs, "start", refused)
    headers = {"Idempotency-Key": "k"}
    execute = f"{W}/{workflow}/execute"
    lost = await client.post(execute, json={"input": "hi"}, headers=headers)
    assert lost.status_code == 503
    execution_id = lost.headers["Location"].rpartition("/")[2]

    async def cancelled_meanwhile(self, run):
        from api.executions import escalation

        owner = run.user_id
        row = await store.get_execution(owner, execution_id)
        await escalation.close_unbegun(live_api.parts, row)
        return await start(self, run)

    monkeypatch.setattr(runs, "start", cancelled_meanwhile)
    answer = await client.post(execute, json={"input": "hi"}, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, ExecutionStatus.CANCELLED)
    async with asyncio.timeout(20):
        while not (await live_api.parts.runs.describe(execution_id)).raw_description.workflow_extended_info.cancel_requested:  # fmt: skip # noqa: E501
            await asyncio.sleep(0.05)


@pytest.fixture
async def crowded(without_worker):
    """As `capped`, where an owner may have three executions that have not begun, and all five."""
    async with without_worker(pilot_max_queued_per_user=3, pilot_max_queued=5) as api:
        yield api


async def refused(client, workflow, status, code):
    """The answer to a request that leaves nothing behind."""
    before = (await client.get(E)).json()["items"]
    answer = await client.post(
        f"{W}/{workflow}/execute", json={"input": "hi"}, headers={"Idempotency-Key": "over"}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await client.get(E)).json()["items"] == before


async def test_an_owner_with_too_many_queued_is_refused(crowded, make_chain):
    ada, bob = crowded.client("ada"), crowded.client("bob")
    workflow = await saved(ada, make_chain)
    first = await started(ada, workflow, **{"Idempotency-Key": "k"})
    for _ in range(2):
        await started(ada, workflow)
    await refused(ada, workflow, 429, "too_many_queued")
    later = await ada.post(f"{W}/{workflow}/execute", json={"input": "hi", "delay_s": 60})
    assert later.json()["code"] == "too_many_queued"
    # what is there is found, others are not concerned, and room that is made is room
    assert (await started(ada, workflow, **{"Idempotency-Key": "k"}))["id"] == first["id"]
    await started(bob, await saved(bob, make_chain))
    last = (await ada.get(E)).json()["items"][0]
    assert (await ada.post(f"{E}/{last['id']}/cancel")).status_code == 202
    await started(ada, workflow, **{"Idempotency-Key": "over"})


async def test_an_installation_with_too_many_queued_refuses_all(crowded, make_chain):
    ada, bob, eve = (crowded.client(name) for name in ("ada", "bob", "eve"))
    for client, number in ((ada, 3), (bob, 2)):
        workflow = await saved(client, make_chain)
        for _ in range(number):
            await started(client, workflow)
    await refused(eve, await saved(eve, make_chain), 503, "overloaded")
