"""Stands by a run until it ends, or the person at the terminal has seen enough.

Ctrl-C asks whether to cancel the run; a second one, or the end of the input, leaves it to go on.
Where there is nobody to ask, the first one leaves.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pilot.client import ApiError, AsyncClient, Execution
from pilot.progress import Progress

QUESTION = "cancel the run? [y/N] "
INTERRUPT, END_OF_INPUT = "\x03", ""
MAX_ANSWER_BYTES = 1_024


async def attend(client: AsyncClient, execution: Execution, shown: Progress) -> bool:
    """Whether the run was seen to its end."""
    with shown, _interrupts() as said:
        shown.begin(execution)
        watching = asyncio.create_task(_watch(client, execution.id, shown))
        try:
            while await _next(said, watching) is not None:
                if not _has_terminal():
                    return False
                shown.pause()
                answer = await _asked(said, watching)
                if answer in (INTERRUPT, END_OF_INPUT):
                    return False
                shown.go_on()
                if answer is not None and answer.strip().lower() in ("y", "yes"):
                    await _cancel(client, execution.id, shown)
            await watching
        finally:
            watching.cancel()
            await asyncio.wait([watching])
    return True


async def _watch(client: AsyncClient, execution_id: str, shown: Progress) -> None:
    def away(reason: str) -> None:
        shown.note(f"lost {client.url} ({reason}): connecting again")

    async for event in client.watch(execution_id, on_away=away):
        shown.show(event)


async def _cancel(client: AsyncClient, execution_id: str, shown: Progress) -> None:
    try:
        await client.executions.cancel(execution_id)
    except ApiError as error:
        if error.code != "already_finished":
            shown.note(f"not cancelled: {error}")


async def _asked(said: asyncio.Queue[str], watching: asyncio.Task[None]) -> str | None:
    print(QUESTION, end="", file=sys.stderr, flush=True)
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:  # a terminal gives whole lines
        said.put_nowait(os.read(terminal, MAX_ANSWER_BYTES).decode(errors="replace"))

    loop.add_reader(terminal, read)
    try:
        answer = await _next(said, watching)
    finally:
        loop.remove_reader(terminal)
    if answer is None or answer in (INTERRUPT, END_OF_INPUT):
        print(file=sys.stderr, flush=True)
    return answer


async def _next(said: asyncio.Queue[str], watching: asyncio.Task[None]) -> str | None:
    """What the person says next, unless the watch ends first."""
    saying = asyncio.create_task(said.get())
    try:
        await asyncio.wait([saying, watching], return_when=asyncio.FIRST_COMPLETED)
        return saying.result() if saying.done() and not watching.done() else None
    finally:
        saying.cancel()


@contextmanager
def _interrupts() -> Iterator[asyncio.Queue[str]]:
    """Each Ctrl-C as it comes."""
    loop = asyncio.get_running_loop()
    said: asyncio.Queue[str] = asyncio.Queue()
    loop.add_signal_handler(signal.SIGINT, said.put_nowait, INTERRUPT)
    try:
        yield said
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
