"""What is different between two graphs, told as a canvas tells it: nodes, edges, settings.

A node is known by its id, an edge by where it leads from and to; where a draft has several of the
same, they are taken in their order. Inside an item the difference is told value by value, each at
its JSON Pointer (RFC 6901); the graph inside a loop or a map is compared as a graph. What only a
canvas sees (positions, sizes, fields that πlot does not know) stands apart. `apply` takes one graph
to the other, exactly: a difference leaves out nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

from pilot.graph.model import Node
from pilot.graph.spec import BODY

Json: TypeAlias = dict[str, Any]


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""No value: what was added has no old one, what was removed has no new one."""

POSITION = "position"
LISTS = ("nodes", "edges")


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is another, at `path`. In a list the items are told apart by their index."""

    path: str
    old: Any = MISSING
    new: Any = MISSING


@dataclass(frozen=True, slots=True)
class Placed:
    """A node or an edge that only one of the two graphs has, and its place in that one's list."""

    index: int
    value: Json


@dataclass(frozen=True, slots=True)
class ItemChange:
    """A node or an edge that both have. `index` is its place in the first graph, `value` what it
    is in the second. `cosmetic` says nothing that a run would notice; `body` is the difference of
    the graphs in it, None where it has none in one of the two, or the same."""

    index: int
    value: Json
    changes: tuple[Change, ...]
    cosmetic: tuple[Change, ...]
    body: GraphDiff | None = None

    @property
    def is_seen(self) -> bool:
        """Whether a run would notice, in it or in its body, whose own settings none knows."""
        return bool(self.changes) or (self.body is not None and self.body.is_seen)


@dataclass(frozen=True, slots=True)
class ItemsDiff:
    """`order`: of the items that both have, in the second graph's order, their rank in the first's;
    None where it is the same."""

    added: tuple[Placed, ...] = ()
    removed: tuple[Placed, ...] = ()
    changed: tuple[ItemChange, ...] = ()
    order: tuple[int, ...] | None = None

    @property
    def is_seen(self) -> bool:
        return bool(self.added or self.removed) or any(one.is_seen for one in self.changed)


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """`settings` are the differences in all that is neither a node nor an edge."""

    nodes: ItemsDiff = field(default_factory=ItemsDiff)
    edges: ItemsDiff = field(default_factory=ItemsDiff)
    settings: tuple[Change, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == GraphDiff()

    @property
    def is_cosmetic(self) -> bool:
        """Nothing is different that a run would notice."""
        return not (self.settings or self.is_seen)

    @property
    def is_seen(self) -> bool:
        """Whether a run would notice the nodes and edges. The order of edges it does (it decides
        which of two parallel branches sets a variable), that of nodes it does not."""
        return self.edges.order is not None or self.nodes.is_seen or self.edges.is_seen


def diff(old: Json, new: Json) -> GraphDiff:
    """The difference between two graphs' JSON (`Graph.to_json`), in time linear in their sizes.

    It is empty where their canonical JSON is the same, and only there: `1`, `1.0` and `true` are
    three values.
    """
    return GraphDiff(
        nodes=_items(old, new, "nodes", _node_key, _is_seen_of_node),
        edges=_items(old, new, "edges", _edge_key, _is_seen_of_edge),
        settings=tuple(_changes(_settings(old), _settings(new))),
    )


def apply(difference: GraphDiff, graph: Json) -> Json:
    """The second graph of `difference`, made from the first, which is left as it is."""
    patched = _patched(_settings(graph), difference.settings)
    for name, items in (("nodes", difference.nodes), ("edges", difference.edges)):
        patched[name] = _applied(items, graph.get(name, []))
    return patched


def _settings(graph: Json) -> Json:
    return {name: value for name, value in graph.items() if name not in LISTS}


# nodes and edges


def _node_key(node: Json) -> Hashable:
    return str(node["id"])


def _edge_key(edge: Json) -> Hashable:
    return edge["source"], edge.get("source_handle"), edge["target"]


_DEFAULTS = {
    name: about.get_default(call_default_factory=True)
    for name, about in Node.model_fields.items()
    if name != POSITION and not about.is_required()
}
_NODE_FIELDS = {*Node.model_fields} - {POSITION}


def _is_seen_of_node(change: Change) -> bool:
    """Whether a run would notice. One that says the default aloud means what one without does."""
    name = change.path.split("/", 2)[1]
    if change.path == f"/{name}" and MISSING in (change.old, change.new):
        said = change.new if change.old is MISSING else change.old
        return name in _NODE_FIELDS and not (name in _DEFAULTS and said == _DEFAULTS[name])
    return name in _NODE_FIELDS


def _is_seen_of_edge(_: Change) -> bool:
    """What else an edge has than where it leads is the canvas's own."""
    return False


def _items(
    old: Json,
    new: Json,
    name: str,
    key_of: Callable[[Json], Hashable],
    is_seen: Callable[[Change], bool],
) -> ItemsDiff:
    before, after = old.get(name, []), new.get(name, [])
    keys_before, keys_after = _keys(before, key_of), _keys(after, key_of)
    place_after = {key: index for index, key in enumerate(keys_after)}
    place_before = {key: index for index, key in enumerate(keys_before)}
    kept = [key for key in keys_before if key in place_after]
    rank = {key: number for number, key in enumerate(kept)}
    order = tuple(rank[key] for key in keys_after if key in rank)
    changed = []
    for key in kept:
        index, value = place_before[key], after[place_after[key]]
        was, now, body = _with_bodies_apart(before[index], value)
        changes = _changes(was, now)
        if changes or body is not None:
            seen = tuple(change for change in changes if is_seen(change))
            cosmetic = tuple(change for change in changes if not is_seen(change))
            changed.append(ItemChange(index, value, seen, cosmetic, body))
    return ItemsDiff(
        added=_only(after, keys_after, place_before),
        removed=_only(before, keys_before, place_after),
        changed=tuple(changed),
        order=None if order == tuple(range(len(order))) else order,
    )


def _with_bodies_apart(old: Json, new: Json) -> tuple[Json, Json, GraphDiff | None]:
    """Both without their bodies where each has one, and what is different in those."""
    bodies = [_body(item) for item in (old, new)]
    if not all(_is_graph(body) for body in bodies):
        return old, new, None
    found = diff(*bodies)
    return _bare(old), _bare(new), None if found.is_empty else found


def _body(item: Json) -> Any:
    config = item.get("config")
    return config.get(BODY) if isinstance(config, dict) else None


def _bare(item: Json) -> Json:
    config = {name: value for name, value in item["config"].items() if name != BODY}
    return {**item, "config": config}


def _is_graph(value: Any) -> bool:
    """Whether it can be compared as a graph: what a node's configuration holds is of any shape."""
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), list) for name in LISTS)
        and all(_has_texts(node, "id") for node in value["nodes"])
        and all(_has_texts(edge, "source", "target") for edge in value["edges"])
        and all(isinstance(edge.get("source_handle"), str | None) for edge in value["edges"])
    )


