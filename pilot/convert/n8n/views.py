"""What n8n's `$json` of a node is in πlot's names.

n8n hands items on, each with a `json`; here a node runs once, with one value, so a view is that of
the one item. An item's fields may stand in different places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilot.convert.cel import Place, Segment, literal, path_text
from pilot.convert.draft import Certainty

MAX_VIEWS = 12
"""So many nodes may lead to one that asks which of them ran; CEL nests 32 deep."""


@dataclass(frozen=True, slots=True)
class At:
    """All of it stands in one place."""

    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """Its fields stand in places of their own; those that are not named in `rest`. Two are the
    same only where they are one object: a node's."""

    fields: Mapping[str, View] = field(default_factory=dict)
    rest: View | None = None


@dataclass(frozen=True, slots=True)
class Either:
    """It is that of the first of several nodes that ran."""

    views: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Many items, as a list in one place. What runs for each of them is in a map, where the view
    is that of one; so nothing of theirs is read here but all of them."""

    at: At


View = At | Fields | Either | Items


@dataclass(frozen=True, slots=True)
class Read:
    """CEL of a value: `present` is true where its last field is there, if that can be asked."""

    text: str
    present: str | None = None


def read(view: View, path: Sequence[Segment], reader: str, certainty: Certainty) -> Read | None:
    """CEL of what stands at the path; None: nothing does."""
    match view:
        case At(place):
            at = place.under(*path)
            present = None
            if path and isinstance(path[-1], str):
                present = f"has({path_text(at.path)})"
            if certainty.sure(reader, place.setter):
                return Read(at.cel, present)
            both = f"{place.present} && {present}" if present else place.present
            return Read(f"({place.present} ? {at.cel} : null)", both)
        case Fields(fields, rest):
            if path and path[0] in fields:
                return read(fields[str(path[0])], path[1:], reader, certainty)
            if path:
                return read(rest, path, reader, certainty) if rest is not None else None
            return _whole(view, reader, certainty)
        case Items(at):
            return None if path else read(at, (), reader, certainty)
        case Either(views):
            return _first(views, path, reader, certainty)


def _whole(view: Fields, reader: str, certainty: Certainty) -> Read | None:
    if view.rest is not None:
        return read(view.rest, (), reader, certainty)
    parts = []
    for name, inner in view.fields.items():
        found = read(inner, (), reader, certainty)
        if found is not None:
            parts.append(f"{literal(name)}: {found.text}")
    return Read(f"{{{', '.join(parts)}}}")


def _first(
    views: Sequence[View], path: Sequence[Segment], reader: str, certainty: Certainty
) -> Read | None:
    if len(views) > MAX_VIEWS:
        return None
    text = "null"
    for view in reversed(views):
        found = read(view, path, reader, Certainty())
        place = _anchor(view)
        if found is None or place is None:
            return None
        text = f"({place.present} ? {found.text} : {text})"
    return Read(text)


def _anchor(view: View) -> Place | None:
    """A place that is there where the view's node ran."""
    match view:
        case At(place):
            return place
        case Fields(fields, rest):
            inner = [*fields.values(), *([rest] if rest else [])]
            return _anchor(inner[0]) if inner else None
        case Items(at):
            return at.place
        case Either():
            return None
