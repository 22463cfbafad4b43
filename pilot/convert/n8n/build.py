"""One pass over an n8n workflow: its nodes, what each one's json is, and the draft that grows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilot.convert.cel import Place, Segment, braced, literal, slot, untranslated
from pilot.convert.document import real, whole
from pilot.convert.draft import Certainty, Draft
from pilot.convert.n8n.expression import Translation, translate
from pilot.convert.n8n.views import At, Either, Read, View, read
from pilot.convert.report import Account, Source
from pilot.graph.model import MAX_RETRY_ATTEMPTS

PLACEHOLDER = "n8n:"


@dataclass(frozen=True, slots=True)
class N8nNode:
    """A node of the workflow. n8n knows it by its name."""

    source: Source
    given: Mapping[str, Any]
    parameters: Mapping[str, Any]
    position: tuple[float, float]
    version: float

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def node_id(self) -> str:
        return self.source.node_id

    @property
    def options(self) -> Mapping[str, Any]:
        options = self.parameters.get("options")
        return options if isinstance(options, dict) else {}


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection: from an output of the source to an input of the target, by their indexes."""

    source: str
    output: int
    target: str
    input: int = 0


@dataclass(slots=True)
class Build:
    """What converters write to. `before[name]` are the nodes that lead to a node; `handles` says
    by which handle an output of the source (its index) leaves: None is the default one."""

    account: Account
    draft: Draft
    nodes: dict[str, N8nNode]
    certainty: Certainty
    names: dict[str, str] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    inputs: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    """As `before`, by the index of the input."""
    wires: list[Wire] = field(default_factory=list)
    attached: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Of an AI node: the nodes that are plugged into it, by what they are (`ai_languageModel`)."""
    views: dict[str, View] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    exits: dict[str, str] = field(default_factory=dict)
    handles: dict[tuple[str, int], str | None] = field(default_factory=dict)
    also: dict[tuple[str, int], str] = field(default_factory=dict)
    """A second handle of an output: what follows it follows that as well."""
    _through: dict[str, View | None] = field(default_factory=dict)

    def add(self, node: N8nNode, type_: str, config: Mapping[str, Any], **beside: Any) -> None:
        """The node that stands for the source's. Its json is its output, unless a view says so."""
        self.draft.add(
            node.node_id,
            type_,
            {"name": node.name[:200], **config},
            node.position,
            imported=self.imported(node),
            **{**self._policy(node), **beside},
        )
        self.entries.setdefault(node.name, node.node_id)
        self.exits.setdefault(node.name, node.node_id)
        self.account.carry(node.source, type_)

    def after(self, node: N8nNode, suffix: str, type_: str, config: Mapping[str, Any]) -> str:
        """One more node behind it."""
        node_id = self.draft.slugs.new(f"{node.node_id} {suffix}", suffix)
        x, y = node.position
        self.draft.add(node_id, type_, config, (x + 110, y))
        self.draft.connect(self.exits[node.name], node_id)
        self.exits[node.name] = node_id
        return node_id

    def placeholder(
        self, node: N8nNode, why: str, action: str = "put a node of πlot's in its place"
    ) -> None:
        """A node of a type that πlot does not have: it keeps its place, its edges and all of its
        data, and the validator refuses it until it is replaced."""
        kind = node.source.type
        self.account.dropped(
            why, node.source, "type", original=kind, severity="error", action=action
        )
        data = {name: value for name, value in node.given.items() if name != "credentials"}
        self.draft.add(
            node.node_id,
            f"{PLACEHOLDER}{kind.rsplit('.', 1)[-1]}",
            {"name": node.name[:200]},
            node.position,
            imported={**self.imported(node), "data": data},
        )
        self.entries[node.name] = self.exits[node.name] = node.node_id

    def pass_on(self, node: N8nNode) -> None:
        """Its json is what comes in."""
        view = self.through(node)
        if view is not None:
            self.views[node.name] = view

    def through(self, node: N8nNode) -> View | None:
        """What comes in: the json of the node before; of several, of the first that ran."""
        if node.name not in self._through:
            names = self.before.get(node.name, [])
            views = list(dict.fromkeys(self.views[one] for one in names if one in self.views))
            if len(views) > 1:
                self.account.approximated(
                    "n8n runs it once for each branch that arrives; here it runs once, with the "
                    "first of them that ran",
                    node.source,
                    action="give each branch a node of its own, where several of them run",
                )
            view = Either(tuple(views)) if len(views) > 1 else views[0] if views else None
            self._through[node.name] = view
        return self._through[node.name]

    def narrow(self, node: N8nNode, view: View) -> None:
        """What comes in is this instead."""
        self._through[node.name] = view

    def own(self, node: N8nNode) -> At:
        return self.own_of(node.node_id)

    def own_of(self, node_id: str) -> At:
        return At(Place(("nodes", node_id, "output"), node_id))

    def variable(self, node: N8nNode) -> At:
        return At(Place(("vars", node.node_id), node.node_id))

    def whole(self, view: View | None, node: N8nNode) -> str:
        """CEL of all of a view."""
        found = read(view, (), node.node_id, self.certainty) if view is not None else None
        return found.text if found is not None else "input"

    def expression(self, source: str, node: N8nNode, field: str) -> Translation:
        """JavaScript as CEL; what cannot be translated is an error that holds it."""

        def resolve(name: str | None, path: tuple[Segment, ...]) -> Read | None:
            view = self.through(node) if name is None else self.views.get(name)
            if view is None:
                return None
            return read(view, path, node.node_id, self.certainty)

        found = translate(source, resolve, self.names)
        if found is None:
            self.account.dropped(
                "this JavaScript has no translation",
                node.source,
                field,
                original=source.strip(),
                severity="error",
                action="write it as CEL, or as a code node",
            )
            return Translation(untranslated(source.strip()), "other")
        for note in found.notes:
            self.account.approximated(
                note,
                node.source,
                field,
                original=source.strip(),
                action="see whether it matters for your data",
            )
        return found

    def template(self, value: Any, node: N8nNode, field: str) -> Any:
        """A parameter as a template: a text is an expression only where it begins with `=`."""
        match value:
            case str() if value.startswith("="):
                return self._text(value[1:], node, field)
            case str():
                return braced(value)
            case list():
                return [self.template(one, node, field) for one in value]
            case dict():
                return {name: self.template(one, node, field) for name, one in value.items()}
        return value

    def json_text(self, text: str, node: N8nNode, field: str) -> Any:
        """A text of JSON, as JSON with templates inside. n8n fills its expressions into the text,
        so what stands in quotes stays a text. Raises `ValueError` where it is no JSON before."""
        try:
            value = json.loads(text.removeprefix("="))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not text.startswith("="):
            return self.template(value, node, field)
        return self._filled(value, node, field)

    def _filled(self, value: Any, node: N8nNode, field: str) -> Any:
        match value:
            case str():
                whole = list(pieces(value))
                if len(whole) != 1 or not whole[0][1]:
                    return self._text(value, node, field)
                found = self.expression(whole[0][0], node, field)
                return slot(found.text if found.kind == "string" else f"string({found.text})")
            case list():
                return [self._filled(one, node, field) for one in value]
            case dict():
                return {name: self._filled(one, node, field) for name, one in value.items()}
        return value

    def _text(self, text: str, node: N8nNode, field: str) -> str:
        return "".join(
            slot(self.expression(piece, node, field).text) if is_slot else braced(piece)
            for piece, is_slot in pieces(text)
        )

    def value(self, given: Any, node: N8nNode, field: str) -> Translation:
        """A parameter as one CEL expression: a constant, or what stands in `={{ }}`."""
        if not isinstance(given, str) or not given.startswith("="):
            kinds: Any = {str: "string", bool: "bool", int: "number", float: "number"}
            return Translation(literal(given), kinds.get(type(given), "other"))
        found = [
            (piece, is_slot) for piece, is_slot in pieces(given[1:]) if is_slot or piece.strip()
        ]
        if len(found) == 1 and found[0][1]:
            return self.expression(found[0][0], node, field)
        parts = [
            f"string({self.expression(piece, node, field).text})" if is_slot else literal(piece)
            for piece, is_slot in pieces(given[1:])
        ]
        if not any(is_slot for _, is_slot in found):
            return Translation(literal(given[1:]), "string")
        return Translation(f"({' + '.join(parts)})", "string")

    def imported(self, node: N8nNode) -> dict[str, Any]:
        """A field of the canvas: where the node comes from, and the texts that were not carried."""
        imported: dict[str, Any] = {"from": "n8n", "id": node.source.id, "type": node.source.type}
        lost = {
            finding.field or "node": finding.original
            for finding in self.account.findings_of(node.source)
            if finding.original is not None
        }
        if lost:
            imported["not_carried"] = lost
        if node.given.get("notes"):
            imported["description"] = str(node.given["notes"])
        return imported

    def _policy(self, node: N8nNode) -> dict[str, Any]:
        beside: dict[str, Any] = {}
        if node.given.get("retryOnFail"):
            tries, pause_ms = node.given.get("maxTries"), node.given.get("waitBetweenTries")
            beside["retry"] = {
                "max_attempts": min(max(whole(tries, 3), 1), MAX_RETRY_ATTEMPTS),
                "initial_s": min(max(real(pause_ms, 1000) / 1000, 0.1), 86_400),
                "backoff": 1,
            }
        wanted = node.given.get("onError")
        if wanted == "continueErrorOutput":
            beside["on_error"] = "branch"
            self.handles[node.name, 1] = "error"
        elif wanted == "continueRegularOutput" or node.given.get("continueOnFail"):
            beside["on_error"] = "continue"
            self.account.approximated(
                "after a failure the value is null here, not an item with `error`",
                node.source,
                action="by on_error: branch, the error is the input of the handle `error`",
            )
        return beside


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Literal texts, and what stands in `{{ }}` (True). One pass, whatever the text."""
    at = 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        if start > at:
            yield text[at:start], False
        yield text[start + 2 : end], True
        at = end + 2
    if at < len(text):
        yield text[at:], False


def rows_of(given: Any, *path: str) -> Sequence[Mapping[str, Any]]:
    """The objects of a list that stands at a path of objects."""
    for name in path:
        given = given.get(name) if isinstance(given, dict) else None
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def chosen(given: Any) -> str:
    """The value of a resource locator (`{__rl, mode, value}`) or of a plain text."""
    if isinstance(given, dict):
        given = given.get("value")
    return given if isinstance(given, str) else ""