def _has_texts(item: Any, *names: str) -> bool:
    return isinstance(item, dict) and all(isinstance(item.get(name), str) for name in names)


def _keys(items: Sequence[Json], key_of: Callable[[Json], Hashable]) -> list[Hashable]:
    """Of each item its key, and how many before it have the same."""
    seen: Counter[Hashable] = Counter()
    keys: list[Hashable] = []
    for item in items:
        key = key_of(item)
        keys.append((key, seen[key]))
        seen[key] += 1
    return keys


def _only(
    items: Sequence[Json], keys: Sequence[Hashable], others: dict[Hashable, int]
) -> tuple[Placed, ...]:
    return tuple(Placed(index, items[index]) for index, key in enumerate(keys) if key not in others)


def _applied(items: ItemsDiff, before: Sequence[Json]) -> list[Json]:
    removed = {one.index for one in items.removed}
    changed = {one.index: one for one in items.changed}
    kept = [
        _changed(item, changed.get(index))
        for index, item in enumerate(before)
        if index not in removed
    ]
    if items.order is not None:
        kept = [kept[rank] for rank in items.order]
    for one in items.added:  # by index, so each comes to stand where it stood
        kept.insert(one.index, deepcopy(one.value))
    return kept


def _changed(item: Json, change: ItemChange | None) -> Json:
    if change is None:
        return deepcopy(item)
    patched = _patched(item, (*change.changes, *change.cosmetic))
    if change.body is not None:
        patched["config"][BODY] = apply(change.body, item["config"][BODY])
    return patched


# values


def _changes(old: Any, new: Any) -> list[Change]:
    found: list[Change] = []
    left: list[tuple[str, Any, Any]] = [("", old, new)]
    while left:
        path, old, new = left.pop()
        if isinstance(old, dict) and isinstance(new, dict):
            names = [*old, *(name for name in new if name not in old)]
            left += [
                (f"{path}/{_escaped(name)}", old.get(name, MISSING), new.get(name, MISSING))
                for name in reversed(names)
            ]
        elif isinstance(old, list) and isinstance(new, list):
            left += [
                (f"{path}/{index}", _at(old, index), _at(new, index))
                for index in reversed(range(max(len(old), len(new))))
            ]
        elif not _is_same(old, new):
            found.append(Change(path, old, new))
    return found


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else MISSING


def _is_same(old: Any, new: Any) -> bool:
    # by their texts: in Python 0.0 and -0.0 are equal, in JSON they are two
    return type(old) is type(new) and (
        old == new if isinstance(old, str) else repr(old) == repr(new)
    )


def _patched(value: Json, changes: Iterable[Change]) -> Json:
    patched = deepcopy(value)
    removed = []
    for change in changes:
        if change.new is MISSING:
            removed.append(change)
            continue
        container, name = _found(patched, change.path)
        if isinstance(container, list) and name == len(container):
            container.append(deepcopy(change.new))
        else:
            container[name] = deepcopy(change.new)
    for change in reversed(removed):  # a list loses its last items first
        container, name = _found(patched, change.path)
        del container[name]
    return patched


def _found(value: Any, path: str) -> tuple[Any, Any]:
    """What holds the value at a path, and under which name or index."""
    *way, last = (_unescaped(token) for token in path.split("/")[1:])
    for token in way:
        value = value[int(token) if isinstance(value, list) else token]
    return value, int(last) if isinstance(value, list) else last


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")
