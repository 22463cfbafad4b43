"""The same chains and fan-outs as Temporal workflows that somebody wrote by hand, alone or with an
activity at their end that writes what came of them to a database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from pilot.graph.task import NodeResult, NodeTask, Scope

with workflow.unsafe.imports_passed_through():
    from benchmarks.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Chain:
    """`steps` configurations of one activity, each given the output of the one before; or, where
    they are `side_by_side`, all the input. `recorded`: what came of them is written down."""

    activity: str
    local: bool
    steps: list[dict[str, Any]]
    input: Any = None
    side_by_side: bool = False
    recorded: bool = False


RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=3,
)


ALWAYS = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)


@workflow.defn
class ChainByHand:
    @workflow.run
    async def run(self, chain: Chain) -> Any:
        output = await self._output(chain)
        if chain.recorded:
            await workflow.execute_activity(
                "write_outcome",
                Outcome(workflow.info().workflow_id, "succeeded", output),
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=timedelta(seconds=10),
                retry_policy=ALWAYS,
            )
        return output

    async def _output(self, chain: Chain) -> Any:
        if chain.side_by_side:
            steps = [self._step(chain, index, chain.input) for index in range(len(chain.steps))]
            outputs = await asyncio.gather(*steps)
            return {f"n{index}": output for index, output in enumerate(outputs)}
        value = chain.input
        for index in range(len(chain.steps)):
            value = await self._step(chain, index, value)
        return value

    async def _step(self, chain: Chain, index: int, value: Any) -> Any:
        name = f"n{index}"
        info = workflow.info()
        # ids as long as they are: by them an activity finds secrets, budgets and journals
        task = NodeTask(
            info.workflow_id,
            info.run_id,
            "benchmark",
            name,
            chain.activity,
            name,
            chain.steps[index],
            Scope(input=value),
        )
        result: NodeResult
        if chain.local:
            result = await workflow.execute_local_activity(
                chain.activity,
                task,
                result_type=NodeResult,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RETRY,
                summary=name,
            )
        else:
            result = await workflow.execute_activity(
                chain.activity,
                task,
                result_type=NodeResult,
                start_to_close_timeout=timedelta(seconds=330),
                heartbeat_timeout=timedelta(seconds=15),
                retry_policy=RETRY,
                summary=name,
            )
        return result.output
