"""`pilot import` and `pilot export`: files from and to other formats, and the report of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pilot.client import Workflow
from pilot.convert.document import Conversion
from pilot.convert.format import EXPORTED, IMPORTED, Format
from pilot.convert.formats import convert, export, parse_document, to_pilot
from pilot.convert.report import Finding, Report
from pilot.errors import PilotError
from pilot.graph.model import Graph
from pilot.graphfile import MAX_FILE_BYTES, FileError, parse_graph, read_graph_file
from pilot.nodes import specs
from pilot.signin import with_client

CARRIED, TO_BE_SEEN_TO = 0, 1
_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}


@dataclass(frozen=True, slots=True)
class Saving:
    """Where a converted workflow is to be saved, and as whose."""

    server: str | None
    data_dir: Path
    user: str

    def save(self, found: Conversion) -> Workflow:
        return with_client(
            self.server,
            self.data_dir,
            self.user,
            lambda client: client.workflows.save(
                found.name, found.graph.to_json(), found.description
            ),
        )


def import_file(
    file: Path, format_: str, output: Path | None, saving: Saving | None = None, *, as_json: bool
) -> int:
    """Converts a file, writes, saves or prints the workflow, and shows the report on stderr."""
    wanted = None if format_ == "auto" else _format(format_, IMPORTED)
    found = convert(_read(file), specs(), wanted)
    body = to_pilot(found.name, found.description, found.graph)
    saved = None if saving is None else saving.save(found)
    if as_json:
        whole: dict[str, Any] = {"workflow": body, "report": _report(found)}
        if saved is not None:
            whole["saved"] = {"id": saved.id, "version": saved.version}
        print(json.dumps(whole, indent=2, ensure_ascii=False))
    elif saved is not None:
        print(f"{saved.name} is saved as workflow {saved.id}, version {saved.version}")
    elif output is None:
        print(json.dumps(body, indent=2, ensure_ascii=False))
    if output is not None:
        output.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not as_json:
        show(found.report, Console(stderr=True))
    errors = [one for one in found.report.findings if one.severity == "error"]
    return TO_BE_SEEN_TO if errors else CARRIED


def export_target(target: str, format_: str, server: str | None, data_dir: Path, user: str) -> str:
    """A file's workflow, else that of the id on the server, as text."""
    wanted = _format(format_, EXPORTED)
    path = Path(target)
    if path.is_file():
        read = read_graph_file(path)
        graph, issues = parse_graph(read.body)
        if graph is None:
            raise FileError(f"{path}: {issues[0].field}: {issues[0].message}")
        return export(wanted, read.name, read.description, graph)

    path_of_it = f"/workflows/{quote(target, safe='')}"
    body = with_client(
        server, data_dir, user, lambda client: client.transport.request("GET", path_of_it)
    )
    return export(wanted, body["name"], body["description"], Graph.model_validate(body))


def show(report: Report, console: Console) -> None:
    """The report as a table: what must be seen to first."""
    console.print(
        f"{report.format}: {len(report.carried)} nodes carried, "
        f"{len(report.approximated)} things approximated, {len(report.dropped)} dropped"
    )
    if not report.findings:
        return
    table = Table(show_lines=False, header_style="bold")
    for column in ("", "node", "field", "what", "what to do", "in the source"):
        table.add_column(column, overflow="fold")
    order = list(_STYLES)
    for one in sorted(report.findings, key=lambda finding: order.index(finding.severity)):
        table.add_row(*_cells(one), style=_STYLES[one.severity])
    console.print(table)


def _cells(one: Finding) -> list[Text]:
    original = (one.original or "").replace("\n", " ")
    texts = (
        one.outcome,
        one.name or "",
        one.field or "",
        one.message,
        one.action or "",
        f"{original:.80}",
    )
    return [Text(text) for text in texts]


def _report(found: Conversion) -> dict[str, Any]:
    return {
        "format": found.report.format,
        "carried": [asdict(one) for one in found.report.carried],
        "approximated": [asdict(one) for one in found.report.approximated],
        "dropped": [asdict(one) for one in found.report.dropped],
    }


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise FileError(f"{file}: larger than {MAX_FILE_BYTES:,} bytes")
        return parse_document(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"{file}: not UTF-8") from None


def _format(name: str, known: tuple[Format, ...]) -> Format:
    for one in known:
        if one.value == name:
            return one
    names = ", ".join(one.value for one in known)
    raise PilotError(f"there is no format {name!r} here: there are {names}", code="unknown_format")
