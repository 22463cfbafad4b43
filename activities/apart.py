"""Runs a costly pure function in a process of its own, with limits on CPU time and memory that
end the process and nothing else."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from anyio import BrokenWorkerProcess, fail_after, to_process

T = TypeVar("T")

CPU_LIMIT_S = 2.0
MEMORY_LIMIT_BYTES = 1024 * 1024 * 1024
PATIENCE_S = 60.0
"""How long a function may wait for a process and its turn on a busy machine."""
LIMITS_TEXT = f"{CPU_LIMIT_S:g} s or {MEMORY_LIMIT_BYTES >> 20} MB"


class TooCostlyError(Exception):
    """The function used up its limits."""


async def apart(function: Callable[..., T], *arguments: Any) -> T:
    """The function's value; it and its arguments are pickled. Raises what the function raises,
    and `TooCostlyError`."""
    try:
        return await _in_process(function, arguments)
    except BrokenWorkerProcess:
        # an idle process may have been killed from outside: that is not the function's fault
        with suppress(BrokenWorkerProcess, TimeoutError, MemoryError):
            return await _in_process(function, arguments)
    except (TimeoutError, MemoryError):
        pass
    raise TooCostlyError(f"it needs more than {LIMITS_TEXT}")


async def _in_process(function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    with fail_after(PATIENCE_S):
        return await to_process.run_sync(_limited, function, arguments, cancellable=True)


def _limited(function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    """Runs in the process that is spent on it: both limits end the process by a signal."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT_S)
    try:
        return function(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
