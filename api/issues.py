"""Issues at the border: as JSON, and made from what a request's models refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from pilot.graph.issues import EdgeRef, Issue, Severity

MAX_ISSUES = 1_000
"""How many issues an answer holds. More help nobody, and 10,000 nodes may have many each."""


def _absent(value: object) -> bool:
    return value is None


class EdgeOut(BaseModel):
    source: str
    target: str
    source_handle: str | None = Field(default=None, exclude_if=_absent)


class IssueOut(BaseModel):
    """One thing that is wrong, and where."""

    code: str = Field(examples=["unknown_node"])
    severity: Severity
    message: str
    node_id: str | None = Field(default=None, exclude_if=_absent, examples=["llm_1"])
    edge: EdgeOut | None = Field(default=None, exclude_if=_absent)
    field: str | None = Field(default=None, exclude_if=_absent, examples=["config.prompt_template"])
    line: int | None = Field(default=None, exclude_if=_absent)
    column: int | None = Field(default=None, exclude_if=_absent)
    container: str | None = Field(
        default=None,
        exclude_if=_absent,
        description="The loops and maps around it, the outermost first, joined by slashes.",
        examples=["each_order/each_line"],
    )


def issues_out(issues: Iterable[Issue]) -> list[IssueOut]:
    """Errors before warnings, otherwise in order; at most `MAX_ISSUES`."""
    ordered = sorted(issues, key=lambda issue: issue.severity != "error")
    return [
        IssueOut(
            code=issue.code,
            severity=issue.severity,
            message=issue.message,
            node_id=issue.node_id,
            edge=_edge_out(issue.edge),
            field=issue.field,
            line=issue.line,
            column=issue.column,
            container=issue.container,
        )
        for issue in ordered[:MAX_ISSUES]
    ]


def _edge_out(edge: EdgeRef | None) -> EdgeOut | None:
    if edge is None:
        return None
    return EdgeOut(source=edge.source, target=edge.target, source_handle=edge.source_handle)


def request_issues(errors: Sequence[Mapping[str, Any]], body: Any) -> list[Issue]:
    """The errors of FastAPI's models as issues, one a field: `nodes[3].retry.max_attempts`
    is node 3's `retry.max_attempts`. Alternatives of one field are told together."""
    messages: dict[tuple[Any, ...], list[str]] = {}
    for error in errors[: MAX_ISSUES * 2]:
        path = _real_path(tuple(error["loc"]), body, str(error["type"]))
        said = messages.setdefault(path, [])
        text = str(error["msg"]).removeprefix("Value error, ")
        if text not in said:
            said.append(text)
    return [_issue(path, "; or ".join(said), body) for path, said in messages.items()]


def _real_path(loc: tuple[Any, ...], body: Any, kind: str) -> tuple[Any, ...]:
    """The location without the names of union members, which no sender knows."""
    if loc[:1] != ("body",):
        return loc
    path: list[Any] = ["body"]
    at = body
    for index, part in enumerate(loc[1:], start=1):
        found, inner = _step(at, part)
        if found:
            at = inner
        elif not (kind == "missing" and index == len(loc) - 1):
            continue
        path.append(part)
    return tuple(path)


def _step(at: Any, part: Any) -> tuple[bool, Any]:
    """Whether `at` has such a part, and that part."""
    if isinstance(part, int) and isinstance(at, list) and part < len(at):
        return True, at[part]
    if isinstance(part, str) and isinstance(at, dict) and part in at:
        return True, at[part]
    return False, None


def _issue(path: tuple[Any, ...], message: str, body: Any) -> Issue:
    match path:
        case ("body",):
            return Issue("invalid_body", f"the body: {message}", field=None)
        case ("body", "nodes", int(index), *rest):
            node = body["nodes"][index]
            node_id = node.get("id") if isinstance(node, dict) else None
            known = node_id if isinstance(node_id, str) else None
            at = _dotted(rest) if known is not None else _dotted(path[1:])
            return Issue("invalid_field", _say(at, message), node_id=known, field=at or None)
        case ("body", "edges", int(index), *rest):
            edge = _edge_ref(body["edges"][index])
            at = _dotted(rest) if edge is not None else _dotted(path[1:])
            return Issue("invalid_field", _say(at, message), edge=edge, field=at or None)
        case ("body", *rest):
            return Issue("invalid_field", _say(_dotted(rest), message), field=_dotted(rest))
        case (_, *rest):
            return Issue("invalid_parameter", _say(_dotted(rest), message), field=_dotted(path))
    return Issue("invalid_request", message)


def _edge_ref(edge: Any) -> EdgeRef | None:
    if not isinstance(edge, dict):
        return None
    source, target, handle = edge.get("source"), edge.get("target"), edge.get("source_handle")
    if not isinstance(source, str) or not isinstance(target, str):
        return None
    return EdgeRef(source, target, handle if isinstance(handle, str) else None)


def _say(field: str, message: str) -> str:
    lowered = message[:1].lower() + message[1:]
    return f"{field}: {lowered}" if field else lowered


def _dotted(path: Iterable[Any]) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text
