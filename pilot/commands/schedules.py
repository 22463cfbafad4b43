"""`pilot schedule`: a workflow's schedules on the command line."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from pilot.commands.options import (
    DEFAULT_DATA_DIR,
    DataDir,
    Json,
    Server,
    User,
    examples,
    print_json,
    read_json,
)

if TYPE_CHECKING:
    from pilot.client import Trigger

app = typer.Typer(
    help="Make, list, pause and run schedules.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", help="A schedule's id.")]


@app.command("list")
@examples("pilot schedule list", "pilot schedule list --workflow $ID --json")
def list_(
    workflow: Annotated[str | None, typer.Option("--workflow", help="Of this workflow.")] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """List schedules, newest first."""
    from pilot.client import Trigger
    from pilot.listing import everything
    from pilot.signin import with_client

    query = {"workflow_id": workflow, "kind": "schedule"}
    body = with_client(
        server, data_dir, user, lambda client: everything(client, "/triggers", query)
    )
    if as_json:
        print_json(body)
        return
    for one in body["items"]:
        typer.echo(line(Trigger.from_json(one)))


@app.command()
@examples(
    "pilot schedule create $ID --cron '0 8 * * MON-FRI' --zone Europe/Berlin",
    "pilot schedule create $ID --every 3600 --input '{\"page\": 1}' --name hourly",
)
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
    name: Annotated[str, typer.Option("--name", help="What people see.")] = "schedule",
    input_: Annotated[str | None, typer.Option("--input", help="As JSON.")] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Make a schedule of a workflow, and print it."""
    schedule: dict[str, Any] = {"cron": cron or [], "timezone": zone, "overlap": overlap}
    if every is not None:
        schedule["every_s"] = every
    body = {
        "workflow_id": workflow,
        "name": name,
        "input": read_json(input_, "--input"),
        "schedule": schedule,
    }
    made = _ask(server, data_dir, user, "POST", "", body, repeat=False)
    _show(_ask(server, data_dir, user, "GET", made["id"]), as_json)


@app.command()
@examples("pilot schedule pause $SCHEDULE --note holidays")
def pause(
    schedule: Schedule,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Begin nothing until `resume`."""
    _show(_ask(server, data_dir, user, "POST", schedule, {"note": note}, what="/pause"), as_json)


@app.command()
@examples("pilot schedule resume $SCHEDULE")
def resume(
    schedule: Schedule,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Go on after `pause`."""
    _show(_ask(server, data_dir, user, "POST", schedule, what="/resume"), as_json)


@app.command()
@examples("pilot schedule run $SCHEDULE")
def run(
    schedule: Schedule,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Run it once more, now."""
    _show(_ask(server, data_dir, user, "POST", schedule, what="/run", repeat=False), as_json)


@app.command()
@examples("pilot schedule delete $SCHEDULE")
def delete(
    schedule: Schedule,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Delete a schedule. What it has begun goes on. With --json: `{"id", "deleted"}`."""
    _ask(server, data_dir, user, "DELETE", schedule)
    print_json({"id": schedule, "deleted": True}) if as_json else typer.echo(f"{schedule} deleted")


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


def _show(body: dict[str, Any], as_json: bool) -> None:
    from pilot.client import Trigger

    if as_json:
        print_json(body)
    else:
        typer.echo(line(Trigger.from_json(body)))


def _ask(
    server: str | None,
    data_dir: Path,
    user: str,
    method: str,
    schedule: str,
    body: Any = None,
    *,
    what: str = "",
    repeat: bool = True,
) -> dict[str, Any]:
    from pilot.signin import with_client

    path = "/triggers" + (f"/{quote(schedule, safe='')}" if schedule else "") + what
    return with_client(
        server,
        data_dir,
        user,
        lambda client: client.transport.request(method, path, body, repeat=repeat),
    )
