"""The sandbox of code nodes: a pool of `pydantic-monty` subprocesses.

Monty is a Python interpreter in Rust without files, network, environment or processes; its
subprocesses hold what it might get wrong, and the system confines them (`confinement`).
Cancelling a run kills its subprocess; one that dies costs its own run alone, and the pool
starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic_monty import AsyncMonty, MontyError

from activities.code_errors import node_error, output_not_json, output_too_large
from activities.code_logs import MAX_FAILED_LOG_CHARS, MAX_PRINTED_BYTES, Logs, Stream
from activities.code_program import Allowance, Program
from activities.launcher import launcher
from pilot.errors import NodeError
from pilot.nodes.code import Limits

# How long a burst of prints is gathered before it is sent: twenty live events a second.
PRINT_FLUSH_S = 0.05
# A subprocess is replaced after so many runs, against what it might leak.
RUNS_PER_PROCESS = 1_000
# The pool's threads let go of Python objects a moment after it is closed; an interpreter that
# ends in that moment aborts (SIGABRT, seen in every second process that ended at once).
SETTLE_S = 0.05
# CPU time beyond a run's own limit, after which the kernel ends its subprocess: Monty looks at
# its clock long before, unless somebody has taken it over.
CPU_GRACE_S = 5
HIGHEST = Limits(time_s=300, memory_mb=1024, output_kb=1536, logs_kb=1024)


@dataclass(frozen=True, slots=True)
class Outcome:
    output: Any
    logs: Logs


class Sandbox:
    """A pool of subprocesses that run programs, one at a time each.

    `ceiling` is what no run may exceed, `layers` names what the system confines the
    subprocesses by.
    """

    def __init__(
        self, pool: AsyncMonty, ceiling: Limits = HIGHEST, layers: tuple[str, ...] = ()
    ) -> None:
        self._pool = pool
        self.ceiling = ceiling
        self.layers = layers
        self.process_ids: set[int] = set()
        """The subprocesses that run a program now."""

    async def run(
        self,
        program: Program,
        allowance: Allowance,
        on_text: Callable[[Stream, str], None],
    ) -> Outcome:
        """Runs a program; waits for a free subprocess first.

        `on_text` gets what is printed, up to the cap, on the event loop. Raises `NodeError`:
        see `code_errors`.
        """
        loop = asyncio.get_running_loop()
        flood: asyncio.Future[None] = loop.create_future()
        logs = Logs(
            allowance.log_bytes,
            lambda stream, text: _call_soon(loop, on_text, stream, text),
            lambda: _call_soon(loop, _settle, flood),
        )
        feed = asyncio.ensure_future(self._feed(program, allowance, logs))
        try:
            await asyncio.wait((feed, flood), return_when=asyncio.FIRST_COMPLETED)
            if not feed.done():
                raise NodeError(
                    f"the code printed more than {MAX_PRINTED_BYTES // 1_000_000} MB",
                    code="code_output_too_large",
                )
            return Outcome(_decode(feed.result(), allowance), logs)
        except MontyError as error:
            failure = node_error(error, program, allowance)
        except NodeError as error:
            failure = error
        finally:
            flood.cancel()
            feed.cancel()
        failure.meta = {**failure.meta, **logs.to_meta(MAX_FAILED_LOG_CHARS)}
        raise failure

    async def _feed(self, program: Program, allowance: Allowance, logs: Logs) -> Any:
        session = self._pool.checkout(
            limits={
                "max_feed_duration_secs": allowance.time_s,
                "max_memory": allowance.memory_bytes,
            },
            print_flush_interval=PRINT_FLUSH_S,
            # a sleep would hold the subprocess without counting as its time
            os_policy={"sleep": "zero"},
        )
        async with session:
            pid = session.worker_pid
            if pid is not None:
                self.process_ids.add(pid)
                _limit_cpu(pid, allowance.time_s)
            try:
                return await session.feed_run(
                    program.driver(allowance),
                    inputs=program.inputs,
                    print_callback=logs.write,
                )
            finally:
                if pid is not None:
                    self.process_ids.discard(pid)


@contextlib.asynccontextmanager
async def open_sandbox(
    processes: int | None = None, ceiling: Limits = HIGHEST
) -> AsyncIterator[Sandbox]:
    """A pool of at most `processes` subprocesses [the number of CPUs, at least four], one of
    them started at once."""
    most = processes or max(4, os.cpu_count() or 1)
    async with launcher(ceiling.memory_mb * 1024 * 1024) as found:
        async with AsyncMonty(
            binary_path=found.path,
            max_processes=most,
            max_checkouts_per_worker=RUNS_PER_PROCESS,
        ) as pool:
            yield Sandbox(pool, ceiling, found.layers)
        await asyncio.sleep(SETTLE_S)


def _limit_cpu(pid: int, time_s: float) -> None:
    """Lets the subprocess use so much CPU time from now on, and a little more. Two system
    calls: the clock of another process is read by its number (clock_getcpuclockid(3))."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        used = time.clock_gettime((~pid << 3) | 2)
        _, hard = resource.prlimit(pid, resource.RLIMIT_CPU)
        soft = int(used + time_s) + CPU_GRACE_S
        resource.prlimit(pid, resource.RLIMIT_CPU, (soft, hard))


def _decode(text: object, allowance: Allowance) -> Any:
    if not isinstance(text, str):
        raise output_not_json(f"the sandbox gave back {type(text).__name__}")
    if len(text) > allowance.output_bytes or len(text.encode()) > allowance.output_bytes:
        raise output_too_large(allowance)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise output_not_json(str(error)) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _call_soon(
    loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any
) -> None:
    """Calls a function on the loop from a thread; the loop may have closed in the meantime."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
