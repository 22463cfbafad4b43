"""Workflows and executions at the terminal: tables of many, one of them whole."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pilot.client import ApiError, AsyncClient, Execution, Wait, Workflow
from pilot.events.model import Event, EventType, rfc3339
from pilot.graph.model import SubGraph
from pilot.graphfile import describe
from pilot.launch import as_text
from pilot.tree import LOOKS, RunTree, spent

SEVERITIES = {"error": "red", "warning": "yellow"}


async def find(client: AsyncClient, target: str) -> tuple[str, dict[str, Any]]:
    """The execution or the workflow of that id: which of the two, and its body."""
    for kind in ("executions", "workflows"):
        try:
            return kind, await client.transport.request("GET", f"/{kind}/{quote(target, safe='')}")
        except ApiError as error:
            if error.status not in (404, 422):
                raise
    raise ApiError(
        f"{target}: neither an execution nor a workflow of yours", code="not_found", status=404
    )


async def print_output(client: AsyncClient, execution_id: str, node_id: str | None) -> None:
    """The JSON of an output, as it comes."""
    async for piece in client.executions.output(execution_id, node_id):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.write(b"\n")
    sys.stdout.flush()


def show_list(what: str, body: dict[str, Any]) -> None:
    """`what` is `workflows` or `executions`, `body` a page of them."""
    console = Console(width=_MAX_WIDTH)
    table = Table(header_style="bold", box=None, pad_edge=False)
    columns, row = _KINDS[what]
    for column in columns:
        table.add_column(column)
    for item in body["items"]:
        table.add_row(*row(item))
    console.print(table if body["items"] else f"no {what}")
    if body.get("next_cursor"):
        Console(stderr=True).print(f"there are more: --cursor {body['next_cursor']}", style="dim")


def _workflow_row(body: dict[str, Any]) -> Iterable[Text]:
    one = Workflow.from_json(body)
    published = "offline" if one.publication else "never"
    if one.published_version is not None:
        published = str(one.published_version)
    return (
        Text(one.id, "dim"),
        Text(one.name, "bold"),
        Text(str(one.version)),
        Text(published),
        Text(_moment(one.updated_at)),
    )


def _execution_row(body: dict[str, Any]) -> Iterable[Text]:
    one = Execution.from_json(body)
    mark, style = LOOKS.get(one.status.value, ("", "cyan"))
    took = _took(one)
    return (
        Text(one.id, "dim"),
        Text(f"{mark or '·'} {one.status.value}", style),
        Text(f"{one.workflow_id.partition('-')[0]} ({one.workflow_version})"),
        Text(_moment(one.created_at)),
        Text("" if took is None else f"{took:.2f}s"),
        Text(" ".join(spent(one.usage.tokens, one.usage.cost_usd))),
    )


_MAX_WIDTH = 1_000
"""Of a table, in characters: a row is one line, for `grep` and for whoever copies its id, and a
narrow terminal folds it itself."""
_KINDS = {
    "workflows": (("id", "name", "version", "published", "saved"), _workflow_row),
    "executions": (("id", "status", "workflow", "began", "took", "spent"), _execution_row),
}


def show_execution(body: dict[str, Any]) -> None:
    """Its nodes as `pilot run` shows them, then its error or output."""
    one, console = Execution.from_json(body), Console()
    console.print(Text(f"execution {one.id}", "bold"))
    console.print(f"of workflow {one.workflow_id}, version {one.workflow_version}", highlight=False)
    shown = RunTree()
    shown.begin(one)
    shown.take(
        Event(
            EventType.SNAPSHOT,
            one.id,
            one.workflow_id,
            rfc3339(one.finished_at or datetime.now(UTC)),
            status=one.status.value,
            data=body,
        )
    )
    console.print(shown.draw(height=len(one.nodes)))
    took = _took(one)
    if took is not None:
        console.print(Text(f"took {took:.2f}s", "dim"))
    if one.error is not None:
        where = f" at {one.error.node_id}" if one.error.node_id else ""
        console.print(Text(f"failed{where}: {one.error.message} [{one.error.code}]", "red"))
    if one.output is not None:
        console.print(Text(as_text(one.output)), soft_wrap=True)
    if one.large_output is not None:
        size = f"{one.large_output / 1e6:.1f} MB"
        console.print(Text(f"the output has {size}: pilot show {one.id} --output -", "dim"))
    if one.temporal_url:
        console.print(Text(f"in Temporal: {one.temporal_url}", "dim"), soft_wrap=True)


def show_waits(body: dict[str, Any]) -> None:
    """A line for each node, its webhook's address below it."""
    console = Console()
    for one in map(Wait.from_json, body["items"]):
        line = Text(f"{one.path}.{one.node_id}" if one.path else one.node_id, "bold")
        line.append(f"  {one.kind}", "yellow")
        for detail in (one.signal, one.title):
            if detail is not None:
                line.append(f" {detail}")
        if one.required is not None:
            line.append(f" ({one.approvals} of {one.required})")
        line.append(f"  since {_moment(one.since)}", "dim")
        if one.until is not None:
            line.append(f", until {_moment(one.until)}", "dim")
        line.append(f"  {one.execution_id}", "dim")
        console.print(line, soft_wrap=True)
        if one.url is not None:
            console.print(Text(f"  {one.url}"), soft_wrap=True)
    if not body["complete"]:
        console.print(Text("more may wait: the run could not say all of it", "dim"))


