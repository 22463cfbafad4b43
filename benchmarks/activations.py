"""How long a worker's workflow activations take, and what else its event loop waits for."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from temporalio.worker import WorkflowInstance
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation of a workflow: seconds of wall time, seconds of its thread's own CPU time,
    how many jobs it was given and commands it gave, and how many functions it called (0 where
    that was not counted)."""

    wall_s: float
    cpu_s: float
    jobs: int
    commands: int
    calls: int


@dataclass(frozen=True)
class TimedRunner(SandboxedWorkflowRunner):
    """The sandbox, with each activation measured. Counting calls makes it slower."""

    activations: list[Activation] = field(default_factory=list)
    counts_calls: bool = False

    def create_instance(self, det: Any) -> WorkflowInstance:
        instance = super().create_instance(det)
        instance.activate = self._timed(instance.activate)  # type: ignore[method-assign]
        return instance

    def _timed(self, activate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed(activation: Any) -> Any:
            calls = 0

            def count(_frame: FrameType, event: str, _given: Any) -> None:
                nonlocal calls
                calls += event in ("call", "c_call")

            sys.setprofile(count if self.counts_calls else None)
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                completion = activate(activation)
            finally:
                sys.setprofile(None)
            self.activations.append(
                Activation(
                    time.perf_counter() - wall,
                    time.thread_time() - cpu,
                    len(activation.jobs),
                    len(completion.successful.commands),
                    calls,
                )
            )
            return completion

        return timed


@asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """The seconds by which a task that sleeps a millisecond at a time woke up late."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            late.append(max(0.0, time.perf_counter() - due))

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield late
    finally:
        ticking.cancel()
