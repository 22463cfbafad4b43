"""`pilot schedule`: a workflow's schedules on the command line."""
# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilot.cli_options import DEFAULT_DATA_DIR, DataDir, Server, User
from pilot.errors import PilotError

if TYPE_CHECKING:
    from pilot.client import AsyncClient, Trigger

app = typer.Typer(
    help="Make, list, pause and run schedules.", no_args_is_help=True, add_completion=False
)

Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", help="A schedule's id.")]


@app.command("list")
def list_(
    workflow: Annotated[str | None, typer.Option("--workflow", help="Of this workflow.")] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """List schedules, newest first."""

    async def show(client: AsyncClient) -> None:
        async for one in client.triggers.list(workflow_id=workflow, kind="schedule"):
            typer.echo(line(one))

    _with_client(server, data_dir, user, show)


@app.command()
def create(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="A workflow's id.")],
    cron: Annotated[
        list[str] | None, typer.Option("--cron", help="Five fields; may be given several times.")
    ] = None,
    every: Annotated[float | None, typer.Option("--every", help="Seconds.")] = None,
    zone: Annotated[str, typer.Option("--zone", help="The time zone of --cron.")] = "UTC",
    overlap: Annotated[
        str, typer.Option("--overlap", help="skip, buffer_one, cancel_other, …")
    ] = "skip",
    name: Annotated[str, typer.Option("--name")] = "schedule",
    input_: Annotated[str | None, typer.Option("--input", help="As JSON.")] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Make a schedule of a workflow, and print it."""
    schedule: dict[str, Any] = {"cron": cron or [], "timezone": zone, "overlap": overlap}
    if every is not None:
        schedule["every_s"] = every
    try:
        given = None if input_ is None else json.loads(input_)
    except ValueError as error:
        raise PilotError(f"--input is no JSON: {error}", code="invalid_input") from None

    async def make(client: AsyncClient) -> None:
        made = await client.triggers.schedule(workflow, name, schedule, input=given)
        typer.echo(line(await client.triggers.get(made.id)))

    _with_client(server, data_dir, user, make)


@app.command()
def pause(
    schedule: Schedule,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Begin nothing until `resume`."""

    async def ask(client: AsyncClient) -> None:
        typer.echo(line(await client.triggers.pause(schedule, note)))

    _with_client(server, data_dir, user, ask)


@app.command()
def resume(
    schedule: Schedule,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Go on after `pause`."""

    async def ask(client: AsyncClient) -> None:
        typer.echo(line(await client.triggers.resume(schedule)))

    _with_client(server, data_dir, user, ask)


@app.command()
def run(
    schedule: Schedule,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Run it once more, now."""

    async def ask(client: AsyncClient) -> None:
        typer.echo(line(await client.triggers.run(schedule)))

    _with_client(server, data_dir, user, ask)


@app.command()
def delete(
    schedule: Schedule,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Delete a schedule. What it has begun goes on."""

    async def ask(client: AsyncClient) -> None:
        await client.triggers.delete(schedule)

    _with_client(server, data_dir, user, ask)


def line(one: Trigger) -> str:
    """`<id>  active  every day  0 8 * * * (Europe/Berlin)  next 2026-03-02T07:00:00Z`"""
    told = one.definition
    times = ", ".join(told.get("cron") or [])
    if times:
        times += f" ({told['timezone']})"
    if told.get("every_s"):
        times += f"{' and ' if times else ''}every {told['every_s']:g} s"
    parts = [one.id, one.state, one.name, times]
    if one.next_times:
        parts.append(f"next {one.next_times[0].isoformat().replace('+00:00', 'Z')}")
    if one.failure is not None:
        parts.append(f"last time not begun: {one.failure.code}")
    return "  ".join(parts)


def _with_client(
    server: str | None,
    data_dir: DataDir,
    user: str,
    act: Callable[[AsyncClient], Awaitable[None]],
) -> None:
    from pilot.launch import open_client

    async def connected() -> None:
        async with open_client(server, data_dir, user) as client:
            await act(client)

    asyncio.run(connected())
