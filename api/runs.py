"""Runs as Temporal has them: start, cancel, pause, resume, and the query of their events.

Every call has a time limit of its own, over all of the client's tries: a server that was just
restarted is waited for, one that stays away is a `Problem` (503). What Temporal says of one run
is in the return value.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    GetSystemInfoRequest,
    ListWorkersRequest,
)
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.problems import Problem, unavailable
from pilot import forgetting, reconciler, retention
from pilot.errors import PayloadStoreError
from pilot.events.model import Event
from pilot.queues import Queues
from pilot.runs import delete_histories, set_clock, start
from pilot.standing import Standings
from pilot.store import Execution, temporal_workflow_id
from pilot.triggers.schedules import Schedules
from workflows_def.later import later_workflow_id
from workflows_def.messages import (
    QUERY_CHILD,
    QUERY_EVENTS,
    QUERY_SNAPSHOT,
    QUERY_WAITERS,
    QUERY_WAITS,
    EventsPage,
    RunInput,
    Standing,
    StandingPage,
    Waiters,
)
from workflows_def.prune import PruneResult
from workflows_def.reconcile import ReconcileResult

CALL_LIMIT = timedelta(seconds=5)
QUERY_LIMIT = timedelta(seconds=3)
UPDATE_LIMIT = timedelta(seconds=20)
"""A worker that has not the run in memory rebuilds it first."""
POLLER_FRESH_S = 90
ANSWERED_S = 1.0
"""For so long a Temporal that has answered is taken to do so again."""
_DOWN = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
    }
)


_NO_ANSWER = frozenset(
    {
        RPCStatusCode.DEADLINE_EXCEEDED,  # no worker took the query
        RPCStatusCode.CANCELLED,
        RPCStatusCode.FAILED_PRECONDITION,  # no worker has polled lately, or the run never began
        RPCStatusCode.INVALID_ARGUMENT,
    }
)


_UNLISTED = frozenset({RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED})
MAX_WORKERS = 1_000


T = TypeVar("T")


class UpdateRefusedError(Exception):
    """The run refused an update, with this code, or failed it."""

    def __init__(self, code: str, message: str, details: Sequence[Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class QueryError(Exception):
    """A run cannot be asked now: it is gone, no worker polls, or the server is down."""


class Runs:
    """The API's view of Temporal, one client for the process."""

    def __init__(
        self,
        client: Client,
        task_queue: str,
        standings: Standings | None = None,
        queues: Queues | None = None,
    ) -> None:
        self.client = client
        self.task_queue = task_queue
        self._standings = standings
        self._queues = queues
        self._answered_at = float("-inf")

    @property
    def schedules(self) -> Schedules:
        """To be called within `answering`."""
        return Schedules(self.client, self.task_queue)

    @staticmethod
    def answering() -> AbstractAsyncContextManager[None]:
        """Within it a Temporal that does not answer, or refuses, is a `Problem` (503)."""
        return _answering()

    async def start(self, run: RunInput) -> str:
        """Starts the run, or finds that it is there already; its Temporal run id."""
        asked_at = time.monotonic()
        try:
            run_id = await self._start(run)
        except Problem:
            self._answered_at = float("-inf")
            raise
        self._answered_at = asked_at
        return run_id

    async def _start(self, run: RunInput) -> str:
        async with _answering():
            return await start(
                self.client,
                run,
                self.task_queue,
                limit=CALL_LIMIT,
                standings=self._standings,
                queues=self._queues,
            )

    async def set_clock(self, execution: Execution) -> None:
        """Sees to it that the execution is started at its `start_at`."""
        async with _answering():
            await set_clock(
                self.client,
                execution,
                self.task_queue,
                now=datetime.now(UTC),
                limit=CALL_LIMIT,
            )

    async def stop_clock(self, execution_id: str) -> None:
        """The execution is not to be started any more."""
        handle = self.client.get_workflow_handle(later_workflow_id(execution_id))
        async with _answering():
            await self._found(
                handle.terminate("the execution was cancelled", rpc_timeout=CALL_LIMIT)
            )

    def handle(self, execution_id: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(temporal_workflow_id(execution_id))

    async def cancel(self, execution_id: str) -> bool:
        """Asks the run to end. False: Temporal has no such open run."""
        async with _answering():
            return await self._found(self.handle(execution_id).cancel(rpc_timeout=CALL_LIMIT))

    async def terminate(self, execution_id: str, run_id: str, reason: str) -> bool:
        """Ends the run at once, without its code being asked. False: it is not open."""
        handle = self.client.get_workflow_handle(temporal_workflow_id(execution_id), run_id=run_id)
        async with _answering():
            return await self._found(handle.terminate(reason=reason, rpc_timeout=CALL_LIMIT))

    async def describe(self, execution_id: str) -> WorkflowExecutionDescription | None:
        """The run as Temporal has it; None where it knows none."""
        return await self.describe_workflow(temporal_workflow_id(execution_id))

    async def describe_workflow(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        """The same of a workflow by its Temporal id."""
        handle = self.client.get_workflow_handle(workflow_id)
        try:
            return await handle.describe(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def answers(self, execution_id: str) -> bool:
        """Whether a worker answers for the open run. Raises `RPCError` where it is the server
        that does not."""
        try:
            await self.handle(execution_id).query(QUERY_SNAPSHOT, rpc_timeout=CALL_LIMIT)
        except WorkflowQueryFailedError:
            return False
        except RPCError as error:
            if error.status in _NO_ANSWER:
                return False
            raise
        return True

    async def signal(self, execution_id: str, name: str) -> bool:
        """Sends a signal. False: Temporal has no such open run."""
        async with _answering():
            return await self._found(self.handle(execution_id).signal(name, rpc_timeout=CALL_LIMIT))

    async def update(
        self, workflow_id: str, name: str, argument: Any, *, id: str, result_type: type[T]
    ) -> T | None:
        """Asks a workflow (by its Temporal id) by an update, and waits for what comes of it. One
        with an `id` that it has had is answered as before. None: Temporal has no such open run.

        Raises `UpdateRefusedError`, and `Problem` (503) where no worker answers: the update may
        have been taken, so it is to be repeated with its id.
        """
        handle = self.client.get_workflow_handle(workflow_id)
        result: list[T] = []

        async def ask() -> None:
            result.append(
                await handle.execute_update(
                    name, argument, id=id, result_type=result_type, rpc_timeout=UPDATE_LIMIT
                )
            )

        try:
            async with _answering(UPDATE_LIMIT + CALL_LIMIT):
                return result[0] if await self._found(ask()) else None
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            raise _no_worker() from None
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            code = cause.type if isinstance(cause, ApplicationError) else None
            details = cause.details if isinstance(cause, ApplicationError) else ()
            message = cause.message if isinstance(cause, ApplicationError) else str(cause)
            raise UpdateRefusedError(code or "failed", message, details) from error

    async def host_of(self, execution_id: str, path: str) -> str:
        """The Temporal id of the workflow that runs the nodes of a path: the run's, or that of one
        of its children, or of theirs. Raises `Problem` (503) where no worker answers."""
        workflow_id = temporal_workflow_id(execution_id)
        async with _answering():
            while path:
                child = await self._ask(workflow_id, QUERY_CHILD, path, str)
                if child is None:
                    break
                workflow_id = child
        return workflow_id

    async def waiters(
        self, execution_id: str, node_ids: list[str], *, most: int
    ) -> dict[str, list[tuple[str, str]]]:
        """Where nodes of these ids wait in the children of a run, and in theirs, by Temporal
        workflow; at most so many workflows are asked. Raises `Problem` (503)."""
        found: dict[str, list[tuple[str, str]]] = {}
        asked = [temporal_workflow_id(execution_id)]
        async with _answering(UPDATE_LIMIT):
            for workflow_id in asked:  # it grows
                answer = await self._ask(workflow_id, QUERY_WAITERS, node_ids, Waiters)
                if answer is None:
                    continue
                asked += answer.children[: most - len(asked)]
                nodes = [(node_id, path) for node_id, path in answer.nodes if path]
                if nodes:
                    found[workflow_id] = nodes
        return found

    async def waits(
        self, execution_id: str, *, most: int, nodes: int
    ) -> tuple[list[Standing], bool] | None:
        """What the nodes of a run wait for, also in its children and in theirs, and whether that
        is all; at most so many workflows are asked, each for at most so many `nodes`. None: the
        run cannot say. Raises `Problem` (503)."""
        found: list[Standing] = []
        is_all = True
        asked = [temporal_workflow_id(execution_id)]
        async with _answering(UPDATE_LIMIT):
            for workflow_id in asked:  # it grows
                answer = await self._ask(workflow_id, QUERY_WAITS, nodes, StandingPage)
                if answer is None:
                    if workflow_id == asked[0]:
                        return None
                    continue  # it has just ended
                found += answer.waits
                left = most - len(asked)
                is_all = is_all and not answer.more and len(answer.children) <= left
                asked += answer.children[:left]
        return found, is_all

    async def _ask(
        self, workflow_id: str, query: str, argument: Any, result_type: type[T]
    ) -> T | None:
        """A workflow's answer; None where it is not there, or does not know the query."""
        try:
            answer: T | None = await self.client.get_workflow_handle(workflow_id).query(
                query, argument, result_type=result_type, rpc_timeout=CALL_LIMIT
            )
        except WorkflowQueryFailedError:
            return None
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None
        return answer

    async def exists(self, execution_id: str) -> bool:
        """Whether Temporal knows the run, open or closed."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self.client.namespace,
            execution=WorkflowExecution(workflow_id=temporal_workflow_id(execution_id)),
        )
        async with _answering():
            return await self._found(
                self.client.workflow_service.describe_workflow_execution(
                    request, timeout=CALL_LIMIT
                )
            )

    async def events(self, execution_id: str, after_seq: int) -> tuple[list[Event], bool]:
        """A page of the run's own list of events, and whether more are behind it."""
        try:
            async with asyncio.timeout(QUERY_LIMIT.total_seconds()):
                page = await self.handle(execution_id).query(
                    QUERY_EVENTS, after_seq, result_type=EventsPage, rpc_timeout=QUERY_LIMIT
                )
        except (
            RPCError,
            WorkflowQueryFailedError,
            ApplicationError,  # the payload store has not the answer
            RuntimeError,
            TimeoutError,
        ) as error:
            raise QueryError(str(error)) from error
        return [Event.from_json(event) for event in page.events], page.more

    async def require_answer(self) -> None:
        """Asks for a sign of life, unless Temporal has just given one. Raises `Problem` (503)."""
        asked_at = time.monotonic()
        if asked_at >= self._answered_at + ANSWERED_S:
            await self.ping()
            self._answered_at = asked_at

    async def ping(self) -> None:
        """One round trip. Raises `Problem` (503)."""
        async with _answering():
            await self.client.workflow_service.get_system_info(
                GetSystemInfoRequest(), timeout=CALL_LIMIT
            )

    async def reconciled(self) -> ReconcileResult | None:
        """What the newest pass of the reconciler came to; None before the first."""
        async with _answering():
            return await reconciler.last_pass(self.client, limit=CALL_LIMIT)

    async def pruned(self) -> PruneResult | None:
        """What the newest pass of the retention came to; None before the first."""
        async with _answering():
            return await retention.last_pass(self.client, limit=CALL_LIMIT)

    async def delete(self, execution_id: str) -> None:
        """Deletes what Temporal still has of it."""
        async with _answering():
            await delete_histories(self.client, execution_id, limit=CALL_LIMIT)

    async def forget(self, owner: str) -> None:
        """Begins to delete all of an owner's, or finds that it has begun."""
        async with _answering():
            await forgetting.forget(self.client, self.task_queue, owner, limit=CALL_LIMIT)

    async def deletion(self, owner: str) -> forgetting.Deletion:
        async with _answering():
            return await forgetting.deletion(self.client, owner, limit=CALL_LIMIT)

    async def pollers(self, queue: str | None = None) -> list[str]:
        """The identities of the workers that have lately polled the runs' task queue for workflow
        tasks, or another `queue` for activities."""
        is_own = queue is None or queue == self.task_queue
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=queue or self.task_queue),
            task_queue_type=kind if is_own else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        async with _answering():
            answer = await self.client.workflow_service.describe_task_queue(
                request, timeout=CALL_LIMIT
            )
        # the server remembers a poller for five minutes; one that lives asks every minute
        since = time.time() - POLLER_FRESH_S
        return [
            poller.identity for poller in answer.pollers if poller.last_access_time.seconds >= since
        ]

    async def heartbeats(self, queue: str | None = None) -> list[WorkerHeartbeat]:
        """The last heartbeat of each worker of a task queue (the runs'), also of such as have died;
        none where the server does not list them."""
        name = (queue or self.task_queue).replace("'", "''")
        request = ListWorkersRequest(
            namespace=self.client.namespace, page_size=MAX_WORKERS, query=f"TaskQueue = '{name}'"
        )
        async with _answering():
            try:
                answer = await self.client.workflow_service.list_workers(
                    request, timeout=CALL_LIMIT
                )
            except RPCError as error:
                if error.status not in _UNLISTED:
                    raise
                return []
        return [info.worker_heartbeat for info in answer.workers_info]

    @staticmethod
    async def _found(call: Any) -> bool:
        try:
            await call
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True


@asynccontextmanager
async def _answering(limit: timedelta = CALL_LIMIT) -> AsyncIterator[None]:
    """Turns "Temporal does not answer" into a problem of its own."""
    try:
        # the client goes on trying a port where nobody listens for twice as long
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except TimeoutError:
        raise _unavailable() from None
    except RPCError as error:
        if error.status in _DOWN:
            raise _unavailable() from error
        raise Problem(
            503,
            "temporal_refused",
            f"Temporal refused the call ({error.status.name.lower()}): {error.message[:300]}",
            headers={"Retry-After": "30"},
        ) from error
    except ApplicationError as error:
        if error.type != PayloadStoreError.code:
            raise
        raise unavailable(PayloadStoreError.code, f"{error.message}.") from error
    except RuntimeError as error:
        # what a lazy client raises when its first connection fails
        if "Failed client connect" not in str(error):
            raise
        raise _unavailable() from error


def _no_worker() -> Problem:
    return unavailable(
        "no_answer",
        "No worker has answered for the run in time. Try again, with the same Idempotency-Key.",
    )


def _unavailable() -> Problem:
    return unavailable("temporal_unavailable", "Temporal does not answer. Try again shortly.")
