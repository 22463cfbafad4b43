"""Cancels to their end: answered by a worker, by none, by Temporal's own tools, and at the
last moment."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from api.executions import escalation
from api.executions.escalation import Escalation
from pilot import closing
from pilot.embedded import temporal_binary

W, E = "/api/v1/workflows", "/api/v1/executions"


def gated(gate, name, **more):
    return {"id": name, "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}, **more}


async def started(client, graph):
    workflow = (await client.post(W, json=graph)).json()["id"]
    answer = await client.post(f"{W}/{workflow}/execute", json={"input": "hi"})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def shown(client, execution_id):
    return (await client.get(f"{E}/{execution_id}")).json()


async def ended(client, execution_id, *, within_s=30):
    async with asyncio.timeout(within_s):
        while (body := await shown(client, execution_id))["finished_at"] is None:
            await asyncio.sleep(0.05)
    return body


def nodes(body):
    return {node["id"]: (node["status"], node["reason"]) for node in body["nodes"]}


async def cancel(client, execution_id):
    answer = await client.post(f"{E}/{execution_id}/cancel")
    assert answer.status_code == 202, answer.text
    return answer.json()


async def close_event(handle):
    history = [event async for event in handle.fetch_history_events()]
    return history[-1].workflow_execution_terminated_event_attributes


@pytest.fixture
def live(live_api, worker):
    return live_api.client()


@pytest.fixture
async def alone(serve, live_api, tmp_path):
    """An API with Temporal and without a worker, which escalates after a second."""
    serving, settings_for = serve
    settings = settings_for(
        tmp_path,
        temporal_address=live_api.settings.temporal_address,
        temporal_task_queue="nobody-polls",
        pilot_cancel_escalate_s=1,
    )
    async with serving(settings) as running:
        yield running


async def test_without_any_worker_a_cancel_comes_to_its_end(alone, make_chain):
    client = alone.client()
    id = await started(client, make_chain())
    before = datetime.now(UTC)
    body = await cancel(client, id)
    assert datetime.fromisoformat(body["cancel_requested_at"]) >= before - timedelta(seconds=1)
    first = body["cancel_requested_at"]
    assert (await cancel(client, id))["cancel_requested_at"] == first
    body = await ended(client, id)
    assert (body["status"], body["error"]["code"]) == ("cancelled", "cancel_escalated")
    assert "no worker answered" in body["error"]["message"]
    skipped = ("skipped", "execution_cancelled")
    assert nodes(body) == {"start": skipped, "output": skipped}
    handle = alone.parts.runs.handle(id)
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    assert (await close_event(handle)).reason == closing.NO_WORKER
    assert (await client.post(f"{E}/{id}/cancel")).status_code == 409


async def test_a_cancel_that_never_reached_temporal_is_passed_on(live, live_api, gate, make_chain):
    """The API died right after it had noted the cancel."""
    id = await started(live, make_chain(gated(gate, "passed-on")))
    await gate.came("passed-on")
    await live_api.parts.store.request_cancel(id, datetime.now(UTC))
    body = await ended(live, id)
    assert (body["status"], body["error"]["code"]) == ("cancelled", "cancelled")
    assert nodes(body)["passed-on"] == ("cancelled", "execution_cancelled")


async def test_an_api_that_dies_after_the_termination_leaves_the_same_end(alone, make_chain):
    client, store = alone.client(), alone.parts.store
    id = await started(client, make_chain())
    handle = alone.parts.runs.handle(id)
    await handle.cancel()
    await handle.terminate(reason=closing.NO_WORKER)
    await store.request_cancel(id, datetime.now(UTC) - timedelta(seconds=60))
    body = await ended(client, id)
    assert (body["status"], body["error"]["code"]) == ("cancelled", "cancel_escalated")


async def test_several_processes_close_a_run_once(alone, make_chain):
    client, store = alone.client(), alone.parts.store
    ids = [await started(client, make_chain()) for _ in range(4)]
    for id in ids:
        await alone.parts.runs.cancel(id)
        await store.request_cancel(id, datetime.now(UTC) - timedelta(seconds=60))
    await asyncio.gather(*(Escalation(alone.parts).sweep() for _ in range(3)))
    for id in ids:
        await ended(client, id)
        events = await store.events("ada", id)
        assert [event.type for event in events].count("execution.cancelled") == 1
        assert [event.seq for event in events] == [1, 2, 3]


async def test_a_run_that_a_worker_answers_for_is_left_until_the_hard_bound(
    live, live_api, gate, make_chain
):
    """A worker answers the queries of a run that is slow to end: here, one not cancelled yet."""
    id = await started(live, make_chain(gated(gate, "slow")))
    await gate.came("slow")
    store, runs = live_api.parts.store, live_api.parts.runs
    description = await runs.describe(id)
    sweeper = Escalation(live_api.parts)
    row = await store.get_execution("ada", id)

    async def waiting(seconds):
        at = datetime.now(UTC) - timedelta(seconds=seconds)
        object.__setattr__(row, "cancel_requested_at", at)
        await sweeper._overdue(row, description)
        return (await runs.describe(id)).status

    bound = live_api.settings.pilot_cancel_escalate_s
    assert await waiting(bound - 1) is WorkflowExecutionStatus.RUNNING
    assert await waiting(bound + 1) is WorkflowExecutionStatus.RUNNING
    hard = bound + escalation.CLEANUP_S
    assert await waiting(hard - 5) is WorkflowExecutionStatus.RUNNING
    assert await waiting(hard + 1) is WorkflowExecutionStatus.TERMINATED
    body = await ended(live, id)
    assert body["error"]["code"] == "cancel_escalated"
    assert "did not end in time" in body["error"]["message"]
    assert nodes(body) == {
        "start": ("succeeded", None),
        "slow": ("cancelled", "execution_cancelled"),
        "output": ("skipped", "execution_cancelled"),
    }
    gate.open("slow")


async def test_nodes_that_clean_up_are_not_cut_short(alone, make_chain):
    client, runs = alone.client(), alone.parts.runs
    graph = make_chain()
    tidy = {"id": "tidy", "type": "code", "config": {"source": "1"}, "on_cancel": True}
    graph["nodes"].append(tidy)
    id = await started(client, graph)
    await runs.cancel(id)
    row = await alone.parts.store.get_execution("ada", id)
    long_ago = datetime.now(UTC) - timedelta(seconds=escalation.CLEANUP_S - 10)
    object.__setattr__(row, "cancel_requested_at", long_ago)
    sweeper = Escalation(alone.parts)
    await sweeper._overdue(row, await runs.describe(id))
    assert (await runs.describe(id)).status is WorkflowExecutionStatus.RUNNING
    object.__setattr__(row, "cancel_requested_at", long_ago - timedelta(seconds=60))
    await sweeper._overdue(row, await runs.describe(id))
    assert (await runs.describe(id)).status is WorkflowExecutionStatus.TERMINATED


async def test_a_cancel_waits_for_temporal_and_nothing_is_lost(
    alone, serve, live_api, tmp_path, make_chain
):
    id = await started(alone.client(), make_chain())
    serving, settings_for = serve
    down = settings_for(tmp_path, pilot_cancel_escalate_s=1)
    async with serving(down) as without:
        body = await cancel(without.client(), id)
        assert body["cancel_requested_at"] is not None
        assert body["status"] == "queued"
    assert (await ended(alone.client(), id))["status"] == "cancelled"


class Told:
    def __init__(self):
        self.types = []

    def deliver(self, delivery):
        self.types.append(delivery.event.type)


async def test_what_was_shown_and_never_written_does_not_hide_the_end(alone, make_chain):
    """The worker died between bus and store: watchers are ahead of the row."""
    client, parts = alone.client(), alone.parts
    id = await started(client, make_chain())
    told = Told()
    with parts.feed.listening("ada", told):
        parts.feed.expect("ada", id, 7)
        await cancel(client, id)
        await ended(client, id)
        async with asyncio.timeout(10):
            while "execution.cancelled" not in told.types:
                await asyncio.sleep(0.05)
    seqs = [event.seq for event in await parts.store.events("ada", id)]
    assert seqs == [8, 9, 10]


# by Temporal's own tools


async def temporal(live_api, *arguments):
    process = await asyncio.create_subprocess_exec(
        temporal_binary(),
        "workflow",
        *arguments,
        "--address",
        live_api.settings.temporal_address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_a_cancel_from_temporals_command_line_ends_the_same(live, live_api, gate, make_chain):
    id = await started(live, make_chain(gated(gate, "by-cli")))
    await gate.came("by-cli")
    await temporal(live_api, "cancel", "--workflow-id", f"execution-{id}")
    body = await ended(live, id)
    assert (body["status"], body["error"]["code"]) == ("cancelled", "cancelled")
    assert nodes(body) == {
        "start": ("succeeded", None),
        "by-cli": ("cancelled", "execution_cancelled"),
        "output": ("skipped", "execution_cancelled"),
    }


@pytest.mark.parametrize("by_client", [True, False])
async def test_a_termination_ends_the_same(live, live_api, gate, make_chain, by_client):
    """With the user's cancel after it, the row is closed at once; without it, by the
    reconciler (tests/workflows_def/test_reconcile.py)."""
    name = f"terminated-{by_client}"
    id = await started(live, make_chain(gated(gate, name)))
    await gate.came(name)
    if by_client:
        await live_api.parts.runs.handle(id).terminate("an operator's reason")
    else:
        await temporal(live_api, "terminate", "--workflow-id", f"execution-{id}")
    assert (await live.post(f"{E}/{id}/cancel")).status_code in (202, 409)
    body = await ended(live, id)
    assert (body["status"], body["error"]["code"]) == ("cancelled", "terminated")
    assert "operator" not in body["error"]["message"]
    assert nodes(body) == {
        "start": ("succeeded", None),
        name: ("cancelled", "execution_cancelled"),
        "output": ("skipped", "execution_cancelled"),
    }
    gate.open(name)


# the last moment

RUNS = 60


async def test_a_cancel_at_any_moment_ends_a_run_wholly(live, live_api, make_chain):
    code = [{"id": f"c{n}", "type": "code", "config": {"source": str(n)}} for n in range(3)]
    workflow = (await live.post(W, json=make_chain(*code))).json()["id"]
    chance = random.Random(5)
    longest = 0.3

    async def one():
        answer = await live.post(f"{W}/{workflow}/execute", json={"input": 1})
        assert answer.status_code == 202, answer.text
        id = answer.json()["id"]
        await asyncio.sleep(chance.uniform(0, longest))
        answers = [(await live.post(f"{E}/{id}/cancel")).status_code for _ in range(2)]
        assert set(answers) <= {202, 409}, answers
        assert answers != [409, 202]
        return await ended(live, id)

    bodies = []
    for _ in range(RUNS // 6):
        bodies += await asyncio.gather(*(one() for _ in range(6)))
    for body in bodies:
        by_status = {status for status, _ in nodes(body).values()}
        description = await live_api.parts.runs.describe(body["id"])
        assert description is not None
        if body["status"] == "succeeded":
            assert by_status == {"succeeded"}
            assert (body["output"], body["error"]) == (2, None)
            assert description.status is WorkflowExecutionStatus.COMPLETED
        else:
            assert (body["status"], body["error"]["code"]) == ("cancelled", "cancelled")
            assert by_status <= {"succeeded", "cancelled", "skipped"}
            assert body["output"] is None
            async with asyncio.timeout(10):
                while description.close_time is None:
                    description = await live_api.parts.runs.describe(body["id"])
            assert description.status is WorkflowExecutionStatus.CANCELED
    assert {body["status"] for body in bodies} == {"succeeded", "cancelled"}
