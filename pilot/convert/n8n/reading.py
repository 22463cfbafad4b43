"""What stands in an n8n document: its nodes by name, and the connections between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilot.convert.document import MAX_EDGES, NotConvertibleError, real, rows
from pilot.convert.draft import Draft
from pilot.convert.n8n.build import N8nNode, Wire
from pilot.convert.report import Account, Source


def named_nodes(body: Mapping[str, Any], draft: Draft, account: Account) -> dict[str, N8nNode]:
    nodes: dict[str, N8nNode] = {}
    for node in _nodes(body, draft):
        if node.name not in nodes:
            nodes[node.name] = node
            continue
        account.dropped(
            "another node has its name, by which n8n connects nodes",
            node.source,
            "name",
            original=node.name,
            severity="error",
            action="give it a name of its own, and import again",
        )
    return nodes


def say_what_is_beside(body: Mapping[str, Any], account: Account) -> None:
    """What stands in the document beside nodes and connections."""
    if body.get("pinData"):
        account.dropped(
            "pinned data is not carried",
            field="pinData",
            severity="info",
            action="pin outputs in the canvas while you try the graph",
        )
    settings = body.get("settings")
    if isinstance(settings, dict) and settings.get("errorWorkflow"):
        account.dropped(
            "the workflow that n8n runs after an error is not carried",
            field="settings.errorWorkflow",
            original=str(settings["errorWorkflow"]),
            action="by on_error: branch, lead to what is to be done",
        )


def lost(source: Any, target: Any, why: str, account: Account) -> None:
    account.dropped(
        f"a connection is not carried: it leads from or to {why}",
        field="connections",
        original=f"{source} > {target}",
        action="connect what is meant by hand",
    )


def _nodes(body: Mapping[str, Any], draft: Draft) -> Iterator[N8nNode]:
    for given in rows(body, "nodes"):
        name, kind = str(given.get("name") or ""), str(given.get("type") or "")
        parameters = given.get("parameters")
        at = given.get("position")
        x, y = at if isinstance(at, list) and len(at) == 2 else (0, 0)
        slug = draft.slugs.new(name, kind.rsplit(".", 1)[-1])
        source = Source(str(given.get("id") or name), name, kind, slug)
        version = given.get("typeVersion")
        yield N8nNode(
            source,
            given,
            parameters if isinstance(parameters, dict) else {},
            (real(x, 0), real(y, 0)),
            real(version, 1),
        )


def wires_of(
    body: Mapping[str, Any], nodes: Mapping[str, N8nNode], account: Account
) -> tuple[list[Wire], dict[str, dict[str, list[str]]]]:
    """The connections of items, and what is plugged into AI nodes."""
    wires: list[Wire] = []
    attached: dict[str, dict[str, list[str]]] = {}
    connections = body.get("connections")
    for source, kinds in (connections if isinstance(connections, dict) else {}).items():
        if source not in nodes or not isinstance(kinds, dict):
            lost(source, "?", "a node that is not there", account)
            continue
        for kind, outputs in kinds.items():
            for output, targets in enumerate(outputs if isinstance(outputs, list) else []):
                for one in targets if isinstance(targets, list) else []:
                    target = str(one.get("node")) if isinstance(one, dict) else ""
                    if not isinstance(one, dict) or target not in nodes:
                        lost(source, target or "?", "a node that is not there", account)
                        continue
                    if kind == "main":
                        index = one.get("index")
                        index = index if isinstance(index, int) else 0
                        wires.append(Wire(source, output, target, index))
                    else:
                        attached.setdefault(target, {}).setdefault(kind, []).append(source)
        if len(wires) > MAX_EDGES:
            raise NotConvertibleError(f"more than {MAX_EDGES:,} connections")
    return wires, attached
