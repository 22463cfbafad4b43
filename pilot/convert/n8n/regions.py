"""Which nodes of an n8n workflow run once for each of many items, and become a map.

A loop is closed when its body is entered from its head alone and leads back to it alone. What
follows a node that gives many items runs for each of them, up to a node that takes all items at
once; as a map it must be entered from that node alone, and left by one of its nodes at most.
https://docs.n8n.io/flow-logic/looping/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilot.convert.n8n.build import N8nNode, Wire

MAX_NESTED = 5
"""As deep as a graph may nest bodies."""
MAX_STEPS = 1_000_000
"""So many connections are followed in search of loops; after that the rest are left as they are."""

LOOP = "splitInBatches"
GIVE_MANY = ("splitOut", "limit", "sort", LOOP)
TAKE_ALL = ("aggregate", "limit", "sort", LOOP, "respondToWebhook")
_NOT_PER_ITEM = ("splitOut", "wait", "stopAndError", "summarize", "removeDuplicates", "itemLists")
"""Other nodes that do not do the same for one item as for all of them."""


@dataclass(frozen=True, slots=True)
class Region:
    """Nodes that run for each item that the head gives. `exits` are those whose items go on, each
    with the output that they leave by; none: the region ends in itself."""

    head: str
    members: tuple[str, ...]
    exits: tuple[tuple[str, int], ...]
    ends_early: bool
    """Whether an item may come to no end of it."""


@dataclass(slots=True)
class Plan:
    """Of one level: its nodes, its loops by their head, and the regions behind other nodes. The
    nodes that would run for each item of one that is not closed are `open`, with its head."""

    level: list[str] = field(default_factory=list)
    loops: dict[str, Region] = field(default_factory=dict)
    eaches: list[Region] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)


def kind_of(node: N8nNode) -> str:
    return node.source.type.rsplit(".", 1)[-1]


def loop_outputs(node: N8nNode) -> tuple[int, int]:
    """The indexes of a loop's outputs: for its items, and for when it is done."""
    return (1, 0) if node.version >= 3 else (0, 1)


def plan(
    names: Sequence[str], wires: Sequence[Wire], nodes: Mapping[str, N8nNode], depth: int
) -> Plan:
    found = Plan()
    leaving: dict[str, list[Wire]] = {}
    entering: dict[str, list[Wire]] = {}
    for wire in wires:
        leaving.setdefault(wire.source, []).append(wire)
        entering.setdefault(wire.target, []).append(wire)
    inside: dict[str, str] = {}
    if depth < MAX_NESTED:
        heads = [name for name in names if kind_of(nodes[name]) == LOOP]
        regions = _loops(heads, nodes, leaving, entering)
        for region in sorted(regions, key=lambda one: -len(one.members)):
            # the outer one first: what lies in it is planned with it
            if region.head not in inside and not any(one in inside for one in region.members):
                found.loops[region.head] = region
                inside |= dict.fromkeys(region.members, region.head)
    found.level = [name for name in names if name not in inside]
    outer = [wire for wire in wires if wire.source not in inside and wire.target not in inside]
    _eaches(found, outer, nodes, leaving, depth)
    return found


def _loops(
    heads: Iterable[str],
    nodes: Mapping[str, N8nNode],
    leaving: Mapping[str, list[Wire]],
    entering: Mapping[str, list[Wire]],
) -> list[Region]:
    found: list[Region] = []
    steps = 0
    for head in heads:
        loop, _ = loop_outputs(nodes[head])
        body: dict[str, None] = {}
        waiting = [wire.target for wire in leaving.get(head, []) if wire.output == loop]
        while waiting and steps < MAX_STEPS:
            name = waiting.pop()
            if name == head or name in body:
                continue
            body[name] = None
            steps += len(leaving.get(name, [])) + 1
            waiting += [wire.target for wire in leaving.get(name, [])]
        if steps >= MAX_STEPS:
            return found
        region = _closed(nodes[head], body, nodes, leaving, entering)
        if region is not None:
            found.append(region)
    return found


