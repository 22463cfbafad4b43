"""`pilot run`, `watch` and `retry`: a run that is begun, or found, and shown to its end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot.attend import attend
from pilot.client import ApiError, AsyncClient, Execution, Workflow
from pilot.companions import read_with_companions, resolved
from pilot.errors import PilotError
from pilot.exits import Exit, exit_of, said
from pilot.graph.issues import errors
from pilot.graph.status import ExecutionStatus
from pilot.progress import Mode, progress
from pilot.signin import DEFAULT_USER, open_client, say, say_issues
from pilot.versions import VersionName

RECORDED_S = 30.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run (a file's path or a workflow's id, and which version of it), with what input,
    and where. Of a file it is the version that the file is saved as."""

    target: str
    input: Any
    data_dir: Path
    server: str | None = None
    user: str = DEFAULT_USER
    version: VersionName | None = None


def launch(options: Launch, mode: Mode = Mode.AUTO) -> int:
    """Runs a workflow to its end and returns the process's exit code. Output goes to stdout,
    everything else to stderr."""

    async def begin(client: AsyncClient) -> Execution | None:
        workflow = await _workflow(client, options)
        if workflow is None:
            return None
        version = workflow.version if _is_file(options.target) else options.version
        execution = await client.execute(workflow.id, options.input, version=version)
        say(f"{workflow.name} (version {execution.workflow_version}), execution {execution.id}")
        return execution

    return _follow(options.server, options.data_dir, options.user, begin, mode)


def watch(
    execution_id: str, server: str | None, data_dir: Path, user: str, mode: Mode = Mode.AUTO
) -> int:
    """Shows a run from its beginning to its end, as `launch` does."""

    async def begin(client: AsyncClient) -> Execution:
        return await client.executions.get(execution_id)

    return _follow(server, data_dir, user, begin, mode)


def retry(
    execution_id: str,
    begin_at: Sequence[str],
    version: VersionName | None,
    server: str | None,
    data_dir: Path,
    user: str,
    mode: Mode = Mode.AUTO,
) -> int:
    """Goes on from a run that has ended, and shows the new one to its end."""

    async def begin(client: AsyncClient) -> Execution:
        execution = await client.executions.retry(
            execution_id, begin=begin_at or None, version=version
        )
        say(f"execution {execution.id} goes on from {execution_id}")
        return execution

    return _follow(server, data_dir, user, begin, mode)


def _follow(
    server: str | None,
    data_dir: Path,
    user: str,
    begin: Callable[[AsyncClient], Awaitable[Execution | None]],
    mode: Mode,
) -> int:
    begun: list[Execution] = []

    async def follow() -> int:
        async with open_client(server, data_dir, user) as client:
            execution = await begin(client)
            if execution is None:
                return Exit.BAD_INPUT
            begun.append(execution)
            if execution.temporal_url:
                say(f"in Temporal: {execution.temporal_url}")
            if not await attend(client, execution, progress(mode)):
                say(
                    f"the run goes on; to watch it: pilot watch {execution.id}; "
                    f"to end it: pilot cancel {execution.id}"
                )
                return Exit.LEFT
            return await _conclude(client, await _recorded(client, execution.id), mode)

    try:
        return asyncio.run(follow())
    except KeyboardInterrupt:
        return Exit.LEFT
    except ApiError as error:
        say(f"pilot: {said(error)}")
        say_issues(error.issues)
        return Exit.NO if begun else exit_of(error)


async def _workflow(client: AsyncClient, options: Launch) -> Workflow | None:
    """The stored workflow of a file or an id; None after its errors were printed."""
    target = options.target
    path = Path(target)
    if not _is_file(target):
        if path.suffix or len(path.parts) > 1:
            raise PilotError(f"{target}: no such file", code="invalid_file")
        try:
            return await client.workflows.get(target)
        except ApiError as error:
            if error.status not in (404, 422):
                raise
            raise PilotError(
                f"{target}: neither a file nor a workflow of the user {options.user!r}",
                code="not_found",
            ) from None
    if options.version is not None:
        raise PilotError("--version is for a workflow's id: a file is run as it is")
    saved: dict[str, Workflow] = {}
    for name, file in read_with_companions(path).items():
        graph = resolved(file.body, {known: (one.id, one.version) for known, one in saved.items()})
        # Before it is saved: a graph that cannot run must not replace one that can.
        issues = await client.workflows.validate(graph)
        if issues and name != path.name:
            say(f"{path.with_name(name)}:")
        say_issues(issues)
        if errors(issues):
            return None
        saved[name] = await client.workflows.save(file.name, graph, file.description)
    return saved[path.name]


def _is_file(target: str) -> bool:
    return Path(target).exists()


async def _recorded(client: AsyncClient, execution_id: str) -> Execution:
    """The run that has ended, once the store knows it too, which is a moment later."""
    until = time.monotonic() + RECORDED_S
    while True:
        execution = await client.executions.get(execution_id)
        if execution.status.is_final or time.monotonic() > until:
            return execution
        await asyncio.sleep(0.1)


async def _conclude(client: AsyncClient, execution: Execution, mode: Mode) -> int:
    if execution.status is ExecutionStatus.SUCCEEDED:
        if mode is not Mode.JSON:
            output = execution.output
            if execution.large_output is not None:
                pieces = [piece async for piece in client.executions.output(execution.id)]
                output = json.loads(b"".join(pieces))
            print(as_text(output), flush=True)
        return Exit.DONE
    error = execution.error
    where = f" at {error.node_id}" if error is not None and error.node_id else ""
    what = f": {error.message} [{error.code}]" if error is not None and error.message else ""
    say(f"{execution.status}{where}{what}")
    return Exit.NO


def as_text(output: Any) -> str:
    """A text as it is, anything else as JSON."""
    if isinstance(output, str):
        return output
    return json.dumps(output, indent=2, ensure_ascii=False)
