"""Nodes and connections of one level: of the graph, or of a map's body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pilot.convert.cel import Place, slot
from pilot.convert.draft import Draft
from pilot.convert.n8n.build import Build, N8nNode, Wire
from pilot.convert.n8n.regions import Plan, Region, in_order, plan
from pilot.convert.n8n.views import At, Either, Fields, Items, View
from pilot.convert.report import Source

Step = Callable[[N8nNode, Build], None]

_MANY_OR_ONE = ("http", "workflow")
"""Types whose output n8n takes as many items where it is a list."""


@dataclass(slots=True)
class Level:
    """What stands at the level: its nodes by name, and the maps that were put behind some of
    them; by a node's name what stands for it here."""

    nodes: dict[str, N8nNode]
    owner: dict[str, str]


def convert_level(
    names: Sequence[str], wires: Sequence[Wire], build: Build, step: Step, depth: int = 0
) -> Level:
    """Converts the nodes of a level, and what runs for each of many items as maps."""
    found = plan(names, wires, build.nodes, depth)
    level = Level({name: build.nodes[name] for name in found.level}, {})
    eaches: dict[str, Region] = {}
    for region in found.eaches:
        each = _each_node(region, build)
        eaches[each.name] = region
        level.nodes[each.name] = each
        level.owner |= dict.fromkeys(region.members, each.name)
    for head, region in found.loops.items():
        level.owner |= dict.fromkeys(region.members, head)
    keys = [name for name in level.nodes if name not in level.owner]
    for name in in_order(keys, _outer(wires, level)):
        if name in eaches:
            _each(level.nodes[name], eaches[name], wires, build, step, depth)
        elif name in found.loops:
            _loop(build.nodes[name], found.loops[name], wires, build, step, depth)
        elif name not in build.entries:
            _single(build.nodes[name], found, build, step)
    level.nodes = {name: level.nodes[name] for name in keys}
    return level


def _outer(wires: Sequence[Wire], level: Level) -> list[Wire]:
    """The connections between what stands at the level."""
    found = []
    for wire in wires:
        source = level.owner.get(wire.source, wire.source)
        target = level.owner.get(wire.target, wire.target)
        if source != target:
            found.append(Wire(source, wire.output, target, wire.input))
    return found


def _single(node: N8nNode, found: Plan, build: Build, step: Step) -> None:
    head = found.open.get(node.name)
    if head is None:
        step(node, build)
        return
    build.placeholder(
        node,
        f"n8n runs it once for each item of {head!r}, and what follows that is not closed: it "
        "is entered or left in several places, or holds a node that takes all items",
        "put what runs for each item into a map, by hand",
    )
    build.views[node.name] = Items(build.own(node))


def _each_node(region: Region, build: Build) -> N8nNode:
    """A name of its own for the map behind a node; a line break is in no name of n8n's."""
    head = build.nodes[region.head]
    x, y = head.position
    node_id = build.draft.slugs.new(f"{head.node_id} each", "each")
    source = Source(head.source.id, f"{head.name}\n{node_id}", head.source.type, node_id)
    return N8nNode(source, {}, {}, (x + 110, y), head.version)


def _each(
    each: N8nNode, region: Region, wires: Sequence[Wire], build: Build, step: Step, depth: int
) -> None:
    head = build.nodes[region.head]
    outside = build.views.get(region.head)
    items = slot(build.whole(outside, each))
    body = _body(region, wires, build, step, depth)
    if outside is not None:
        build.views[region.head] = outside
    build.account.approximated(
        "n8n runs each node that follows for all items before the next one; here each item goes "
        "through them by itself, ten at once",
        head.source,
        severity="info",
        action="set `parallelism` to 1 where their order matters",
    )
    config = {"name": f"{head.name}: each"[:200], "items": items, "body": body}
    build.draft.add(each.node_id, "map", config, each.position)
    build.entries[each.name] = build.exits[each.name] = each.node_id
    given = _kept(each, region, build)
    build.views[each.name] = given
    for name, _ in region.exits:
        build.views[name] = given


