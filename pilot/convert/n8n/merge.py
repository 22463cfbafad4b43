"""n8n's Merge, versions 1 to 3: which of its inputs it needs, and what it makes of them.

https://github.com/n8n-io/n8n/tree/master/packages/nodes-base/nodes/Merge
"""

from __future__ import annotations

from typing import Any, Literal

from pilot.convert.cel import slot
from pilot.convert.n8n.build import Build, N8nNode
from pilot.convert.n8n.views import At, Either, Fields, View

Way = Literal["append", "position", "input", "empty", "fields", "sql"]

_WAYS: dict[str, Way] = {
    # version 1
    "mergeByIndex": "position",
    "multiplex": "position",
    "passThrough": "input",
    "wait": "empty",
    "mergeByKey": "fields",
    "keepKeyMatches": "fields",
    "removeKeyMatches": "fields",
    # versions 2 and 3, of mode `combine`
    "mergeByPosition": "position",
    "combineByPosition": "position",
    "combineAll": "position",
    "mergeByFields": "fields",
    "combineByFields": "fields",
    "combineBySql": "sql",
}
"""By position and all with all: of one item each, both give one with the fields of all."""


def merge(node: N8nNode, build: Build) -> None:
    """A merge that waits as n8n does, and behind it, where that is not yet the output, variables
    that hold the item."""
    way = _way(node)
    inputs = _inputs(node, build)
    if way in ("fields", "sql"):
        what = "by equal fields" if way == "fields" else "by SQL"
        build.placeholder(
            node,
            f"a merge {what} works on lists of items",
            "bring the branches' values together in a code node",
        )
        return
    if way != "append" and len(inputs) < 2:
        build.placeholder(
            node,
            "only one of its inputs is connected: nothing ever comes out of it in n8n",
            "take it out, or connect the other input",
        )
        return
    if way == "append":
        _append(node, build, inputs)
        return
    clash = _clash(node)
    if clash == "addSuffix":
        build.placeholder(
            node,
            "fields that get the input's number as a suffix are not carried",
            "write the fields' names in a variable node",
        )
        return
    # without an item at one of its inputs n8n gives none; so here it is skipped
    waits: dict[str, Any] = {"mode": "n_of", "n": len(inputs)}
    if way == "position" and node.options.get("includeUnpaired"):
        waits = {"mode": "all"}
    if way in ("input", "empty"):
        build.add(node, "merge", waits)
        build.views[node.name] = Fields({}) if way == "empty" else _chosen(node, inputs)
        return
    _combine(node, build, inputs, waits, clash)


def _way(node: N8nNode) -> Way:
    given = node.parameters
    mode = str(given.get("mode") or "append")
    if mode == "chooseBranch":
        return "empty" if given.get("output") == "empty" else "input"
    if mode == "combine":
        mode = str(given.get("combineBy") or given.get("combinationMode") or "combineByFields")
    return _WAYS.get(mode, "append")


def _inputs(node: N8nNode, build: Build) -> dict[int, View]:
    """By input, the view of what comes in."""
    found: dict[int, View] = {}
    for index, names in sorted(build.inputs.get(node.name, {}).items()):
        views = list(dict.fromkeys(build.views[one] for one in names if one in build.views))
        if len(views) > 1:
            build.account.approximated(
                f"several branches lead to its input {index + 1}: n8n runs it once for each, here "
                "it runs once, with the first of them that ran",
                node.source,
                action="give each branch a merge of its own",
            )
        if views:
            found[index] = Either(tuple(views)) if len(views) > 1 else views[0]
    return found


def _append(node: N8nNode, build: Build, inputs: dict[int, View]) -> None:
    if len(inputs) > 1:
        build.account.approximated(
            "n8n gives one item for each branch that ran; here one comes out: that of the first",
            node.source,
            "mode",
            original="append",
            action="where several branches run, read their values by `nodes.<id>.output`",
        )
    build.add(node, "merge", {"mode": "all"})
    views = tuple(dict.fromkeys(inputs.values()))
    if views:
        build.views[node.name] = Either(views) if len(views) > 1 else views[0]


def _chosen(node: N8nNode, inputs: dict[int, View]) -> View:
    wanted = node.parameters.get("useDataOfInput", node.parameters.get("output"))
    digits = "".join(one for one in str(wanted or "") if one.isdigit())
    return inputs.get(int(digits or 1) - 1, next(iter(inputs.values())))


def _clash(node: N8nNode) -> str:
    """`preferLast`, `preferInput<n>` or `addSuffix`."""
    outer = node.options.get("clashHandling")
    values = outer.get("values") if isinstance(outer, dict) else None
    return str(values.get("resolveClash") if isinstance(values, dict) else None)


def _is_deep(node: N8nNode) -> bool:
    outer = node.options.get("clashHandling")
    values = outer.get("values") if isinstance(outer, dict) else None
    return not (isinstance(values, dict) and values.get("mergeMode") == "shallowMerge")


def _combine(
    node: N8nNode, build: Build, inputs: dict[int, View], waits: dict[str, Any], clash: str
) -> None:
    if _is_deep(node):
        build.account.approximated(
            "of fields of one name n8n merges objects into one another; here the later replaces "
            "the earlier",
            node.source,
            "options.clashHandling",
            action="where such fields are objects, merge them by a variable node",
        )
    order = list(inputs)
    preferred = clash.removeprefix("preferInput")
    if preferred.isdigit() and int(preferred) - 1 in inputs:
        order.remove(int(preferred) - 1)
        order.append(int(preferred) - 1)
    if order == list(inputs) and all(_is_output(node, build, index, inputs) for index in inputs):
        build.add(node, "merge", {**waits, "output": "object"})
        return
    build.add(node, "merge", waits)
    first, *rest = [slot(build.whole(inputs[index], node)) for index in order]
    name = node.node_id
    build.after(node, "item", "variable", {"name": node.name[:200], "assignments": {name: first}})
    for one in rest:
        config = {"assignments": {name: one}, "operations": {name: "merge"}}
        build.after(node, "fields", "variable", config)
    build.views[node.name] = build.variable(node)


def _is_output(node: N8nNode, build: Build, index: int, inputs: dict[int, View]) -> bool:
    """Whether the one node that leads to the input gives the item as its output."""
    names, view = build.inputs[node.name][index], inputs[index]
    if len(names) != 1 or not isinstance(view, At):
        return False
    fails_to_it = any(
        wire.source == names[0] and wire.target == node.name
        and build.handles.get((wire.source, wire.output)) == "error"
        for wire in build.wires
    )  # fmt: skip
    return view.place.path == ("nodes", build.exits.get(names[0]), "output") and not fails_to_it
