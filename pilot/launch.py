"""`pilot run` and `pilot watch`: a run that is begun, or found, and shown to its end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pilot.attend import attend
from pilot.client import ApiError, AsyncClient, Execution, Workflow
from pilot.datadir import read_state
from pilot.errors import PilotError
from pilot.graph.issues import Issue, errors
from pilot.graph.status import ExecutionStatus
from pilot.graphfile import describe, read_graph_file
from pilot.progress import Mode, progress
from pilot.roles import Role
from pilot.settings import load_settings
from pilot.tokens import DevelopmentIssuer
from pilot.versions import VersionName

T = TypeVar("T")

TOKEN_VARIABLE = "PILOT_TOKEN"  # noqa: S105
DEFAULT_USER = "dev"

RECORDED_S = 30.0

SUCCEEDED, RUN_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


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


def local_token(
    data_dir: Path, user: str, *, org: str | None = None, role: Role = Role.ADMIN
) -> str:
    """A token of the data folder's development issuer. Raises `PilotError` where the issuer
    is off."""
    settings = load_settings()
    if settings.issuer is not None:
        raise PilotError(
            "CLERK_JWT_ISSUER is set, so the development issuer is off: sign in with Clerk and "
            f"give its token in {TOKEN_VARIABLE}",
            code="issuer_off",
        )
    if "pilot_env" in settings.model_fields_set and not settings.is_development:
        raise PilotError(
            "PILOT_ENV is production, where the development issuer is off", code="issuer_off"
        )
    return DevelopmentIssuer.open(data_dir).mint(user, org=org, role=role.value)


def server_url(server: str | None, data_dir: Path) -> str:
    """The given server, else the one that `pilot dev` runs on the data folder."""
    if server is not None:
        if not server.startswith(("http://", "https://")):
            raise PilotError(f"--server {server}: an address begins with http:// or https://")
        return server
    state = read_state(data_dir)
    if state is None:
        raise PilotError(
            f"no `pilot dev` runs on {data_dir}: start it, or name a server with --server",
            code="no_server",
        )
    return state.api.url


def open_client(server: str | None, data_dir: Path, user: str = DEFAULT_USER) -> AsyncClient:
    """A client with the token of PILOT_TOKEN, else with ones minted from the data folder."""
    url = server_url(server, data_dir)
    given = os.environ.get(TOKEN_VARIABLE)
    if given:
        return AsyncClient(url, given)
    local_token(data_dir, user)  # says at once where the issuer is off
    return AsyncClient(url, lambda: local_token(data_dir, user))


def with_client(
    server: str | None, data_dir: Path, user: str, ask: Callable[[AsyncClient], Awaitable[T]]
) -> T:
    """What a client is told, asked for on an event loop of its own. The issues of what the API
    refuses go to stderr."""

    async def asked() -> T:
        async with open_client(server, data_dir, user) as client:
            return await ask(client)

    try:
        return asyncio.run(asked())
    except ApiError as error:
        _say_issues(error.issues)
        raise


def launch(options: Launch, mode: Mode = Mode.AUTO) -> int:
    """Runs a workflow to its end and returns the process's exit code. Output goes to stdout,
    everything else to stderr."""

    async def begin(client: AsyncClient) -> Execution | None:
        workflow = await _workflow(client, options)
        if workflow is None:
            return None
        version = workflow.version if _is_file(options.target) else options.version
        execution = await client.execute(workflow.id, options.input, version=version)
        _say(f"{workflow.name} (version {execution.workflow_version}), execution {execution.id}")
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
        _say(f"execution {execution.id} goes on from {execution_id}")
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
                return BAD_INPUT
            begun.append(execution)
            if execution.temporal_url:
                _say(f"in Temporal: {execution.temporal_url}")
            if not await attend(client, execution, progress(mode)):
                _say(
                    f"the run goes on; to watch it: pilot watch {execution.id}; "
                    f"to end it: pilot cancel {execution.id}"
                )
                return INTERRUPTED
            return _conclude(await _recorded(client, execution.id), mode)

    try:
        return asyncio.run(follow())
    except KeyboardInterrupt:
        return INTERRUPTED
    except ApiError as error:
        _say(f"pilot: {error}")
        _say_issues(error.issues)
        return RUN_FAILED if begun else BAD_INPUT


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
    file = read_graph_file(path)
    # Before it is saved: a graph that cannot run must not replace one that can.
    issues = await client.workflows.validate(file.body)
    _say_issues(issues)
    if errors(issues):
        return None
    return await client.workflows.save(file.name, file.body, file.description)


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


def _conclude(execution: Execution, mode: Mode) -> int:
    if execution.status is ExecutionStatus.SUCCEEDED:
        if mode is not Mode.JSON:
            print(as_text(execution.output), flush=True)
        return SUCCEEDED
    error = execution.error
    where = f" at {error.node_id}" if error is not None and error.node_id else ""
    what = f": {error.message} [{error.code}]" if error is not None and error.message else ""
    _say(f"{execution.status}{where}{what}")
    return RUN_FAILED


def as_text(output: Any) -> str:
    """A text as it is, anything else as JSON."""
    if isinstance(output, str):
        return output
    return json.dumps(output, indent=2, ensure_ascii=False)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _say_issues(issues: list[Issue]) -> None:
    for issue in issues:
        _say(describe(issue))
