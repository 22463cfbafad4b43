"""`pilot approvals` and `approve`."""
# ruff: noqa: PLC0415 (see pilot.cli)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pilot.cli_options import DEFAULT_DATA_DIR, DataDir, Server, User
from pilot.errors import PilotError

if TYPE_CHECKING:
    from pilot.client import AsyncClient


def add_approval_commands(app: typer.Typer) -> None:
    for command in (approvals, approve):
        app.command()(command)


def approvals(
    server: Server = None, data_dir: DataDir = DEFAULT_DATA_DIR, user: User = "dev"
) -> None:
    """List what waits for your approval, newest first."""
    from pilot.launch import with_client

    async def listed(client: AsyncClient) -> list[str]:
        return [
            f"{one.execution_id} {one.node_id}{f' {one.path}' if one.path else ''}: {one.title} "
            f"({one.approvals} of {one.required})"
            async for one in client.approvals.list()
        ]

    for line in with_client(server, data_dir, user, listed):
        typer.echo(line)


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
) -> None:
    """Answer an approval: yes, or no with --reject."""
    from pilot.launch import with_client

    try:
        given = None if values is None else json.loads(values)
    except ValueError as error:
        raise PilotError(f"--values is not JSON: {error}", code="invalid_values") from None
    status = with_client(
        server,
        data_dir,
        user,
        lambda client: client.approvals.answer(
            execution,
            node,
            "rejected" if reject else "approved",
            values=given,
            comment=comment,
            path=path,
        ),
    )
    typer.echo("it waits for others" if status == "waiting" else status)