def _closed(
    head: N8nNode,
    body: Mapping[str, None],
    nodes: Mapping[str, N8nNode],
    leaving: Mapping[str, list[Wire]],
    entering: Mapping[str, list[Wire]],
) -> Region | None:
    loop, _ = loop_outputs(head)
    back = [wire for name in body for wire in leaving.get(name, []) if wire.target == head.name]
    entered = all(
        wire.source in body or (wire.source == head.name and wire.output == loop)
        for name in body
        for wire in entering.get(name, [])
    )
    # an item of a batch is a run of the body here, so nothing in it may look at the whole batch
    size = head.parameters.get("batchSize", 1 if head.version >= 3 else 10)
    together = (*TAKE_ALL, *_NOT_PER_ITEM, "merge", "code", "executeWorkflow")
    whole = ("respondToWebhook",) if size == 1 else together
    if not back or not entered or head.options.get("reset"):
        return None
    if any(kind_of(nodes[name]) in whole for name in body):
        return None
    exits = tuple(dict.fromkeys((wire.source, wire.output) for wire in back))
    return Region(
        head.name, tuple(body), exits, _ends_early(body, {one for one, _ in exits}, nodes, leaving)
    )


def _ends_early(
    members: Iterable[str],
    exits: set[str],
    nodes: Mapping[str, N8nNode],
    leaving: Mapping[str, list[Wire]],
) -> bool:
    for name in members:
        outputs = {wire.output for wire in leaving.get(name, [])}
        match kind_of(nodes[name]):
            case "filter" | "switch":
                return True
            case "if" if outputs != {0, 1}:
                return True
            case _ if not outputs and name not in exits:
                return True
    return False


def _eaches(
    found: Plan,
    wires: Sequence[Wire],
    nodes: Mapping[str, N8nNode],
    leaving: Mapping[str, list[Wire]],
    depth: int,
) -> None:
    """In the order of the connections: a node belongs to the region that leads to it."""
    region_of: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    broken: set[str] = set()
    into: dict[str, list[Wire]] = {}
    for wire in wires:
        into.setdefault(wire.target, []).append(wire)
    for name in in_order(found.level, wires):
        kind = kind_of(nodes[name])
        heads = {head for wire in into.get(name, []) if (head := _head(wire, nodes, region_of))}
        if not heads or kind in TAKE_ALL:
            continue
        alone = all(_head(wire, nodes, region_of) for wire in into[name])
        if len(heads) > 1 or not alone or not _is_per_item(nodes[name], kind):
            broken |= heads
        head = min(heads)
        region_of[name] = head
        members.setdefault(head, []).append(name)
    for head, names in members.items():
        inner = set(names)
        exits = tuple(
            dict.fromkeys(
                (wire.source, wire.output)
                for wire in wires
                if wire.source in inner and wire.target not in inner
            )
        )
        loops_in_it = any(name in found.loops for name in names)
        if head in broken or len(exits) > 1 or depth >= MAX_NESTED or loops_in_it:
            found.open |= dict.fromkeys(names, head)
            continue
        early = _ends_early(names, {one for one, _ in exits}, nodes, leaving)
        leaves = [one for one in names if not leaving.get(one)]
        if not exits and len(leaves) == 1:
            early = _ends_early(names, set(leaves), nodes, leaving)
        found.eaches.append(Region(head, tuple(names), exits, early))


def _head(wire: Wire, nodes: Mapping[str, N8nNode], region_of: Mapping[str, str]) -> str | None:
    """The node whose items a connection carries one by one."""
    if wire.source in region_of:
        return region_of[wire.source]
    source = nodes[wire.source]
    kind = kind_of(source)
    if kind not in GIVE_MANY or (kind == LOOP and wire.output != loop_outputs(source)[1]):
        return None
    return wire.source


def _is_per_item(node: N8nNode, kind: str) -> bool:
    match kind:
        case "merge":
            return str(node.parameters.get("mode") or "append") == "append"
        case "executeWorkflow":
            return bool(node.parameters.get("mode") == "each")
        case "code":
            return bool(node.parameters.get("mode") == "runOnceForEachItem")
    return kind not in _NOT_PER_ITEM


def in_order(names: Sequence[str], wires: Iterable[Wire]) -> list[str]:
    """Sources before targets. Nodes on a cycle come last, in their own order."""
    waiting = dict.fromkeys(names, 0)
    targets: dict[str, list[str]] = {}
    for wire in wires:
        waiting[wire.target] += 1
        targets.setdefault(wire.source, []).append(wire.target)
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:
        for target in targets.get(name, []):
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    done = set(ready)
    return [*ready, *(name for name in names if name not in done)]
