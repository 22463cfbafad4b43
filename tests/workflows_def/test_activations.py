"""No activation of a thousand nodes' run holds a worker's event loop up for long.

An activation runs in a thread, but a thread that computes holds Python's lock: what it takes,
others of the process wait for in part. `python -m benchmarks.loop` measures that in
milliseconds. A test on a machine that does other things as well cannot: so these count the
functions that an activation calls, which is the same everywhere. Measured beside each other, an
activation of 200,000 calls takes 40 ms.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.activations import TimedRunner
from benchmarks.loop import shape
from pilot.graph.compile import compile_plan
from pilot.graph.stretch import MAX_NODES
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from workflows_def.messages import WORKFLOW_TYPE, RunInput

NODES = 1_000
MAX_CALLS = 250_000


@pytest.mark.parametrize(
    ("name", "type"),
    [("chain", "variable"), ("layers", "variable"), ("fan-out", "variable"), ("fan-out", "code")],
)
async def test_no_activation_does_much(
    name: str, type: str, temporal_address: str, worker_settings: Settings
) -> None:
    plan = compile_plan(shape(name, NODES, type), specs())
    run = RunInput(str(uuid.uuid4()), "w", "test", 1, "u", plan)
    runner = TimedRunner(counts_calls=True)
    async with PilotPlugin.open(worker_settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        queue = f"test-{uuid.uuid4()}"
        async with Worker(client, task_queue=queue, workflow_runner=runner):
            handle = await client.start_workflow(
                WORKFLOW_TYPE, run, id=f"execution-{run.execution_id}", task_queue=queue
            )
            assert await asyncio.wait_for(handle.result(), 150) == "done"
    busiest = max(runner.activations, key=lambda one: one.calls)
    least = NODES if type == "code" else NODES // MAX_NODES
    assert sum(one.commands for one in runner.activations) >= least
    assert 0 < busiest.calls < MAX_CALLS, busiest


def test_a_warm_worker_has_little_for_the_collector_to_walk() -> None:
    """A full collection stops the process for as long as it walks what is not frozen."""
    code = (
        "import gc, worker; worker.warm_up(); "
        "print(gc.isenabled(), gc.get_freeze_count(), len(gc.get_objects()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    enabled, frozen, left = ran.stdout.split()
    assert enabled == "True"
    assert int(frozen) > 100_000
    assert int(left) < 1_000
