"""docs/cli.md: every command with its options, from what `--help` says.

`python -m pilot.commands.reference > docs/cli.md`
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from pilot import exits
from pilot.cli import app
from pilot.commands.options import EXAMPLES, PANELS

_HEAD = """\
# The command line

<!-- Made by `python -m pilot.commands.reference > docs/cli.md`; a test compares the two. -->

`pilot --help` lists the commands, `pilot COMMAND --help` explains one, with examples.

## Which server, and as whom

Commands that ask a server ask that of `pilot dev` on the data folder (`--data-dir`, PILOT_DATA_DIR,
[`.pilot`]), or the one that `--server` or PILOT_SERVER names. They are signed in by the first of
these that is there:

| | |
| --- | --- |
| `PILOT_API_KEY` | an API key of that server (`POST /api/v1/api-keys` makes one) |
| `PILOT_TOKEN` | a token: Clerk's, or what `pilot token` prints |
| neither | a token of the data folder's development issuer, as the user of `--user` [dev] |

```sh
export PILOT_SERVER=https://pilot.example.com PILOT_API_KEY=pk_…
pilot list
```

## Exit codes

{exits}

An error is one line on stderr, which says what to do; `DEBUG=1` shows where it came from.

## JSON

With `--json` a command prints JSON on stdout and nothing else (what else there is to say goes to
stderr). What a server is asked for is printed as the API gives it (`docs/openapi.json` has the
shapes): lists are `{{"items": [...], "next_cursor": null}}`, one object is that object. `run`,
`watch` and `retry` print a run's [events](live.md), one a line; `logs` and
`export-executions` print a line of JSON each. Fields are added, never renamed or removed.

## Completion

`pilot --install-completion` sets up bash, zsh, fish or PowerShell (whichever runs), and
`pilot --show-completion` prints what it would add.
"""


BAR = "\\|"
"""A bar inside of a table's cell."""


def pages() -> str:
    root: Any = typer.main.get_command(app)
    exit_codes = inspect.getdoc(exits) or ""
    table = exit_codes[exit_codes.index("| code") :]
    parts = [_HEAD.format(exits=table)]
    commands = root.commands.items()
    for panel in PANELS:
        parts.append(f"## {panel}\n")
        for name, command in commands:
            if command.rich_help_panel == panel:
                parts += _told(f"pilot {name}", command)
    return "\n".join(parts).rstrip() + "\n"


def _told(path: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    yield f"### {path}\n"
    yield inspect.cleandoc(command.help or "").replace(EXAMPLES, "\n\nExamples:\n\n") + "\n"
    if inner is not None:
        for name, one in inner.items():
            yield from _told(f"{path} {name}", one)
        return
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        yield "\n".join(["| | |", "| --- | --- |", *rows]) + "\n"


def _row(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or parameter.name.upper()) if is_argument else parameter.opts[0]
    names = [f"`{name}`", *(f"`{one}`" for one in parameter.opts[1:] if not is_argument)]
    kind = parameter.type_descriptor.annotation
    text = parameter.help or ""
    if isinstance(kind, type) and issubclass(kind, Enum):
        text += f" One of {', '.join(str(one.value) for one in kind)}."
    default = parameter.default
    if default not in (None, False, (), "") and not callable(default) and not parameter.required:
        text += f" [{getattr(default, 'value', default)}]"
    if parameter.envvar:
        text += f" ({parameter.envvar})"
    cells = [", ".join(names), text.strip()]
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


if __name__ == "__main__":
    print(pages(), end="")
