"""`pilot approvals` and `approve`."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

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
    read_json,
)


def add_approval_commands(app: typer.Typer) -> None:
    for command in (approvals, approve):
        app.command(rich_help_panel=RUNS)(command)


@examples("pilot approvals", "pilot approvals --json | jq '.items[].execution_id'")
def approvals(
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """List what waits for your approval, newest first."""
    from pilot.client import Approval
    from pilot.listing import everything
    from pilot.signin import with_client

    body = with_client(server, data_dir, user, lambda client: everything(client, "/approvals"))
    if as_json:
        print_json(body)
        return
    for one in map(Approval.from_json, body["items"]):
        typer.echo(
            f"{one.execution_id} {one.node_id}{f' {one.path}' if one.path else ''}: {one.title} "
            f"({one.approvals} of {one.required})"
        )


@examples(
    "pilot approve $ID review",
    "pilot approve $ID review --reject --comment 'too dear'",
    "pilot approve $ID review --values '{\"amount\": 12}'",
)
def approve(
    execution: Annotated[str, typer.Argument(metavar="ID", help="An execution's id.")],
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node that asks.")],
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    comment: Annotated[str | None, typer.Option("--comment", help="Why.")] = None,
    values: Annotated[
        str | None, typer.Option("--values", help="What the form asks for, as JSON.")
    ] = None,
    path: Annotated[str, typer.Option("--path", help="Which iteration, in loops and maps.")] = "",
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Answer an approval: yes, or no with --reject."""
    from pilot.signin import with_client

    answer = {
        "decision": "rejected" if reject else "approved",
        "values": read_json(values, "--values"),
        "comment": comment,
        "path": path,
    }
    body = with_client(
        server,
        data_dir,
        user,
        lambda client: client.transport.request(
            "POST",
            f"/executions/{quote(execution, safe='')}/approvals/{quote(node, safe='')}",
            answer,
            headers={"Idempotency-Key": str(uuid4())},
            repeat=True,
        ),
    )
    if as_json:
        print_json(body)
    else:
        typer.echo("it waits for others" if body["status"] == "waiting" else body["status"])
