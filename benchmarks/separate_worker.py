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
from typing import Any

import psutil
from temporalio.worker import Worker

from benchmarks.by_hand import ChainByHand
from benchmarks.outcomes import Outcomes
from benchmarks.stack import Stack
from benchmarks.variants import variant
from pilot.plugin import PilotPlugin
from pilot.processes import die_with_parent, free_ports
from pilot.settings import Settings
from pilot.store.database import Database
from pilot.temporal import connect
from tests.scrape import Scrape, scrape
from worker import load, new_loop, warm_up

READY = "polls"


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    pid: int
    task_queue: str
    metrics_address: str

    async def counted(self) -> Scrape:
        """What it and the SDK have counted since its start."""
        return await scrape(f"http://{self.metrics_address}/metrics")

    def cpu_s(self) -> float:
        """Seconds of processor time, of its own and the kernel's, with its sandboxes."""
        process = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    def memory_mb(self) -> float:
        """Its memory with that of its sandboxes. Pages that several processes share count once
        (PSS, proc(5)): the resident sizes of a process's children, added up, count the same
        programs' and libraries' pages for each of them."""
        return sum(self.parts_mb().values())

    def parts_mb(self) -> dict[str, float]:
        """The same, process by process."""
        process = psutil.Process(self.pid)
        return {
            f"{one.pid} {one.name()}": one.memory_full_info().pss / 1024 / 1024
            for one in (process, *process.children(recursive=True))
        }


@asynccontextmanager
async def separate_worker(bench: Stack, **environment: str) -> AsyncIterator[WorkerProcess]:
    """A worker that polls the stack's task queue, or the one of the environment."""
    [port] = free_ports(1)
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": bench.settings.temporal_address,
        "PILOT_DATA_DIR": str(bench.settings.pilot_data_dir),
        "PILOT_ENV": "development",
        "TEMPORAL_TASK_QUEUE": bench.task_queue,
        "PILOT_METRICS_ADDRESS": f"127.0.0.1:{port}",
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
        yield WorkerProcess(
            process.pid, environment["TEMPORAL_TASK_QUEUE"], environment["PILOT_METRICS_ADDRESS"]
        )
    finally:
        process.terminate()
        process.wait()


async def serve() -> None:
    settings = Settings()
    async with PilotPlugin.open(settings) as plugin:
        client = await connect(
            settings, plugins=[plugin], metrics_address=settings.pilot_metrics_address
        )
        outcomes = Outcomes(Database(settings.store_url))
        await outcomes.create()
        options: Any = load(settings) | variant(os.environ.get("BENCHMARK_VARIANT", ""))
        if cached := os.environ.get("BENCHMARK_CACHED"):
            options["max_cached_workflows"] = int(cached)
        worker = Worker(
            client,
            task_queue=settings.temporal_task_queue,
            workflows=[ChainByHand],
            activities=[outcomes.write],
            **options,
        )
        async with worker:
            await asyncio.to_thread(warm_up)
            print(READY, flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    loop = asyncio.new_event_loop if os.environ.get("BENCHMARK_LOOP") == "asyncio" else new_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(serve())
