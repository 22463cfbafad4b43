"""Versions and their differences at the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pilot.client import Version, VersionsDiff
from pilot.client.versions import ItemsDiff
from pilot.graph.diff import MISSING, Change

MAX_TEXT = 100
"""Of a value, in characters; what is longer is cut."""
ADDED, REMOVED, CHANGED = "green", "red", "yellow"


def show_versions(bodies: Iterable[dict[str, Any]]) -> None:
    table = Table(header_style="bold")
    for column in ("version", "name", "saved", "by", "published", "by", "note"):
        table.add_column(column, overflow="fold")
    for one in map(Version.from_json, bodies):
        table.add_row(*map(Text, _cells(one)), style="bold green" if one.is_published else "")
    Console().print(table)


def _cells(one: Version) -> Iterator[str]:
    yield f"{one.version}{' (published)' if one.is_published else ''}"
    yield one.name
    yield f"{one.created_at:%Y-%m-%d %H:%M}"
    yield one.created_by or ""
    yield "" if one.published_at is None else f"{one.published_at:%Y-%m-%d %H:%M}"
    yield one.published_by or ""
    yield one.note or ""


def show_diff(body: dict[str, Any], is_cosmetic_shown: bool) -> None:
    console = Console(soft_wrap=True)
    for line in lines(VersionsDiff.from_json(body), is_cosmetic_shown):
        console.print(line)


def lines(found: VersionsDiff, is_cosmetic_shown: bool) -> Iterator[Text]:
    """The difference as text, a line for each thing."""
    yield Text(f"version {found.from_version} → {found.to_version}", "bold")
    if found.is_same:
        yield Text("no difference")
        return
    yield from map(_change, found.settings)
    for items in (found.items, *found.bodies):
        told = [*_items(items), *(_cosmetic(items) if is_cosmetic_shown else ())]
        if told and items.container:
            yield Text(f"inside {items.container}:", "bold")
        yield from told
    if found.is_cosmetic and not is_cosmetic_shown:
        yield Text("nothing that a run would notice (--cosmetic shows the rest)")


def _items(items: ItemsDiff) -> Iterator[Text]:
    for node in items.nodes_added:
        yield Text(f"+ node {_named(node)}", ADDED)
    for node in items.nodes_removed:
        yield Text(f"- node {_named(node)}", REMOVED)
    for changed in items.nodes_changed:
        yield Text(f"~ node {changed.id} ({changed.type})", CHANGED)
        yield from (Text("    ").append(_change(change)) for change in changed.changes)
    for edge in items.edges_added:
        yield Text(f"+ edge {_way_of(edge)}", ADDED)
    for edge in items.edges_removed:
        yield Text(f"- edge {_way_of(edge)}", REMOVED)
    if items.edges_reordered:
        yield Text("~ edges follow one another in another order", CHANGED)


def _cosmetic(items: ItemsDiff) -> Iterator[Text]:
    for node in items.cosmetic_nodes:
        yield Text(f"  node {node.id}", "dim")
        yield from (Text("    ").append(_change(change)) for change in node.changes)
    for edge in items.cosmetic_edges:
        way = _way(edge.source, edge.source_handle, edge.target)
        yield Text(f"  edge {way}", "dim")
        yield from (Text("    ").append(_change(change)) for change in edge.changes)


def _named(node: dict[str, Any]) -> str:
    return f"{node['id']} ({node.get('type', '')})"


def _way(source: str, handle: str | None, target: str) -> str:
    return f"{source}{f' [{handle}]' if handle else ''} → {target}"


def _way_of(edge: dict[str, Any]) -> str:
    return _way(edge["source"], edge.get("source_handle"), edge["target"])


def _change(change: Change) -> Text:
    if change.old is MISSING:
        return Text(f"+ {change.path}: {_value(change.new)}", ADDED)
    if change.new is MISSING:
        return Text(f"- {change.path}: {_value(change.old)}", REMOVED)
    return Text(f"~ {change.path}: {_value(change.old)} → {_value(change.new)}", CHANGED)


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
