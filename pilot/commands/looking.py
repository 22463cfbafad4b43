"""`pilot list`, `show`, `waits` and `logs`."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pilot.commands.options import (
    DEFAULT_DATA_DIR,
    RUNS,
    DataDir,
    Json,
    Server,
    User,
    examples,
    print_json,
)
from pilot.commands.running import ExecutionId
from pilot.graph.status import ExecutionStatus


class Listed(StrEnum):
    WORKFLOWS = "workflows"
    EXECUTIONS = "executions"


def add_looking_commands(app: typer.Typer) -> None:
    app.command("list", rich_help_panel=RUNS)(list_)
    for command in (show, waits, logs):
        app.command(rich_help_panel=RUNS)(command)


@examples(
    "pilot list",
    "pilot list executions --status failed --limit 5",
    "pilot list executions --workflow $ID --json | jq -r '.items[].id'",
)
def list_(
    what: Annotated[Listed, typer.Argument(help="What to list.")] = Listed.WORKFLOWS,
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Executions of this workflow, by id.")
    ] = None,
    status: Annotated[
        ExecutionStatus | None, typer.Option("--status", help="Executions of this status.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="Where a list before ended: its `next_cursor`.")
    ] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """List workflows or executions, newest first.

    With --json: `{"items": [...], "next_cursor"}`, as `GET /api/v1/workflows` and `/executions`
    give it.
    """
    from pilot.listing import some
    from pilot.overview import show_list
    from pilot.signin import with_client

    query: dict[str, Any] = {"cursor": cursor}
    if what is Listed.EXECUTIONS:
        query |= {"workflow_id": workflow, "status": status}
    elif workflow is not None or status is not None:
        raise typer.BadParameter("--workflow and --status are for `pilot list executions`")
    body = with_client(
        server, data_dir, user, lambda client: some(client, f"/{what}", limit, query)
    )
    if as_json:
        print_json(body)
    else:
        show_list(what, body)


@examples(
    "pilot show $EXECUTION",
    "pilot show $WORKFLOW",
    "pilot show $EXECUTION --json | jq .output",
    "pilot show $EXECUTION --output fetch > fetched.json",
)
def show(
    target: Annotated[
        str, typer.Argument(metavar="ID", help="An execution's id, or a workflow's.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="NODE",
            help="Print the JSON of this node's output instead, whole; - for the run's own.",
        ),
    ] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Show an execution (its nodes, output and error) or a workflow (its graph and issues).

    With --json: as `GET /api/v1/executions/{id}` or `/workflows/{id}` gives it.
    """
    from pilot.overview import find, print_output, show_execution, show_workflow
    from pilot.signin import with_client

    if output is not None:
        node = None if output == "-" else output
        with_client(server, data_dir, user, lambda client: print_output(client, target, node))
        return
    kind, body = with_client(server, data_dir, user, lambda client: find(client, target))
    if as_json:
        print_json(body)
    elif kind == "executions":
        show_execution(body)
    else:
        show_workflow(body)


@examples("pilot waits $ID", "pilot waits $ID --json | jq -r '.items[].url'")
def waits(
    execution: ExecutionId,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Show what a run waits for now, and where a webhook is answered.

    With --json: as `GET /api/v1/executions/{id}/waits` gives it.
    """
    from pilot.overview import show_waits
    from pilot.signin import with_client

    path = f"/executions/{quote(execution, safe='')}/waits"
    body = with_client(server, data_dir, user, lambda client: client.transport.request("GET", path))
    if as_json:
        print_json(body)
    else:
        show_waits(body)


@examples("pilot logs $ID", "pilot logs $ID --node clean --follow")
def logs(
    execution: ExecutionId,
    node: Annotated[str | None, typer.Option("--node", help="Of this node only.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as the run does, to its end.")
    ] = False,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Print what a run's nodes printed, and how those failed that did.

    With --json: lines of `{"node_id", "path", "stream", "text"}`; the stream is `stdout`,
    `stderr` or `error`, of which the text is the error's message.
    """
    from pilot.runlog import print_logs
    from pilot.signin import with_client

    with_client(
        server,
        data_dir,
        user,
        lambda client: print_logs(client, execution, node, follows=follow, as_json=as_json),
    )
