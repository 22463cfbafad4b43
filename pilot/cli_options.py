"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="PILOT_DATA_DIR", help="The stack's data folder.")
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server", help="The API's address (default: that of `pilot dev` on the data folder)."
    ),
]
User = Annotated[str, typer.Option("--user", help="The user to be.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="A line an event, also where it could be livelier.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the run's events as lines of JSON, nothing else.")
]
DEFAULT_DATA_DIR = Path(".pilot")
