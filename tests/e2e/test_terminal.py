"""`pilot run` and `pilot watch` as a person at a terminal has them, on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilot.processes import die_with_parent
from tests.faults.test_deaths import fetching
from tests.stack import PILOT, Stack, clean_environment, execute, finished, save, until

LIMIT_S = 60.0
CHATBOT = Path(__file__).parents[2] / "examples" / "simple_chatbot.json"


class Gate:
    """An HTTP server on loopback that answers once it is open."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.is_open = asyncio.Event()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.is_open.wait()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def gate() -> AsyncIterator[Gate]:
    opening = Gate()
    server = await asyncio.start_server(opening.answer, "127.0.0.1", 0)
    opening.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield opening
    finally:
        opening.is_open.set()
        server.close()


class Terminal:
    """`pilot ARGUMENTS` with a pseudo-terminal as stdin, stdout and stderr."""

    def __init__(self, stack: Stack, *arguments: str) -> None:
        self._own, theirs = pty.openpty()
        os.set_blocking(self._own, False)
        self.screen = ""
        self.process = subprocess.Popen(
            [*PILOT, *arguments, "--data-dir", str(stack.data_dir)],
            cwd=stack.folder,
            env=clean_environment(TERM="xterm", COLUMNS="140", LINES="40"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )
        os.close(theirs)

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._own, 65_536)
            except OSError:  # nothing now, or its end
                return
            if not piece:
                return
            self.screen += piece.decode(errors="replace")

    async def shows(self, text: str, *, after: int = 0) -> int:
        """Waits until `text` was printed after that place; the place behind it."""

        def found() -> int:
            self._read()
            return self.screen.find(text, after) + 1

        try:
            return int(await until(found, within_s=LIMIT_S)) + len(text)
        except TimeoutError:
            pytest.fail(f"no {text!r} in {self.screen[after:]!r}")

    def interrupt(self) -> None:
        """What the terminal does at Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    async def exit_code(self) -> int:
        def ended() -> bool:
            self._read()
            return self.process.poll() is not None

        await until(ended, within_s=LIMIT_S)
        self._read()
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


async def at_the_gate(
    stack: Stack, terminals: list[Terminal], held: Gate, *options: str
) -> tuple[Terminal, str]:
    """A terminal that watches a run whose http node is under way, and the run's id."""
    async with stack.client("dev") as client:
        execution_id = await execute(client, await save(client, fetching(held.url)))
    terminal = Terminal(stack, "watch", execution_id, *options)
    terminals.append(terminal)
    await asyncio.wait_for(held.asked.wait(), 30)
    await terminal.shows("fetch")
    await terminal.shows("running")
    return terminal, execution_id


async def status(stack: Stack, execution_id: str) -> str:
    async with stack.client("dev") as client:
        execution: dict[str, Any] = await finished(client, execution_id)
        return str(execution["status"])


async def test_a_run_is_a_tree_with_its_answer_below(
    stack: Stack, terminals: list[Terminal]
) -> None:
    terminal = Terminal(stack, "run", str(CHATBOT), "--input", '{"message": "Ahoy"}')
    terminals.append(terminal)
    assert await terminal.exit_code() == 0, terminal.screen
    assert "\x1b[" in terminal.screen  # it was drawn and drawn again
    end = terminal.screen.rindex("succeeded, ")
    assert "3 of 3 nodes" in terminal.screen[end:]
    assert "tokens" in terminal.screen[end:]
    assert "Ahoy" in terminal.screen[end:]


async def test_ctrl_c_and_yes_cancel_the_run(stack: Stack, terminals: list[Terminal]) -> None:
    async with gate() as held:
        terminal, execution_id = await at_the_gate(stack, terminals, held)
        terminal.interrupt()
        await terminal.shows("cancel the run? [y/N]")
        terminal.type("y\n")
        assert await terminal.exit_code() == 1, terminal.screen
        assert "cancelled" in terminal.screen
        assert await status(stack, execution_id) == "cancelled"


