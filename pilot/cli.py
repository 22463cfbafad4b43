"""The command line: `pilot dev`, `run`, `validate` and what a deployment needs.

Each command imports what it needs when it is called: `pilot --help` and the supervisor of
`pilot dev` must not wait for a database driver.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilot import __version__
from pilot.cli_approvals import add_approval_commands
from pilot.cli_options import DEFAULT_DATA_DIR, AsJson, DataDir, Plain, Server, User
from pilot.cli_versions import VersionOption, add_version_commands, version_name
from pilot.errors import PilotError
from pilot.roles import Role
from pilot.triggers.command import app as schedules

if TYPE_CHECKING:
    from pilot.progress import Mode
    from pilot.store import Store

app = typer.Typer(
    name="pilot",
    help="πlot: AI workflows that survive any crash, on Temporal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

BAD_INPUT = 2


app.add_typer(schedules, name="schedule")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pilot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
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


@app.command()
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
    as_json: AsJson = False,
) -> None:
    """Run a workflow, show its progress, print its output.

    A FILE is saved as the user's workflow of its name: made at the first run, and brought up
    to date (a new version) when the file has changed; that version runs, whatever is published.
    Of an ID the published version runs, unless --version says which. The token is PILOT_TOKEN,
    else one of the local development issuer. Ctrl-C asks whether to cancel the run, a second one
    leaves it to go on. Exit code 0: succeeded, 1: failed, cancelled or timed out, 2: bad input,
    130: left.
    """
    from pilot.launch import Launch, launch

    wanted = None if version is None else version_name(version)
    options = Launch(target, _json_option(input_), data_dir, server, user, wanted)
    raise typer.Exit(launch(options, _mode(plain, as_json)))


@app.command()
def watch(
    execution: Annotated[str, typer.Argument(metavar="EXECUTION", help="An execution's id.")],
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Watch a run from its beginning to its end, as `pilot run` shows it.

    The exit codes are those of `pilot run`.
    """
    from pilot.launch import watch as watch_run

    raise typer.Exit(watch_run(execution, server, data_dir, user, _mode(plain, as_json)))


@app.command()
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
    as_json: AsJson = False,
) -> None:
    """Go on from a run that has ended, in a new one, and show that.

    The nodes that failed are run again, or those to begin at and all below them; the others keep
    what they came to. The exit codes are those of `pilot run`.
    """
    from pilot.launch import retry as retry_run

    wanted = None if version is None else version_name(version)
    mode = _mode(plain, as_json)
    raise typer.Exit(retry_run(execution, begin or (), wanted, server, data_dir, user, mode))


@app.command()
def cancel(
    execution: Annotated[str, typer.Argument(metavar="EXECUTION", help="An execution's id.")],
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Cancel a run."""
    from pilot.launch import open_client

    async def request() -> None:
        async with open_client(server, data_dir, user) as client:
            await client.executions.cancel(execution)

    asyncio.run(request())


add_version_commands(app)
add_approval_commands(app)


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="A workflow's file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the issues as JSON.")] = False,
) -> None:
    """Check a workflow's file, without a server. Exit code 2 where it could not run."""
    from pilot.graph.issues import errors
    from pilot.graph.structure import counted
    from pilot.graph.validate import validate as find_issues
    from pilot.graphfile import describe, parse_graph, read_graph_file
    from pilot.nodes import specs

    graph, issues = parse_graph(read_graph_file(file).body)
    if graph is not None:
        issues = find_issues(graph, specs())
    if as_json:
        bodies = [{k: v for k, v in asdict(issue).items() if v is not None} for issue in issues]
        typer.echo(json.dumps({"issues": bodies}, indent=2, ensure_ascii=False))
    else:
        for issue in issues:
            typer.echo(describe(issue))
        if graph is not None and not issues:
            typer.echo(f"{file}: no issues, {counted(graph, specs()).nodes} nodes")
    raise typer.Exit(BAD_INPUT if errors(issues) else 0)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A document: πlot's, React Flow's, Dify's, n8n's.")],
    format_: Annotated[
        str, typer.Option("--format", help="auto, pilot, reactflow, dify or n8n.")
    ] = "auto",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the workflow's file is written.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print workflow and report as JSON.")
    ] = False,
) -> None:
    """Convert a workflow of another format, without a server; say what could not be carried.

    Nothing of it is executed or fetched. Exit code 1 where something of it must be seen to
    before the workflow can run, 2 where it is no such document.
    """
    from pilot.transfer import import_file

    raise typer.Exit(import_file(file, format_, output, as_json=as_json))


