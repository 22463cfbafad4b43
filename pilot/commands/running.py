"""`pilot run`, `watch`, `retry` and `cancel`."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from pilot.commands.options import (
    BEGIN,
    DEFAULT_DATA_DIR,
    RUNS,
    DataDir,
    Events,
    Json,
    Plain,
    Server,
    User,
    examples,
    print_json,
    read_json,
)
from pilot.commands.versions import VersionOption, version_name

if TYPE_CHECKING:
    from pilot.progress import Mode

ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION", help="An execution's id.")]


def add_run_commands(app: typer.Typer) -> None:
    app.command(rich_help_panel=BEGIN)(run)
    for command in (watch, retry, cancel):
        app.command(rich_help_panel=RUNS)(command)


@examples(
    'pilot run examples/simple_chatbot.json --input \'{"message": "Hi"}\'',
    "pilot run 5b6f1c0e-6b1f-4d53-9c39-0e6d0c1f3d5a --version draft",
    "pilot run graph.json --json | jq -r 'select(.type == \"execution.succeeded\").data.output'",
)
def run(
    target: Annotated[str, typer.Argument(metavar="FILE|ID", help="A workflow's file or id.")],
    input_: Annotated[
        str | None, typer.Option("--input", help="The execution's input, as JSON.")
    ] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    version: VersionOption = None,
    plain: Plain = False,
    as_json: Events = False,
) -> None:
    """Run a workflow, show its progress, print its output.

    A FILE is saved as the user's workflow of its name: made at the first run, and brought up
    to date (a new version) when the file has changed; that version runs, whatever is published.
    The files that it calls (`"workflow_id": "file:other.json"`) are saved first.
    Of an ID the published version runs, unless --version says which. Ctrl-C asks whether to
    cancel the run, a second one leaves it to go on. Exit code 0: succeeded, 1: failed, cancelled
    or timed out, 2: bad input, 130: left.
    """
    from pilot.launch import Launch, launch

    wanted = None if version is None else version_name(version)
    options = Launch(target, read_json(input_, "--input"), data_dir, server, user, wanted)
    raise typer.Exit(launch(options, _mode(plain, as_json)))


@examples("pilot watch 0b0a5d4e-0000-4000-8000-000000000000", "pilot watch $ID --json")
def watch(
    execution: ExecutionId,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    plain: Plain = False,
    as_json: Events = False,
) -> None:
    """Watch a run from its beginning to its end, as `pilot run` shows it.

    The exit codes are those of `pilot run`.
    """
    from pilot.launch import watch as watch_run

    raise typer.Exit(watch_run(execution, server, data_dir, user, _mode(plain, as_json)))


@examples("pilot retry $ID", "pilot retry $ID --from answer --version draft")
def retry(
    execution: Annotated[str, typer.Argument(metavar="EXECUTION", help="One that has ended.")],
    begin: Annotated[
        list[str] | None,
        typer.Option("--from", help="A node to begin at, any number of times [those that failed]."),
    ] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    version: VersionOption = None,
    plain: Plain = False,
    as_json: Events = False,
) -> None:
    """Go on from a run that has ended, in a new one, and show that.

    The nodes that failed are run again, or those to begin at and all below them; the others keep
    what they came to. The exit codes are those of `pilot run`.
    """
    from pilot.launch import retry as retry_run

    wanted = None if version is None else version_name(version)
    mode = _mode(plain, as_json)
    raise typer.Exit(retry_run(execution, begin or (), wanted, server, data_dir, user, mode))


@examples("pilot cancel $ID")
def cancel(
    execution: ExecutionId,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Ask a run to end. It is cancelled once its nodes have ended and its clean-up is done."""
    from pilot.signin import with_client

    body = with_client(
        server,
        data_dir,
        user,
        lambda client: client.transport.request(
            "POST", f"/executions/{quote(execution, safe='')}/cancel", repeat=True
        ),
    )
    if as_json:
        print_json(body)


def _mode(plain: bool, as_json: bool) -> Mode:
    from pilot.progress import Mode

    return Mode.JSON if as_json else Mode.PLAIN if plain else Mode.AUTO