def _loop(
    node: N8nNode, region: Region, wires: Sequence[Wire], build: Build, step: Step, depth: int
) -> None:
    """Loop Over Items: its items one after another, and then what came back of them."""
    before = [one for one in build.before.get(node.name, []) if one not in set(region.members)]
    build.before[node.name] = before
    items = _items(node, build)
    body = _body(region, wires, build, step, depth)
    if region.ends_early:
        build.account.approximated(
            "n8n's loop stops at an item whose branch does not lead back to it; here the others "
            "go on, and it is left out",
            node.source,
            action="lead every branch back to the loop",
        )
    size = node.parameters.get("batchSize", 1 if node.version >= 3 else 10)
    if size != 1:
        build.account.approximated(
            f"n8n takes {size} items at a time; here they go through one by one",
            node.source,
            "batchSize",
            original=str(size),
            severity="info",
            action="set `parallelism` where they may run side by side",
        )
    build.views[node.name] = build.own(node)
    build.add(node, "map", {"items": items, "parallelism": 1, "body": body})
    build.views[node.name] = _kept(node, region, build)


def _kept(node: N8nNode, region: Region, build: Build) -> Items:
    """The items that came to an end: those that did not have none in n8n."""
    if not region.ends_early:
        return Items(build.own(node))
    source = "def main(input):\n    return [item for item in input if item is not None]\n"
    return Items(build.own_of(build.after(node, "items", "code", {"source": source})))


def _items(node: N8nNode, build: Build) -> str:
    """The list of the items that come in."""
    view = build.through(node)
    whole = build.whole(view, node)
    if isinstance(view, Items):
        return slot(whole)
    if isinstance(view, At) and view.place.setter is not None:
        types = {one["id"]: one["type"] for one in build.draft.nodes}
        kind = types.get(view.place.setter, "")
        if kind in _MANY_OR_ONE or ":" in kind:
            return slot(f"type({whole}) == list ? {whole} : [{whole}]")
    return slot(f"[{whole}]")


def _body(
    region: Region, wires: Sequence[Wire], build: Build, step: Step, depth: int
) -> dict[str, Any]:
    """The region as a map's body, in which the head's item is `item`."""
    inner = set(region.members)
    build.views[region.head] = At(Place(("item",)))
    body = replace(build, draft=Draft(slugs=build.draft.slugs))
    within = [wire for wire in wires if wire.source in inner and wire.target in inner]
    level = convert_level(region.members, within, body, step, depth + 1)
    connect(within, level, body)
    ends = list(region.exits) or [
        (name, 0) for name in level.nodes if name not in {wire.source for wire in within}
    ]
    head = build.nodes[region.head]
    output = build.draft.slugs.new(f"{head.node_id} item", "item")
    reader = N8nNode(replace(head.source, node_id=output), {}, {}, (0, 0), 1)
    views = dict.fromkeys(
        body.views[name] for name, _ in ends if name in body.views and body.exits.get(name)
    )
    view: View | None = Either(tuple(views)) if len(views) > 1 else next(iter(views), Fields({}))
    body.draft.add(output, "output", {"value": slot(body.whole(view, reader))}, (400, 0))
    for name, index in ends:
        key = level.owner.get(name, name)
        exit_ = body.exits.get(key)
        handle = None if key != name else body.handles.get((name, index))
        if exit_:
            body.draft.connect(body.entries[key] if handle == "error" else exit_, output, handle)
    for name in inner:
        # outside of the map nothing of it is to be read but what it gives
        build.views.pop(name, None)
    return {"nodes": body.draft.nodes, "edges": body.draft.edges}


def connect(wires: Sequence[Wire], level: Level, build: Build) -> tuple[set[str], set[str]]:
    """The edges of a level; gives the nodes that they lead to, and those that they leave."""
    draft = build.draft
    outputs = {node["id"] for node in draft.nodes if node["type"] == "output"}
    led_to: set[str] = set()
    leaves: set[str] = set()
    for wire in wires:
        key = level.owner.get(wire.source, wire.source)
        to = level.owner.get(wire.target, wire.target)
        source, target = build.exits.get(key), build.entries.get(to)
        if key == to or not source or not target:
            continue
        led_to.add(target)
        if source in outputs:
            # an answer ends here; what follows it follows what stands before it
            for name in build.before.get(wire.source, []):
                before = build.exits.get(level.owner.get(name, name))
                if before:
                    draft.connect(before, target)
            continue
        handle = build.handles.get((wire.source, wire.output)) if key == wire.source else None
        if handle == "error":
            source = build.entries[key]
        leaves.add(source)
        draft.connect(source, target, handle)
        if key == wire.source and (wire.source, wire.output) in build.also:
            draft.connect(source, target, build.also[wire.source, wire.output])
    return led_to, leaves
