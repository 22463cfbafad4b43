"""A workflow in a file, as the canvas exports it: `{"name", "description", "nodes", "edges"}`, and
`timeout_s` where it has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pilot.errors import PilotError
from pilot.graph.issues import Issue
from pilot.graph.model import SETTINGS, Graph

MAX_FILE_BYTES = 5_000_000
"""What the API takes in one request."""


class FileError(PilotError):
    """A file that holds no workflow: not readable, not JSON, not an object."""

    code = "invalid_file"


@dataclass(frozen=True, slots=True)
class GraphFile:
    """The workflow of a file; its name is the file's where it has none of its own."""

    name: str
    description: str
    body: dict[str, Any]


def read_graph_file(path: Path) -> GraphFile:
    """Raises `FileError`, with line and column where the JSON is broken."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileError(f"{path}: larger than {MAX_FILE_BYTES:,} bytes")
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise FileError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"{path}: not JSON: {error}") from None
    if not isinstance(body, dict):
        raise FileError(f"{path}: a workflow is an object with `nodes` and `edges`")
    return GraphFile(
        name=str(body.get("name") or path.stem),
        description=str(body.get("description") or ""),
        body={"nodes": [], "edges": []}
        | {name: body[name] for name in ("nodes", "edges", *SETTINGS) if name in body},
    )


def parse_graph(body: dict[str, Any]) -> tuple[Graph | None, list[Issue]]:
    """The graph, or what its structure lacks (`nodes[2].id`)."""
    try:
        return Graph.model_validate(body), []
    except ValidationError as error:
        return None, [
            Issue("invalid_field", problem["msg"], field=_dotted(problem["loc"]))
            for problem in error.errors(include_url=False, include_context=False)
        ]


def _dotted(path: Iterable[int | str]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def describe(issue: Issue) -> str:
    """An issue as one line: `error  llm_1 config.prompt_template 1:7  unknown name 'x'`."""
    where = []
    if issue.container is not None:
        where.append(f"in {issue.container}:")
    if issue.node_id is not None:
        where.append(issue.node_id)
    if issue.edge is not None:
        handle = f" ({issue.edge.source_handle})" if issue.edge.source_handle else ""
        where.append(f"{issue.edge.source} → {issue.edge.target}{handle}")
    if issue.field is not None:
        where.append(issue.field)
    if issue.line is not None:
        where.append(f"{issue.line}:{issue.column or 1}")
    place = f"{' '.join(where)}: " if where else ""
    return f"{issue.severity}: {place}{issue.message} [{issue.code}]"
