"""The document: a workflow's nodes and connections as a draft.

It is built twice, as Dify's: only a graph that is there says which of its nodes may be skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilot.convert.cel import Place, literal, slot
from pilot.convert.document import Conversion, NotConvertibleError, named
from pilot.convert.draft import Certainty, Draft
from pilot.convert.n8n import calls, items, merge, models, requests, steps, triggers
from pilot.convert.n8n.build import Build, N8nNode, Wire
from pilot.convert.n8n.level import Level, connect, convert_level
from pilot.convert.n8n.reading import lost, named_nodes, say_what_is_beside, wires_of
from pilot.convert.n8n.regions import LOOP
from pilot.convert.n8n.views import At
from pilot.convert.report import Account, Source
from pilot.graph.spec import Specs

Converter = Callable[[N8nNode, Build], None]

CONVERTERS: Mapping[str, Converter] = {
    "if": steps.if_,
    "filter": steps.filter_,
    "switch": steps.switch,
    "set": steps.set_,
    "merge": merge.merge,
    "wait": steps.wait,
    "respondToWebhook": steps.respond,
    "executeWorkflow": calls.execute_workflow,
    "stopAndError": calls.stop_and_error,
    "splitOut": items.split_out,
    "aggregate": items.aggregate,
    "limit": items.limit,
    "sort": items.sort,
    "httpRequest": requests.http_request,
    "chainLlm": models.chain,
    "agent": models.agent,
    "openAi": models.openai,
}
MAX_STEPS = 200_000
_NOTHING = ("noOp",)
_NOTES = ("stickyNote",)
_TRIGGERS = ("start", "manualTrigger", "webhook", "cron", "interval", "form", "emailReadImap")


def from_n8n(body: Mapping[str, Any], specs: Specs) -> Conversion:
    """Raises `NotConvertibleError`."""
    first = _built(body, Certainty())
    certainty = Certainty.of(first.draft.graph(), specs)
    build = _built(body, certainty)
    name, description = named(body, "n8n")
    return Conversion(name, description, build.draft.graph(), build.account.report())


def _built(body: Mapping[str, Any], certainty: Certainty) -> Build:
    account = Account("n8n")
    draft = Draft()
    start = draft.slugs.new("start", "start")
    nodes = named_nodes(body, draft, account)
    wires, attached = wires_of(body, nodes, account)
    say_what_is_beside(body, account)
    names = {
        "$execution.id": "execution.id",
        "$workflow.name": literal(named(body, "n8n")[0]),
        "$workflow.id": literal(str(body.get("id") or "")),
    }
    hooks = [node for node in nodes.values() if steps.has_webhook(node) and _is(node, "wait")]
    if len(hooks) == 1:
        # n8n's address is the run's; here a wait has its own
        names["$execution.resumeUrl"] = f"hooks.{hooks[0].node_id}"
    build = Build(account, draft, nodes, certainty, names, attached=attached)
    account.approximated(
        "n8n runs a node once for each item; here it runs once, for the one item that there is, "
        "and what follows a node that gives many is a map",
        action="put a Split Out or Loop Over Items behind a node that gives several items",
    )
    plugged = {name for kinds in attached.values() for found in kinds.values() for name in found}
    steps_of = {
        name: node for name, node in nodes.items() if name not in plugged and not _is(node, *_NOTES)
    }
    for wire in wires:
        if wire.source not in steps_of or wire.target not in steps_of:
            lost(wire.source, wire.target, "a note, or a node that is plugged in", account)
    wires = [wire for wire in wires if wire.source in steps_of and wire.target in steps_of]
    wires = _spliced(wires, steps_of, build)
    for node in nodes.values():
        _left_out(node, plugged, build)
    for source, target in dict.fromkeys((wire.source, wire.target) for wire in wires):
        build.before.setdefault(target, []).append(source)
    for wire in wires:
        into = build.inputs.setdefault(wire.target, {}).setdefault(wire.input, [])
        if wire.source not in into:
            into.append(wire.source)
    # an object's fields are merged in the order of the edges: that of the inputs
    build.wires = wires = sorted(wires, key=lambda wire: wire.input)
    _start(start, steps_of, body, build)
    level = convert_level(list(steps_of), wires, build, _step)
    _connect(start, wires, level, build)
    return build


def _kind(node: N8nNode) -> str:
    return node.source.type.rsplit(".", 1)[-1]


def _is(node: N8nNode, *kinds: str) -> bool:
    return _kind(node) in kinds


def _is_trigger(node: N8nNode) -> bool:
    kind = _kind(node)
    return kind in _TRIGGERS or kind.endswith("Trigger")


def _spliced(wires: list[Wire], nodes: Mapping[str, N8nNode], build: Build) -> list[Wire]:
    """Without the nodes that do nothing: what leads to one leads to what follows it."""
    idle = set()
    for node in nodes.values():
        disabled = bool(node.given.get("disabled"))
        if _is_trigger(node) or not (disabled or _is(node, *_NOTHING)):
            continue
        idle.add(node.name)
        why = "it is switched off" if disabled else "it does nothing"
        build.account.approximated(f"{why}, and is left out", node.source, severity="info")
        build.entries[node.name] = build.exits[node.name] = ""
    if not idle:
        return wires
    following: dict[str, list[tuple[str, int]]] = {}
    for wire in wires:
        if wire.source in idle and wire.output == 0:
            following.setdefault(wire.source, []).append((wire.target, wire.input))
        elif wire.source in idle:
            lost(wire.source, wire.target, "a node that is switched off", build.account)
    kept: dict[Wire, None] = {}
    steps = 0
    for wire in wires:
        if wire.source in idle:
            continue
        seen, stack = {wire.target}, [(wire.target, wire.input)]
        while stack:
            steps += 1
            if steps > MAX_STEPS:
                raise NotConvertibleError("too many nodes that do nothing, one behind another")
            target, index = stack.pop()
            if target not in idle:
                kept[Wire(wire.source, wire.output, target, index)] = None
                continue
            more = [one for one in following.get(target, []) if one[0] not in seen]
            seen.update(one for one, _ in more)
            stack.extend(reversed(more))
    return list(kept)


def _left_out(node: N8nNode, plugged: set[str], build: Build) -> None:
    if _is(node, *_NOTES):
        build.account.dropped(
            "notes are not carried",
            node.source,
            original=str(node.parameters.get("content") or ""),
            severity="info",
        )
    elif node.name in plugged and _kind(node) in models.MODELS:
        build.account.approximated(
            "it is part of the node that it is plugged into", node.source, severity="info"
        )
    elif node.name in plugged:
        build.account.dropped(
            "it is plugged into another node, which says what of it is carried",
            node.source,
            original=node.source.type,
            severity="info",
        )


def _start(start: str, nodes: Mapping[str, N8nNode], body: Mapping[str, Any], build: Build) -> None:
    """All triggers are the one start."""
    found = [
        node for node in nodes.values() if _is_trigger(node) and not build.before.get(node.name)
    ]
    kinds = {_kind(node) for node in found}
    config: dict[str, Any] = {"name": found[0].name[:200] if len(found) == 1 else "Start"}
    if len(kinds) == 1 and (inputs := triggers.inputs_of(found[0], _kind(found[0]))):
        config["inputs"] = inputs
    x, y = found[0].position if found else (-200, 0)
    build.draft.add(start, "start", config, (x, y))
    if len(found) > 1:
        build.account.approximated(
            "n8n begins at one of its triggers; here all that follows any of them runs",
            original=", ".join(node.name for node in found),
            action="make a workflow for each trigger, where they lead to different nodes",
        )
    settings = body.get("settings")
    timezone = settings.get("timezone") if isinstance(settings, dict) else None
    for node in found:
        build.entries[node.name] = build.exits[node.name] = start
        build.views[node.name] = At(Place(("nodes", start, "output"), start))
        build.account.carry(Source(node.source.id, node.name, node.source.type, start), "start")
        triggers.report(node, _kind(node), start, timezone, build)


def _step(node: N8nNode, build: Build) -> None:
    build.views.setdefault(node.name, build.own(node))
    converter = CONVERTERS.get(_kind(node))
    if converter is not None:
        converter(node, build)
    elif _is(node, "code", "function", "functionItem"):
        language = str(node.parameters.get("language") or "javaScript")
        build.placeholder(
            node,
            f"code in {language} over n8n's items is not carried",
            "write it as a code node in Python",
        )
    elif _is(node, LOOP):
        build.placeholder(
            node,
            "a loop whose body is entered or left in several places is not carried",
            "lead all of its branches back to it, or write it as a map",
        )
    else:
        build.placeholder(node, f"πlot has no node like n8n's {_kind(node)}")


def _connect(start: str, wires: list[Wire], level: Level, build: Build) -> None:
    draft = build.draft
    outputs = {node["id"] for node in draft.nodes if node["type"] == "output"}
    led_to, leaves = connect(wires, level, build)
    for name in level.nodes:
        entry = build.entries.get(name)
        if entry and entry != start and entry not in led_to:
            draft.connect(start, entry)
            leaves.add(start)
    _ends(leaves, outputs, level.nodes, build)


def _ends(leaves: set[str], outputs: set[str], nodes: Mapping[str, N8nNode], build: Build) -> None:
    """What the last nodes give is what the execution answers."""
    types = {one["id"]: one["type"] for one in build.draft.nodes}
    for node in nodes.values():
        exit_ = build.exits.get(node.name)
        if not exit_ or exit_ in leaves or exit_ in outputs:
            continue
        if types.get(exit_) in (None, "condition", "switch"):
            continue
        leaves.add(exit_)
        output = build.draft.slugs.new("output", "output")
        x, y = node.position
        reader = N8nNode(
            Source(node.source.id, node.name, node.source.type, output), {}, {}, (x, y), 1
        )
        value = slot(build.whole(build.views.get(node.name), reader))
        build.draft.add(output, "output", {"value": value, "key": exit_}, (x + 220, y))
        build.draft.connect(exit_, output)