def show_workflow(body: dict[str, Any]) -> None:
    """Its graph as a tree, and its issues."""
    one, console = Workflow.from_json(body), Console()
    console.print(Text(f"{one.name}", "bold").append(f"  {one.id}, version {one.version}", "dim"))
    if one.description:
        console.print(Text(one.description))
    console.print(graph_tree(SubGraph.model_validate(body)))
    for issue in one.issues:
        console.print(Text(describe(issue), SEVERITIES.get(issue.severity, "")))


def graph_tree(graph: SubGraph) -> Tree:
    """What follows what: a node below that which it comes after, and by its id alone where it
    stands already. Below a loop or map stands what it repeats."""
    root = Tree("", hide_root=True)
    nodes = {node.id: node for node in graph.nodes}
    below: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
    targets = set()
    for edge in graph.edges:
        if edge.source in nodes and edge.target in nodes:
            below[edge.source].append((edge.source_handle, edge.target))
            targets.add(edge.target)
    shown: set[str] = set()
    # a stack, since a chain of 1,000 nodes is deeper than Python's calls may be
    waiting: list[tuple[Tree, str | None, str]] = [
        (root, None, node.id) for node in reversed(graph.nodes) if node.id not in targets
    ]
    waiting = waiting or [(root, None, node.id) for node in graph.nodes[:1]]
    while waiting:
        at, handle, node_id = waiting.pop()
        node = nodes[node_id]
        label = f"[dim]{escape(handle)} →[/] " if handle else ""
        label += f"[bold]{escape(node.id)}[/] [dim]({escape(node.type)})[/]"
        if node_id in shown:
            at.add(f"{label} [dim](above)[/]")
            continue
        shown.add(node_id)
        if node.name != node.id:
            label += f"  {escape(node.name)}"
        inner = at.add(label)
        if (body := node.body) is not None:
            repeated = graph_tree(body)
            repeated.hide_root, repeated.label = False, "[dim]repeats[/]"
            inner.add(repeated)
        # where one thing alone follows, it stands at the same depth
        follows = below[node_id]
        place = at if len(follows) == 1 and follows[0][0] is None else inner
        waiting += [(place, *one) for one in reversed(follows)]
    return root


def _took(one: Execution) -> float | None:
    if one.started_at is None:
        return None
    return ((one.finished_at or datetime.now(UTC)) - one.started_at).total_seconds()


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
