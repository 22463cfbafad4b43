"""What the API refuses, from its problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Any, TypeAlias

import httpx

from pilot.errors import PilotError
from pilot.graph.issues import EdgeRef, Issue

Issues: TypeAlias = list[Issue]

FINAL_ANSWERS = (401, 403, 404, 410)
"""Answers that another try would not change."""


class ApiError(PilotError):
    """The API refused a request, or does not answer (`status` 0).

    `code` is the problem's stable code, `issues` are those of a graph or an input,
    `retry_after_s` is when another try makes sense, where the server says so, and `current_etag`
    names what a stale change would have overwritten.
    """

    code = "request_refused"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int = 0,
        issues: list[Issue] | None = None,
        retry_after_s: float | None = None,
        current_etag: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.issues = issues or []
        self.retry_after_s = retry_after_s
        self.current_etag = current_etag

    @property
    def is_final(self) -> bool:
        """Whether another try would come to the same."""
        return self.status in FINAL_ANSWERS


def error_of(answer: httpx.Response) -> ApiError:
    """The error of an answer that is no success. Its body must have been read."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    problem: dict[str, Any] = body if isinstance(body, dict) else {}
    detail = problem.get("detail") or problem.get("title")
    return ApiError(
        str(detail or f"{answer.request.url.host} answered {answer.status_code}"),
        code=problem.get("code"),
        status=answer.status_code,
        issues=[issue_from_json(item) for item in problem.get("issues") or []],
        retry_after_s=_seconds(answer.headers.get("Retry-After")),
        current_etag=(problem.get("current") or {}).get("etag"),
    )


def issue_from_json(body: dict[str, Any]) -> Issue:
    edge = body.get("edge")
    return Issue(
        code=body.get("code", "invalid"),
        message=body.get("message", ""),
        severity=body.get("severity", "error"),
        node_id=body.get("node_id"),
        edge=EdgeRef(**edge) if isinstance(edge, dict) else None,
        field=body.get("field"),
        line=body.get("line"),
        column=body.get("column"),
        container=body.get("container"),
    )


def _seconds(text: str | None) -> float | None:
    """Of `Retry-After`; one that names a date is left to the caller's own pace."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
