"""The command line: `pilot`. Its commands are in `pilot.commands`, a file a group."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pilot import __version__
from pilot.commands import (
    approvals,
    files,
    looking,
    operating,
    running,
    schedules,
    serving,
    versions,
)
from pilot.commands.options import WORKFLOWS
from pilot.errors import PilotError
from pilot.exits import Exit, exit_of, said

HELP = """πlot: AI workflows that survive any crash, on Temporal.

A first run, in two terminals:

    pilot init my-flows && cd my-flows && pilot dev
    cd my-flows && pilot run graph.json --input '{"message": "Hi"}'

Commands that ask a server ask that of `pilot dev` on the data folder (`.pilot`), or the one that
`--server` or PILOT_SERVER names, with the API key in PILOT_API_KEY or the token in PILOT_TOKEN.
`--json` prints JSON on stdout and nothing else. `pilot COMMAND --help` has examples.

Exit codes: 0 done, 1 the run failed or a check found something, 2 bad input, 3 not signed in,
4 no server answers, 130 left by Ctrl-C.
"""

app = typer.Typer(
    name="pilot",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


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


serving.add_first_commands(app)
running.add_run_commands(app)
looking.add_looking_commands(app)
approvals.add_approval_commands(app)
versions.add_version_commands(app)
app.add_typer(schedules.app, name="schedule", rich_help_panel=WORKFLOWS)
files.add_file_commands(app)
serving.add_process_commands(app)
operating.add_operating_commands(app)


def main() -> None:
    """Every failure is one line on stderr; DEBUG=1 shows where it came from."""
    debug = os.environ.get("DEBUG", "").lower() not in ("", "0", "false", "no")
    try:
        app()
    except PilotError as error:
        if debug:
            raise
        _fail(said(error), exit_of(error))
    except KeyboardInterrupt:
        sys.exit(Exit.LEFT)
    except Exception as error:
        if debug:
            raise
        _fail(f"{type(error).__name__}: {error} (DEBUG=1 shows where)", Exit.BAD_INPUT)


def _fail(message: str, code: Exit) -> None:
    print(f"pilot: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
