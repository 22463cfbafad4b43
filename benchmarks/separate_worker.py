"""A worker in a process of its own, so that its processor time is told from all others'.

`python -m benchmarks.separate_worker` is that process: it runs πlot's interpreter and the
workflows written by hand until it is ended. Settings come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.by_hand import ChainByHand
from benchmarks.stack import Stack
from pilot.plugin import PilotPlugin
from pilot.processes import die_with_parent
from pilot.settings import Settings
from worker import warm_up

READY = "polls"


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    pid: int

    def cpu_s(self) -> float:
        """Seconds of processor time, of its own and the kernel's, with its sandboxes."""
        process = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    def rss_mb(self) -> float:
        """Resident memory, with that of its sandboxes."""
        process = psutil.Process(self.pid)
        sizes = [one.memory_info().rss for one in (process, *process.children(recursive=True))]
        return sum(sizes) / 1024 / 1024


@asynccontextmanager
async def separate_worker(bench: Stack, **environment: str) -> AsyncIterator[WorkerProcess]:
    """A worker for the stack's task queue that polls."""
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": bench.settings.temporal_address,
        "PILOT_DATA_DIR": str(bench.settings.pilot_data_dir),
        "PILOT_ENV": "development",
        "TEMPORAL_TASK_QUEUE": bench.task_queue,
        **environment,
    }
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "benchmarks.separate_worker"],
        env=environment,
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent(),  # noqa: PLW1509
    )
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        if READY.encode() not in line:
            raise SystemExit("the worker did not start")
        yield WorkerProcess(process.pid)
    finally:
        process.terminate()
        process.wait()


async def serve() -> None:
    settings = Settings()
    async with PilotPlugin.open(settings) as plugin:
        client = await Client.connect(settings.temporal_address, plugins=[plugin])
        async with Worker(
            client,
            task_queue=settings.temporal_task_queue,
            workflows=[ChainByHand],
            max_cached_workflows=int(os.environ.get("BENCHMARK_CACHED", "1000")),
            max_concurrent_workflow_tasks=settings.pilot_max_workflow_tasks,
            max_concurrent_activities=settings.pilot_max_activities,
            max_concurrent_local_activities=settings.pilot_max_activities,
        ):
            await asyncio.to_thread(warm_up)
            print(READY, flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
