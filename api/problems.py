"""Errors as problem details (RFC 9457): `application/problem+json`, one shape for all.

`status`, `title`, `detail`, a stable `code`, the request's id, and `issues` where a graph or
an input has some. What was not foreseen is a 500 that says nothing of the inside.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from api.issues import IssueOut, issues_out, request_issues
from pilot.errors import (
    ConflictError,
    GraphError,
    NotFoundError,
    PayloadGoneError,
    PayloadStoreError,
    RefusedError,
    StaleVersionError,
    StorageFullError,
    StoreError,
    UnavailableError,
)
from pilot.events.wire import dumps
from pilot.graph.issues import Issue

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
FULL_RETRY_AFTER_S = 30


class CurrentOut(BaseModel):
    """What a workflow is by now, where a change to it came too late."""

    version: int
    etag: str = Field(examples=['"4"'])
    published_version: int | None
    saved_at: datetime
    saved_by: str | None = Field(description="The user; null where that was not noted.")


class ProblemOut(BaseModel):
    """An error, as every route answers it."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["The workflow is at version 4, not 3."])
    code: str = Field(description="Stable, for programs.", examples=["stale_version"])
    request_id: str | None = None
    issues: list[IssueOut] | None = Field(
        default=None, description="Everything that is wrong with a graph or an input, at once."
    )
    current: CurrentOut | None = Field(
        default=None, description="With `stale_version`: what is there now."
    )


Responses: TypeAlias = dict[int | str, dict[str, Any]]


def documented(status: int, description: str) -> Responses:
    return {status: {"model": ProblemOut, "description": description}}


FORBIDDEN = documented(403, "The caller may see it, but has not the role that this needs.")
MISSING = documented(404, "There is no such object, or it is another user's.")
GONE = documented(410, "Its events were deleted before itself.")
CONFLICT = documented(409, "A stale version, or the object's state forbids it.")
INVALID = documented(422, "Everything that is wrong, as issues.")
OVER_BUDGET = documented(429, "The day's budget is used up; `Retry-After` says until when.")
DOWN = documented(503, "Temporal or the store does not answer; try later.")
COMMON: Responses = {
    **documented(400, "Not JSON, or a bad header or cursor."),
    **documented(401, "No token, or one that is not valid."),
    **documented(429, "Too many requests (`rate_limited`): see `Retry-After`."),
    **documented(413, "A body over 5 MB."),
    **DOWN,
}