@app.command()
def export(
    target: Annotated[str, typer.Argument(metavar="ID|FILE", help="A workflow's id or file.")],
    format_: Annotated[
        str, typer.Option("--format", help="pilot, reactflow or mermaid.")
    ] = "pilot",
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Print a workflow in a format."""
    from pilot.transfer import export_target

    typer.echo(export_target(target, format_, server, data_dir, user), nl=False)


@app.command()
def graph(
    file: Annotated[Path, typer.Argument(help="A workflow's file.")],
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="As a flowchart in Mermaid's language.")
    ] = True,
) -> None:
    """Draw a workflow's file."""
    from pilot.transfer import export_target

    typer.echo(export_target(str(file), "mermaid", None, DEFAULT_DATA_DIR, "dev"), nl=False)


@app.command()
def token(
    user: User = "dev",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    org: Annotated[
        str | None, typer.Option(help="Act in this organisation instead of for oneself.")
    ] = None,
    role: Annotated[
        Role, typer.Option(help="The role that the user has in the organisation.")
    ] = Role.ADMIN,
) -> None:
    """Print a token of the local development issuer, for the header `Authorization: Bearer`."""
    from pilot.launch import local_token

    typer.echo(local_token(data_dir, user, org=org, role=role))


@app.command()
def migrate(
    supabase: Annotated[
        bool,
        typer.Option(
            "--supabase",
            help="Supabase's schema: printed as SQL, or applied with --database-url.",
        ),
    ] = False,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="Of Supabase's database (its direct connection)."),
    ] = None,
) -> None:
    """Create or upgrade the store's tables (DATABASE_URL, else SQLite in the data folder).

    Where the store is Supabase's API, only looks whether its schema is there.
    """
    from pilot.settings import load_settings

    if supabase:
        from pilot.store.supabase.migrations import apply, script

        if database_url is None:
            typer.echo(script())
            return
        for name in asyncio.run(apply(database_url)):
            typer.echo(f"applied {name}")
        return
    settings = load_settings()
    if settings.uses_supabase and database_url is None:
        from pilot.store.open import open_store

        asyncio.run(_ping(open_store(settings)))
        return
    from pilot.store.migrate import migrate as upgrade

    asyncio.run(upgrade(database_url or settings.store_url))


async def _ping(opening: Awaitable[Store]) -> None:
    store = await opening
    try:
        await store.ping()
    finally:
        await store.close()


@app.command("export-executions")
def export_executions(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, inclusive.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Of this workflow only, by id.")] = None,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Print a user's executions with their nodes and events, as lines of JSON."""
    from pilot.launch import open_client

    async def export() -> None:
        async with open_client(server, data_dir, user) as client:
            found = client.executions.export(
                first=None if first is None else first.date(),
                last=None if last is None else last.date(),
                workflow_id=workflow,
            )
            async for line in found:
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")

    asyncio.run(export())


@app.command()
def forget(
    owner: Annotated[
        str, typer.Argument(metavar="USER", help="The id of a user, or of an organisation.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Begin, and do not wait for the end.")
    ] = False,
) -> None:
    """Delete all that is a user's or an organisation's, for good (for operators).

    Runs that are open are cancelled. A worker does it, and goes on where it was after any crash;
    asked for again while it runs, it is the same deletion. Exit code 1 where it was ended.
    """
    from pilot.forgetting import forget_and_wait
    from pilot.settings import load_settings

    settings = load_settings()
    if not yes:
        typer.confirm(f"Delete all that is {owner}'s, for good?", abort=True)
    found = asyncio.run(forget_and_wait(settings, owner, waits=not no_wait))
    for kind, count in found.deleted.items():
        typer.echo(f"{count} {kind} deleted")
    typer.echo(found.status)
    raise typer.Exit(1 if found.status == "failed" else 0)


@app.command("rotate-keys")
def rotate_keys(
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit code 1 while an old key is in use."),
    ] = False,
) -> None:
    """Seal every stored secret by the newest key of PILOT_ENCRYPTION_KEY.

    May be stopped and run again. Exit code 1 where secrets are left that an old key sealed.
    """
    from pilot.rotation import keys_in_use, rotate_all
    from pilot.settings import load_settings

    settings = load_settings()
    left = asyncio.run((keys_in_use if check else rotate_all)(settings, typer.echo))
    raise typer.Exit(1 if left else 0)


@app.command()
def worker() -> None:
    """Run a worker process, configured by the environment."""
    _become("worker")


@app.command()
def api() -> None:
    """Run the API process, configured by the environment."""
    _become("api")


def _become(module: str) -> None:
    """Replaces this process, so that signals reach the server itself. `-P`: the current
    folder may hold an `api` that is not ours."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module])  # noqa: S606


def _mode(plain: bool, as_json: bool) -> Mode:
    from pilot.progress import Mode

    return Mode.JSON if as_json else Mode.PLAIN if plain else Mode.AUTO


def _json_option(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise PilotError(
            f"--input is not JSON ({error}): a text is written '\"like this\"'",
            code="invalid_input",
        ) from None


def main() -> None:
    """Every failure is one line on stderr; DEBUG=1 shows where it came from."""
    debug = os.environ.get("DEBUG", "").lower() not in ("", "0", "false", "no")
    try:
        app()
    except PilotError as error:
        if debug:
            raise
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        _fail(f"{type(error).__name__}: {error} (DEBUG=1 shows where)")


def _fail(message: str) -> None:
    print(f"pilot: {message}", file=sys.stderr)
    sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
