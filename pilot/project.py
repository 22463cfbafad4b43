"""`pilot init`: a folder to begin with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pilot.convert.formats import to_pilot
from pilot.errors import PilotError
from pilot.gallery import Template, templates, with_companions
from pilot.graph.json_schema import graph_schema
from pilot.graphfile import FileError
from pilot.nodes import specs

GRAPH, SCHEMA = "graph.json", "graph.schema.json"

_ENV = """\
# Read by `pilot dev` and what it starts. Empty: a demo model answers, and says so.
OPENROUTER_API_KEY=
# Encrypts stored secrets and all of Temporal's payloads. `pilot dev` needs none;
# `openssl rand -base64 32` prints one.
PILOT_ENCRYPTION_KEY=
# The URL of a PostgreSQL; empty: SQLite in .pilot.
DATABASE_URL=
"""
_IGNORED = """\
.pilot/
.env
"""
_README = """\
# {name}

A project of πlot. `{graph}` is the workflow, {about}

```sh
pilot dev                                # the whole stack, until Ctrl-C
pilot run {graph} --input '{input}'
```

| | |
| --- | --- |
| `pilot validate {graph}` | every issue, with node and field |
| `pilot graph {graph}` | what follows what; `--svg` and `--mermaid` draw it |
| `pilot list executions` | what has run |
| `pilot show ID` | a run: its nodes, output, error |
| `pilot --help` | everything else |

Editors that know JSON Schema complete and check `{graph}` by `{schema}` beside it. Keys of models
go into `.env`, which stays out of version control. Runs and their data are in `.pilot`.
"""


def make_project(folder: Path, template: str) -> list[Path]:
    """Writes the files and gives their paths, the graph's first. Raises `PilotError` where there
    is no such template, and `FileError`, with nothing written, where one of them exists."""
    texts = _texts(folder.resolve().name or "project", template)
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise FileError(f"{folder} has {', '.join(there)} already: nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise FileError(f"{folder}: {error.strerror}") from None
    return [folder / name for name in texts]


def _texts(name: str, template: str) -> dict[str, str]:
    known = templates()
    if template not in known:
        raise PilotError(
            f"there is no template {template!r}: there are {', '.join(sorted(known))}",
            code="unknown_template",
        )
    *called, chosen = with_companions(known[template])
    sample = json.dumps(chosen.sample_input, ensure_ascii=False).replace("'", "'\\''")
    readme = _README.format(
        name=name,
        graph=GRAPH,
        schema=SCHEMA,
        about=f"{chosen.name}: {chosen.description}",
        input=sample,
    )
    return {
        GRAPH: _graph(chosen),
        **{f"{one.id}.json": _graph(one) for one in called},
        SCHEMA: _json(graph_schema(specs())),
        ".env": _ENV,
        ".gitignore": _IGNORED,
        "README.md": readme,
    }


def _graph(template: Template) -> str:
    body = to_pilot(template.name, template.description, template.graph)
    return _json({"$schema": f"./{SCHEMA}", **body})


def _json(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
