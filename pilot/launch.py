"""`pilot run`: a workflow from a file or by its id, run on a server and watched to its end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot.client import ApiClient, ApiError
from pilot.datadir import read_state
from pilot.errors import PilotError
from pilot.graph.issues import Issue, errors
from pilot.graphfile import describe, read_graph_file
from pilot.progress import progress
from pilot.roles import Role
from pilot.settings import load_settings
from pilot.tokens import DevelopmentIssuer

TOKEN_VARIABLE = "PILOT_TOKEN"  # noqa: S105
DEFAULT_USER = "dev"

SUCCEEDED, RUN_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run (a file's path or a workflow's id), with what input, and where."""

    target: str
    input: Any
    data_dir: Path
    server: str | None = None
    user: str = DEFAULT_USER


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


def open_client(server: str | None, data_dir: Path, user: str = DEFAULT_USER) -> ApiClient:
    """A client with the token of PILOT_TOKEN, else one minted from the data folder."""
    url = server_url(server, data_dir)
    return ApiClient(url, os.environ.get(TOKEN_VARIABLE) or local_token(data_dir, user))


def launch(options: Launch) -> int:
    """Runs to the end and returns the process's exit code. Output goes to stdout, everything
    else to stderr."""
    started: list[str] = []
    try:
        return asyncio.run(_launch(options, started))
    except KeyboardInterrupt:
        if started:
            _say(f"the run goes on; to end it: pilot cancel {started[0]}")
        return INTERRUPTED
    except ApiError as error:
        _say(f"pilot run: {error}")
        _say_issues(error.issues)
        return RUN_FAILED if started else BAD_INPUT


async def _launch(options: Launch, started: list[str]) -> int:
    async with open_client(options.server, options.data_dir, options.user) as client:
        workflow = await _workflow(client, options.target)
        if workflow is None:
            return BAD_INPUT
        execution = await client.execute(workflow["id"], options.input)
        started.append(execution["id"])
        _say(f"{workflow['name']} (version {workflow['version']}), execution {execution['id']}")
        if url := (execution.get("temporal") or {}).get("url"):
            _say(f"in Temporal: {url}")
        with progress() as shown:

            def away(reason: str) -> None:
                shown.note(f"lost {client.url} ({reason}): connecting again")

            async for event in client.watch(execution["id"], on_away=away):
                shown.show(event)
        return _conclude(await client.execution(execution["id"]))


async def _workflow(client: ApiClient, target: str) -> dict[str, Any] | None:
    """The stored workflow of a file or an id; None after its errors were printed."""
    path = Path(target)
    if not path.exists():  # noqa: ASYNC240 (nothing else runs yet)
        if path.suffix or len(path.parts) > 1:
            raise PilotError(f"{target}: no such file", code="invalid_file")
        try:
            return await client.workflow(target)
        except ApiError as error:
            if error.status != 404:
                raise
            raise PilotError(
                f"{target}: neither a file nor a workflow of the user {client.user!r}",
                code="not_found",
            ) from None
    file = read_graph_file(path)
    # Before it is saved: a graph that cannot run must not replace one that can.
    issues = await client.validate(file.body)
    _say_issues(issues)
    if errors(issues):
        return None
    return await client.save(file.name, file.description, file.body)


def _conclude(execution: dict[str, Any]) -> int:
    if execution["status"] == "succeeded":
        print(as_text(execution.get("output")), flush=True)
        return SUCCEEDED
    error = execution.get("error") or {}
    where = f" at {error['node_id']}" if error.get("node_id") else ""
    what = f": {error['message']} [{error.get('code')}]" if error.get("message") else ""
    _say(f"{execution['status']}{where}{what}")
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
