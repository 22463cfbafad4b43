"""`pilot init`, `dev` and `token`; `pilot api` and `worker` for deployments."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pilot.commands.options import (
    BEGIN,
    DEFAULT_DATA_DIR,
    OPERATING,
    DataDir,
    Json,
    User,
    examples,
    print_json,
)
from pilot.roles import Role


def add_first_commands(app: typer.Typer) -> None:
    for command in (init, dev, token):
        app.command(rich_help_panel=BEGIN)(command)


def add_process_commands(app: typer.Typer) -> None:
    for command in (api, worker):
        app.command(rich_help_panel=OPERATING)(command)


@examples("pilot init my-flows", "cd my-flows && pilot dev", "pilot init . --template data_cleanup")
def init(
    folder: Annotated[Path, typer.Argument(help="Made where there is none.")] = Path(),
    template: Annotated[
        str, typer.Option("--template", help="The graph to begin with: one of the gallery.")
    ] = "simple_chatbot",
    as_json: Json = False,
) -> None:
    """Make a project folder: a graph that runs, its JSON Schema, .env, .gitignore and a README.

    Nothing that is there is overwritten: where one of the files exists, nothing is written. Exit
    code 2 then.
    """
    from pilot.project import make_project

    made = make_project(folder, template)
    if as_json:
        print_json({"folder": str(folder), "files": [file.name for file in made]})
        return
    for file in made:
        typer.echo(f"made {file}")
    here = "" if folder == Path() else f"cd {folder} && "
    typer.echo(f"next: {here}pilot dev, and in another terminal: {here}pilot run {made[0].name}")


@examples(
    "pilot dev",
    "pilot dev --free-ports --run graph.json",
    "pilot dev --port 9000 --data-dir /var/lib/pilot",
)
def dev(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the API.")] = 8000,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    temporal_port: Annotated[int, typer.Option(min=0, max=65_535, help="Of Temporal.")] = 7233,
    ui_port: Annotated[int, typer.Option(min=0, max=65_535, help="Of Temporal's Web UI.")] = 8233,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take a free port where one is in use.")
    ] = False,
    run_file: Annotated[
        Path | None,
        typer.Option("--run", exists=True, dir_okay=False, help="A workflow to run when ready."),
    ] = None,
) -> None:
    """Run all of πlot on this machine: Temporal, store, worker and API.

    Prints `pilot ready URL` when everything answers. A port of 0 picks a free one. Ctrl-C
    ends it all; runs go on where they were at the next start.
    """
    from pilot.dev import Options, serve

    asyncio.run(serve(Options(data_dir, port, temporal_port, ui_port, free_ports, run_file)))


@examples(
    "pilot token",
    'curl -H "Authorization: Bearer $(pilot token)" localhost:8000/api/v1/workflows',
    "pilot token --user ann --org acme --role viewer",
)
def token(
    user: User = "dev",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    org: Annotated[
        str | None, typer.Option(help="Act in this organisation instead of for oneself.")
    ] = None,
    role: Annotated[
        Role, typer.Option(help="The role that the user has in the organisation.")
    ] = Role.ADMIN,
    as_json: Json = False,
) -> None:
    """Print a token of the local development issuer, for the header `Authorization: Bearer`."""
    from pilot.signin import local_token

    made = local_token(data_dir, user, org=org, role=role)
    if as_json:
        print_json({"token": made})
    else:
        typer.echo(made)


@examples(
    "DATABASE_URL=postgresql://… TEMPORAL_ADDRESS=temporal:7233 pilot worker",
    "pilot worker --queues pilot-code",
)
def worker(
    queues: Annotated[
        str | None,
        typer.Option(
            envvar="PILOT_WORKER_QUEUES",
            help="The task queues to poll, separated by commas (default: all; docs/deploy.md).",
        ),
    ] = None,
) -> None:
    """Run a worker process, configured by the environment (docs/deploy.md)."""
    if queues is not None:
        os.environ["PILOT_WORKER_QUEUES"] = queues
    _become("worker")


@examples("DATABASE_URL=postgresql://… TEMPORAL_ADDRESS=temporal:7233 pilot api")
def api() -> None:
    """Run the API process, configured by the environment (docs/deploy.md)."""
    _become("api")


def _become(module: str) -> None:
    """Replaces this process, so that signals reach the server itself. `-P`: the current
    folder may hold an `api` that is not ours."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module])  # noqa: S606