async def test_ctrl_c_and_no_watch_on(stack: Stack, terminals: list[Terminal]) -> None:
    async with gate() as held:
        terminal, execution_id = await at_the_gate(stack, terminals, held)
        terminal.interrupt()
        asked = await terminal.shows("cancel the run? [y/N]")
        terminal.type("\n")
        await terminal.shows("fetch", after=asked)  # drawn anew
        held.is_open.set()
        assert await terminal.exit_code() == 0, terminal.screen
        assert await status(stack, execution_id) == "succeeded"


async def test_a_second_ctrl_c_leaves_the_run_to_go_on(
    stack: Stack, terminals: list[Terminal]
) -> None:
    async with gate() as held:
        terminal, execution_id = await at_the_gate(stack, terminals, held)
        terminal.interrupt()
        await terminal.shows("cancel the run? [y/N]")
        terminal.interrupt()
        assert await terminal.exit_code() == 130, terminal.screen
        assert f"pilot watch {execution_id}" in terminal.screen
        assert f"pilot cancel {execution_id}" in terminal.screen
        held.is_open.set()
        assert await status(stack, execution_id) == "succeeded"


async def test_a_run_that_ends_during_the_question_is_not_asked_about(
    stack: Stack, terminals: list[Terminal]
) -> None:
    async with gate() as held:
        terminal, _ = await at_the_gate(stack, terminals, held)
        terminal.interrupt()
        await terminal.shows("cancel the run? [y/N]")
        held.is_open.set()
        assert await terminal.exit_code() == 0, terminal.screen


async def test_plain_is_lines_at_a_terminal_too(stack: Stack, terminals: list[Terminal]) -> None:
    async with gate() as held:
        async with stack.client("dev") as client:
            execution_id = await execute(client, await save(client, fetching(held.url)))
        terminal = Terminal(stack, "watch", execution_id, "--plain")
        terminals.append(terminal)
        held.is_open.set()
        assert await terminal.exit_code() == 0, terminal.screen
    assert "\x1b[" not in terminal.screen
    assert "fetch                 succeeded" in terminal.screen


async def test_without_a_terminal_ctrl_c_leaves_at_once(stack: Stack) -> None:
    async with gate() as held:
        async with stack.client("dev") as client:
            execution_id = await execute(client, await save(client, fetching(held.url)))
        command = [*PILOT, "watch", execution_id, "--json", "--data-dir", str(stack.data_dir)]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=stack.folder,
            env=clean_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        began = time.monotonic()
        first = json.loads(await asyncio.wait_for(process.stdout.readline(), LIMIT_S))
        assert first["type"] == "execution.started"
        assert first["seq"] == 1
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert process.returncode == 130, (errors, time.monotonic() - began)
        assert f"pilot cancel {execution_id}".encode() in errors
        held.is_open.set()
        assert await status(stack, execution_id) == "succeeded"


async def test_a_run_is_shown_to_its_end_though_the_api_is_killed(stack: Stack) -> None:
    """`pilot dev` starts another one, and `pilot run` connects again and prints all there is."""
    async with gate() as held:
        graph: dict[str, Any] = fetching(held.url)
        # events have but a preview of it
        source = "def main(x):\n    return {'text': 'x' * 100_000, 'end': [x]}\n"
        graph["nodes"][2]["config"]["source"] = source
        file = stack.folder / "held.json"
        file.write_text(json.dumps({"name": "held", **graph}))
        process = await asyncio.create_subprocess_exec(
            *PILOT, "run", str(file), "--plain", "--data-dir", str(stack.data_dir),
            cwd=stack.folder,
            env=clean_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            await asyncio.wait_for(held.asked.wait(), LIMIT_S)
            killed = stack.state()["api"]["pid"]
            os.kill(killed, signal.SIGKILL)
            await until(lambda: stack.state()["api"]["pid"] != killed, within_s=LIMIT_S)
            held.is_open.set()
            output, errors = await asyncio.wait_for(process.communicate(), 2 * LIMIT_S)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, errors
    assert json.loads(output) == {"text": "x" * 100_000, "end": [{}]}
    said = errors.decode()
    assert "fetch                 succeeded" in said, said
    assert said.count("execution             succeeded") == 1, said


async def test_what_cannot_be_watched_is_bad_input(stack: Stack) -> None:
    result = stack.pilot("watch", "00000000-0000-0000-0000-000000000000")
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.splitlines()) == 1
