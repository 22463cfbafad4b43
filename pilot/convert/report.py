"""What an import carried over, what it only approximated, and what it had to drop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["approximated", "dropped"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Carried:
    """A node of the source and the node that it became."""

    source_id: str
    name: str
    source_type: str
    node_id: str
    type: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not in the graph as it was in the source.

    `error`: the graph cannot run until somebody has seen to it; `warning`: it may do something
    else than the source did; `info`: what it does is the same. `source_id` and `name` are the
    source's, `node_id` is the graph's; without them it is about the whole. `original` is the
    source's own text, `action` what to do about it.
    """

    outcome: Outcome
    severity: Severity
    message: str
    source_id: str | None = None
    name: str | None = None
    node_id: str | None = None
    field: str | None = None
    original: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole account of one import, in the order of the source."""

    format: str
    carried: tuple[Carried, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def approximated(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.outcome == "approximated")

    @property
    def dropped(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.outcome == "dropped")


@dataclass(frozen=True, slots=True)
class Source:
    """The node of the source that is being converted, as findings name it."""

    id: str
    name: str
    type: str
    node_id: str


MAX_ORIGINAL_CHARS = 2_000


@dataclass(slots=True)
class Account:
    """A report as it is written. A thing that is said twice of one place is noted once."""

    format: str
    _carried: list[Carried] = field(default_factory=list)
    _findings: dict[Finding, None] = field(default_factory=dict)
    _by_node: dict[str, list[Finding]] = field(default_factory=dict)

    def carry(self, source: Source, type_: str) -> None:
        self._carried.append(Carried(source.id, source.name, source.type, source.node_id, type_))

    def note(
        self,
        outcome: Outcome,
        severity: Severity,
        message: str,
        source: Source | None = None,
        field: str | None = None,
        original: str | None = None,
        action: str | None = None,
    ) -> None:
        if original is not None and len(original) > MAX_ORIGINAL_CHARS:
            original = original[:MAX_ORIGINAL_CHARS] + "…"
        finding = Finding(
            outcome,
            severity,
            message,
            source_id=source.id if source else None,
            name=source.name if source else None,
            node_id=source.node_id if source else None,
            field=field,
            original=original,
            action=action,
        )
        if finding not in self._findings:
            self._findings[finding] = None
            if source is not None:
                self._by_node.setdefault(source.node_id, []).append(finding)

    def approximated(
        self,
        message: str,
        source: Source | None = None,
        field: str | None = None,
        *,
        original: str | None = None,
        severity: Severity = "warning",
        action: str | None = None,
    ) -> None:
        self.note("approximated", severity, message, source, field, original, action)

    def dropped(
        self,
        message: str,
        source: Source | None = None,
        field: str | None = None,
        *,
        original: str | None = None,
        severity: Severity = "warning",
        action: str | None = None,
    ) -> None:
        self.note("dropped", severity, message, source, field, original, action)

    def findings_of(self, source: Source) -> list[Finding]:
        return self._by_node.get(source.node_id, [])

    def report(self) -> Report:
        return Report(self.format, tuple(self._carried), tuple(self._findings))
