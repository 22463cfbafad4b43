"""What a local activity came to is told in the order of the history, whoever asks meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Replayer, Worker
from temporalio.worker.workflow_sandbox import SandboxRestrictions

from pilot.ordering import watch
from pilot.runner import WorkflowCodeSandbox

LIMIT = timedelta(seconds=30)
ANSWER_S = 1.0
SHARED = SandboxRestrictions.default.with_passthrough_modules("tests")

asked = threading.Event()


@workflow.defn(name="Racing")
class Racing:
    """Each of a local activity's end and a signal is followed by an activity of its own."""

    def __init__(self) -> None:
        self._signalled = False
        self._order: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await asyncio.gather(self._locally(), self._when_signalled())
        return self._order

    async def _locally(self) -> None:
        await workflow.execute_local_activity("held", start_to_close_timeout=LIMIT)
        self._order.append("local")
        await workflow.execute_activity("after_local", start_to_close_timeout=LIMIT)

    async def _when_signalled(self) -> None:
        await workflow.wait_condition(lambda: self._signalled)
        self._order.append("signal")
        await workflow.execute_activity("after_signal", start_to_close_timeout=LIMIT)

    @workflow.signal
    def go(self) -> None:
        self._signalled = True

    @workflow.query
    def order(self) -> list[str]:
        """Takes long enough for the local activity to end meanwhile."""
        with workflow.unsafe.sandbox_unrestricted():
            asked.set()
            time.sleep(ANSWER_S)
        return self._order


@activity.defn
async def held() -> None:
    """Ends while the query is being answered."""
    await asyncio.to_thread(asked.wait, 30)


@activity.defn
async def after_local() -> None:
    pass


@activity.defn
async def after_signal() -> None:
    pass


async def test_who_asks_does_not_change_the_order_in_which_a_run_goes_on(
    temporal_client: Client,
) -> None:
    """The query comes with the run's first workflow task, and a signal while that task's local
    activity is under way."""
    asked.clear()
    queue = f"ordering-{uuid.uuid4()}"
    handle = await temporal_client.start_workflow(Racing.run, id=queue, task_queue=queue)
    asking = asyncio.create_task(handle.query(Racing.order))
    await asyncio.sleep(0.5)
    worker = Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Racing],
        activities=[held, after_local, after_signal],
        workflow_runner=WorkflowCodeSandbox(SHARED),
    )
    watch(worker)
    async with worker, asyncio.timeout(60):
        await asyncio.to_thread(asked.wait, 30)
        await handle.signal(Racing.go)
        assert await asking == []
        assert await handle.result() == ["local", "signal"]
    await Replayer(workflows=[Racing]).replay_workflow(await handle.fetch_history())
