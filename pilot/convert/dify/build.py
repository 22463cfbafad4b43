"""One pass over a Dify graph: its nodes, what they became, and the draft that grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilot.convert.cel import Place
from pilot.convert.dify.scope import Scope, rows_of
from pilot.convert.document import real, whole
from pilot.convert.draft import Draft
from pilot.convert.report import Source
from pilot.graph.model import MAX_RETRY_ATTEMPTS

PLACEHOLDER = "dify:"


@dataclass(frozen=True, slots=True)
class DifyNode:
    """A node of the DSL; `source` has the id that its (last) node has in the graph."""

    source: Source
    data: Mapping[str, Any]
    position: tuple[float, float]
    parent: str = ""
    """The iteration or loop around it, by its id in the source."""

    @property
    def id(self) -> str:
        return self.source.id

    @property
    def node_id(self) -> str:
        return self.source.node_id


@dataclass(slots=True)
class Build:
    """What converters write to. `entries` and `exits` are where edges of the source lead to and
    leave from; a handle of the source is looked up in `handles` first."""

    scope: Scope
    draft: Draft
    mode: str
    entries: dict[str, str] = field(default_factory=dict)
    exits: dict[str, str] = field(default_factory=dict)
    handles: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def add(self, node: DifyNode, type_: str, config: Mapping[str, Any], **beside: Any) -> None:
        """The node that stands for the source's, with the policy that the source gives it."""
        beside = {**self._policy(node, type_), **beside}
        self.draft.add(
            node.node_id,
            type_,
            {"name": node.source.name[:200], **config},
            node.position,
            imported=self.imported(node),
            **beside,
        )
        self.entries.setdefault(node.id, node.node_id)
        self.exits.setdefault(node.id, node.node_id)
        self.scope.account.carry(node.source, type_)

    def after(
        self,
        node: DifyNode,
        suffix: str,
        type_: str,
        config: Mapping[str, Any],
        handle: str | None = None,
    ) -> str:
        """One more node behind; edges of the source leave from it instead."""
        node_id = self.draft.slugs.new(f"{node.node_id} {suffix}", suffix)
        x, y = node.position
        self.draft.add(node_id, type_, config, (x + 130, y))
        self.draft.connect(node.node_id, node_id, handle)
        self.exits[node.id] = node_id
        return node_id

    def placeholder(
        self, node: DifyNode, why: str, action: str = "put a node of πlot's in its place"
    ) -> None:
        """A node of a type that πlot does not have: it keeps its place, its edges and all of its
        data, and the validator refuses it until it is replaced."""
        kind = node.source.type
        self.scope.account.dropped(
            why, node.source, "type", original=kind, severity="error", action=action
        )
        self.draft.add(
            node.node_id,
            f"{PLACEHOLDER}{kind}",
            {"name": node.source.name[:200]},
            node.position,
            imported={**self.imported(node), "data": dict(node.data)},
        )
        self.entries[node.id] = self.exits[node.id] = node.node_id
        self.scope.whole[node.id] = Place(("nodes", node.node_id, "output"), node.node_id)

    def imported(self, node: DifyNode) -> dict[str, Any]:
        """A field of the canvas: where the node comes from, and the texts that were not carried."""
        imported: dict[str, Any] = {
            "from": "dify",
            "id": node.id,
            "type": node.source.type,
        }
        lost = {
            finding.field or "node": finding.original
            for finding in self.scope.account.findings_of(node.source)
            if finding.original is not None
        }
        if lost:
            imported["not_carried"] = lost
        if node.data.get("desc"):
            imported["description"] = str(node.data["desc"])
        return imported

    def _policy(self, node: DifyNode, type_: str) -> dict[str, Any]:
        beside: dict[str, Any] = {}
        retry = node.data.get("retry_config")
        if isinstance(retry, dict) and (retry.get("retry_enabled") or retry.get("enabled")):
            attempts = whole(retry.get("max_retries"), 0) + 1
            pause_s = real(retry.get("retry_interval"), 0) / 1000
            beside["retry"] = {
                "max_attempts": min(max(attempts, 1), MAX_RETRY_ATTEMPTS),
                "initial_s": min(max(pause_s, 0.1), 86_400),
                "backoff": 1,
            }
        match node.data.get("error_strategy"):
            case "fail-branch":
                beside["on_error"] = "branch"
                self.handles[node.id, "fail-branch"] = "error"
                self.handles[node.id, "success-branch"] = None
            case "default-value":
                beside["on_error"] = {"default": self._default(node, type_)}
        return beside

    def _default(self, node: DifyNode, type_: str) -> Any:
        values = {
            str(one.get("key")): one.get("value") for one in rows_of(node.data.get("default_value"))
        }
        match type_:
            case "llm":
                return values.get("text", "")
            case "http":
                if set(values) - {"body"}:
                    self.scope.account.approximated(
                        "only the default body is carried: a failed request has no status here",
                        node.source,
                        "default_value",
                        action="by on_error: branch, what follows can give the other values",
                    )
                return values.get("body", "")
        return values
