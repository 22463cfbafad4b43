"""What several commands have: options, the panels of `pilot --help`, examples, JSON."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from pilot.errors import PilotError

BEGIN, RUNS, WORKFLOWS, FILES, OPERATING = (
    "Begin here",
    "Runs",
    "Workflows",
    "Files, without a server",
    "For operators",
)
PANELS = (BEGIN, RUNS, WORKFLOWS, FILES, OPERATING)

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="PILOT_DATA_DIR", help="The stack's data folder.")
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="PILOT_SERVER",
        help="The API's address (default: that of `pilot dev` on the data folder).",
    ),
]
User = Annotated[
    str, typer.Option("--user", help="The user to be, of the local development issuer.")
]
Plain = Annotated[
    bool, typer.Option("--plain", help="A line an event, also where it could be livelier.")
]
Events = Annotated[
    bool, typer.Option("--json", help="Print the run's events as lines of JSON, nothing else.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON, the API's own, and nothing else on stdout.")
]
DEFAULT_DATA_DIR = Path(".pilot")

Command = TypeVar("Command", bound=Callable[..., Any])


EXAMPLES = "\n\n\n\n**Examples**\n\n"
"""Before a command's examples. Typer takes the margin off what follows the first paragraph, its
first line not counted: the empty paragraph is that line, or examples below a single one lose it."""


def examples(*lines: str) -> Callable[[Command], Command]:
    """Puts command lines below a command's help. (`tests/test_commands.py` reads each.)"""

    def add(command: Command) -> Command:
        text = inspect.cleandoc(command.__doc__ or "")
        command.__doc__ = text + EXAMPLES + "\n".join(f"    {one}" for one in lines)
        return command

    return add


def print_json(body: Any) -> None:
    typer.echo(json.dumps(body, indent=2, ensure_ascii=False))


def read_json(text: str | None, option: str) -> Any:
    """The value of an option that is JSON. Raises `PilotError`."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise PilotError(
            f"{option} is not JSON ({error}): a text is written '\"like this\"'",
            code="invalid_input",
        ) from None