class Problem(HTTPException):
    """Raise it anywhere under a route to answer with a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        issues: Sequence[Issue] | None = None,
        headers: Mapping[str, str] | None = None,
        current: CurrentOut | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.issues = issues
        self.current = current


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"There is no such {what}.")


def unavailable(code: str, detail: str, *, after_s: int = RETRY_AFTER_S) -> Problem:
    """A part does not answer: trying later is right."""
    return Problem(503, code, detail, headers={"Retry-After": str(after_s)})


def response(
    problem: Problem, request_id: str | None, lines: Sequence[str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": problem.detail,
        "code": problem.code,
    }
    if request_id is not None:
        body["request_id"] = request_id
    if problem.issues is not None:
        body["issues"] = [issue.model_dump(mode="json") for issue in issues_out(problem.issues)]
    if problem.current is not None:
        body["current"] = problem.current.model_dump(mode="json")
    if lines is not None:
        body["traceback"] = lines
    return Response(dumps(body), problem.status_code, problem.headers, MEDIA_TYPE)


_STORE_STATUS: dict[str, int] = {"invalid_cursor": 400}


def from_error(error: Exception) -> Problem:
    """The problem that an error of the core is to a caller."""
    match error:
        case Problem():
            return error
        case GraphError(issues=issues, message=message):
            return Problem(422, error.code, message, issues=issues)
        case RefusedError(issues=issues, message=message):
            after = error.retry_after_s
            headers = {} if after is None else {"Retry-After": str(after)}
            status = 422 if after is None else 429
            return Problem(status, error.code, message, issues=issues, headers=headers)
        case NotFoundError():
            return Problem(404, error.code, error.message)
        case StaleVersionError():
            return Problem(409, error.code, error.message)
        case ConflictError():
            return Problem(_STORE_STATUS.get(error.code, 409), error.code, error.message)
        case StoreError():
            return _from_store(error)
        case HTTPException():
            return _from_http(error)
        case RequestValidationError():
            return _from_validation(error)
        case _:
            return Problem(500, "internal_error", "Something went wrong on our side.")


def _from_store(error: StoreError) -> Problem:
    """One that says nothing of what was asked for, but for a value that is lost."""
    match error:
        case StorageFullError():
            return unavailable(
                error.code,
                "The database's disk is full, so nothing can be saved. Its operator must make "
                "room: runs that are under way go on, and are recorded as soon as there is some.",
                after_s=FULL_RETRY_AFTER_S,
            )
        case PayloadStoreError():
            return unavailable(error.code, "The payload store does not answer. Try again shortly.")
        case PayloadGoneError():
            return Problem(410, error.code, f"{error.message[:1].upper()}{error.message[1:]}.")
        case UnavailableError():
            return unavailable(error.code, "The database does not answer. Try again shortly.")
        case _:
            return unavailable(error.code, "The database failed. Its operator must look at it.")


def _from_http(error: HTTPException) -> Problem:
    codes = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = "There is nothing at this address."
    code = codes.get(error.status_code, HTTPStatus(error.status_code).name.lower())
    return Problem(error.status_code, code, str(detail), headers=error.headers)


def _from_validation(error: RequestValidationError) -> Problem:
    errors = error.errors()
    wrong = next((one for one in errors if one["loc"][:1] == ("path",)), None)
    if wrong is not None:
        kind = str(wrong["loc"][-1]).removesuffix("_id")
        if kind not in ("execution", "workflow", "trigger"):
            return Problem(404, "not_found", "There is nothing at this address.")
        # most often an id that was mistyped
        return Problem(404, "not_found", f"There is no {kind} {str(wrong['input'])[:80]!r}.")
    issues = request_issues(errors, error.body)
    first = issues[0].message if issues else "The request is not valid."
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return Problem(422, "invalid_request", f"{first}{more}", issues=issues)


async def _handle(request: Request, error: Exception) -> Response:
    if isinstance(error, StoreError) and from_error(error).status_code >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message)
    problem = from_error(error)
    named = request.app.openapi()["paths"].get(request.url.path, {})
    # `/workflows/validate` is no workflow whose id is wrong
    if problem.status_code == 405 or (named and request.method.lower() not in named):
        methods = {method.upper() for method in named} or _methods_at(request)
        allowed = ", ".join(sorted(methods))
        detail = f"{request.method} is not possible here, only {allowed}."
        problem = Problem(405, "method_not_allowed", detail, headers={"Allow": allowed})
    return response(problem, request.scope.get("request_id"))


def _methods_at(request: Request) -> set[str]:
    """The methods of all routes of this path: the router names only those of the first."""
    return {
        method
        for method in ("GET", "POST", "PUT", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    }


def install(app: FastAPI) -> None:
    """Every error that a route raises, the framework's own among them."""
    for kind in (HTTPException, RequestValidationError, StoreError, GraphError, RefusedError):
        app.add_exception_handler(kind, _handle)


class Unexpected:
    """ASGI middleware: an error that nobody foresaw is logged whole and answered with a 500.

    It stands inside of the CORS and request-id middlewares, so that a browser may read the
    answer; Starlette's own place for this is outside of all of them. With `shows_traceback`
    (DEBUG) the answer has the lines of the traceback.
    """

    def __init__(self, app: ASGIApp, *, shows_traceback: bool = False) -> None:
        self._app = app
        self._shows_traceback = shows_traceback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Any) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            pass  # it went away in the middle of its own request: nobody hears an answer
        except Exception as error:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            lines = None
            if self._shows_traceback:
                lines = "".join(traceback.format_exception(error)).splitlines()
            answer = response(from_error(error), scope.get("request_id"), lines)
            await answer(scope, receive, send)
