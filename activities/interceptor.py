"""What stands around every node's activity of a worker: its log lines have its ids, and it is
measured."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from pilot import logs, metrics, tracing
from pilot.graph.task import MODEL_BUSY, NodeTask


class NodeInterceptor(Interceptor):
    """For workers; other activities than nodes' go by."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Node(next)


def bound_to(task: NodeTask) -> AbstractContextManager[None]:
    """Lines that are logged inside carry the ids of the node's attempt."""
    return logs.bound(
        execution_id=task.execution_id,
        workflow_id=task.workflow_id,
        node_id=task.node_id,
        node_type=task.type,
        attempt=activity.info().attempt,
        user_id=task.user_id,
    )


class _Node(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        task = input.args[0] if input.args else None
        if not isinstance(task, NodeTask):
            return await super().execute_activity(input)
        began, status = time.perf_counter(), "failed"
        try:
            with bound_to(task):
                tracing.describe(**logs.ids_of())
                result = await super().execute_activity(input)
            status = "succeeded"
        except (asyncio.CancelledError, CancelledError):
            status = "cancelled"
            raise
        except ApplicationError as error:
            if error.type == MODEL_BUSY:
                status = "waiting"
            raise
        finally:
            metrics.current().attempt(task.type, status, time.perf_counter() - began)
        return result
