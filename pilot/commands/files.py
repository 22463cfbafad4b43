"""`pilot validate`, `graph`, `import` and `export`."""
# ruff: noqa: PLC0415 (see pilot.commands)

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pilot.commands.options import (
    DEFAULT_DATA_DIR,
    FILES,
    WORKFLOWS,
    DataDir,
    Json,
    Server,
    User,
    examples,
    print_json,
)
from pilot.errors import PilotError
from pilot.exits import Exit

GraphFile = Annotated[Path, typer.Argument(metavar="FILE", help="A workflow's file.")]


def add_file_commands(app: typer.Typer) -> None:
    for command in (validate, graph, schema):
        app.command(rich_help_panel=FILES)(command)
    app.command("import", rich_help_panel=FILES)(import_)
    app.command(rich_help_panel=WORKFLOWS)(export)


@examples("pilot validate graph.json", "pilot validate graph.json --json | jq '.issues[].message'")
def validate(file: GraphFile, as_json: Json = False) -> None:
    """Check a workflow's file, without a server. Exit code 2 where it could not run.

    The files that it calls (`"workflow_id": "file:other.json"`) are checked with it. With --json:
    `{"issues": [{code, severity, message, file?, node_id?, edge?, field?, line?, column?}]}`.
    """
    from pilot.companions import read_with_companions
    from pilot.graph.issues import errors
    from pilot.graph.structure import counted
    from pilot.graph.validate import validate as find_issues
    from pilot.graphfile import describe, parse_graph
    from pilot.nodes import specs

    bodies, failed = [], False
    for name, read in read_with_companions(file).items():
        graph, issues = parse_graph(read.body)
        if graph is not None:
            issues = find_issues(graph, specs())
        of = {} if name == file.name else {"file": name}
        for issue in issues:
            bodies.append(of | {k: v for k, v in asdict(issue).items() if v is not None})
            if not as_json:
                typer.echo(f"{name}: {describe(issue)}" if of else describe(issue))
        if graph is not None and not issues and not as_json:
            count = counted(graph, specs()).nodes
            typer.echo(f"{file.with_name(name)}: no issues, {count} nodes")
        failed |= bool(errors(issues))
    if as_json:
        print_json({"issues": bodies})
    raise typer.Exit(Exit.BAD_INPUT if failed else Exit.DONE)


@examples(
    "pilot graph graph.json",
    "pilot graph graph.json --svg > graph.svg",
    "pilot graph graph.json --mermaid >> README.md",
    "pilot graph graph.json --python > graph.py",
)
def graph(
    file: GraphFile,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="As a flowchart in Mermaid's language.")
    ] = False,
    svg: Annotated[
        bool, typer.Option("--svg", help="As a picture, for browsers and documents.")
    ] = False,
    python: Annotated[
        bool, typer.Option("--python", help="As Python that builds it (docs/build.md).")
    ] = False,
) -> None:
    """Draw a workflow's file: as a tree, or in a language of graphs, on stdout."""
    from pilot.drawing import drawn, show_tree

    languages = {"mermaid": mermaid, "svg": svg, "python": python}
    wanted = [name for name, is_wanted in languages.items() if is_wanted]
    if len(wanted) > 1:
        raise PilotError(f"either --{' or --'.join(wanted)}", code="invalid_input")
    if wanted:
        typer.echo(drawn(file, wanted[0]), nl=False)
    else:
        show_tree(file)


@examples("pilot schema > graph.schema.json")
def schema() -> None:
    """Print the JSON Schema of workflow files, for editors, with every installed node type."""
    from pilot.graph.json_schema import graph_schema
    from pilot.nodes import specs

    print_json(graph_schema(specs()))


@examples(
    "pilot import support.yml --output support.json",
    "pilot import flow.json --format n8n --json",
    "pilot import support.yml --save",
)
def import_(
    file: Annotated[Path, typer.Argument(help="A document: πlot's, React Flow's, Dify's, n8n's.")],
    format_: Annotated[
        str, typer.Option("--format", help="auto, pilot, reactflow, dify or n8n.")
    ] = "auto",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the workflow's file is written.")
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Save it on the server, as the workflow of its name.")
    ] = False,
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
    as_json: Json = False,
) -> None:
    """Convert a workflow of another format; say what could not be carried.

    Nothing of it is executed or fetched, and no server is asked, unless --save is given. Exit
    code 1 where something of it must be seen to before the workflow can run, 2 where it is no
    such document. With --json: `{"workflow", "report": {format, carried, approximated, dropped}}`,
    and the `saved` workflow.
    """
    from pilot.transfer import Saving, import_file

    saving = Saving(server, data_dir, user) if save else None
    raise typer.Exit(import_file(file, format_, output, saving, as_json=as_json))


@examples("pilot export $ID > graph.json", "pilot export graph.json --format mermaid")
def export(
    target: Annotated[str, typer.Argument(metavar="ID|FILE", help="A workflow's id or file.")],
    format_: Annotated[
        str, typer.Option("--format", help="pilot, reactflow or mermaid.")
    ] = "pilot",
    server: Server = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    user: User = "dev",
) -> None:
    """Print a workflow in a format: `pilot` and `reactflow` are JSON."""
    from pilot.transfer import export_target

    typer.echo(export_target(target, format_, server, data_dir, user), nl=False)
