"""The same chains as Temporal workflows that somebody wrote by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from pilot.graph.task import NodeResult, NodeTask, Scope


@dataclass(frozen=True, slots=True)
class Chain:
    """`steps` configurations of one activity, each given the output of the one before."""

    activity: str
    local: bool
    steps: list[dict[str, Any]]
    input: Any = None


@workflow.defn
class ChainByHand:
    @workflow.run
    async def run(self, chain: Chain) -> Any:
        value = chain.input
        retry = RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=2,
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=3,
        )
        info = workflow.info()
        for index, config in enumerate(chain.steps):
            name = f"n{index}"
            # ids as long as they are: by them an activity finds secrets, budgets and journals
            task = NodeTask(
                info.workflow_id,
                info.run_id,
                "benchmark",
                name,
                chain.activity,
                name,
                config,
                Scope(input=value),
            )
            result: NodeResult
            if chain.local:
                result = await workflow.execute_local_activity(
                    chain.activity,
                    task,
                    result_type=NodeResult,
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=retry,
                    summary=name,
                )
            else:
                result = await workflow.execute_activity(
                    chain.activity,
                    task,
                    result_type=NodeResult,
                    start_to_close_timeout=timedelta(seconds=330),
                    heartbeat_timeout=timedelta(seconds=15),
                    retry_policy=retry,
                    summary=name,
                )
            value = result.output
        return value
