"""A client of πlot's own API, for the command line: REST, and events over the WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, WebSocketException

from pilot.errors import PilotError
from pilot.events.model import FINAL_EVENT_TYPES, Event, EventType
from pilot.graph.issues import EdgeRef, Issue
from pilot.graph.status import ExecutionStatus

TIMEOUT_S = 30.0
PAGE = 200
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.2, 5.0
FINAL_ANSWERS = (401, 403, 404)
"""Answers that another try would not change."""
REFUSED = {
    4401: "the token is not accepted, or has expired",
    4403: "the token is another user's",
}


class ApiError(PilotError):
    """The API refused a request. `issues` are those of a graph or an input."""

    code = "request_refused"

    def __init__(self, message: str, *, status: int = 0, issues: list[Issue] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.issues = issues or []


class ApiClient:
    """Use as `async with ApiClient(url, token) as client`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.user = token_user(token)
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1", headers=self._authorization, timeout=TIMEOUT_S
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def validate(self, body: dict[str, Any]) -> list[Issue]:
        """All issues that the server finds in a graph."""
        answer = await self._request("POST", "/workflows/validate", body)
        return [issue_from_json(item) for item in answer.get("issues", [])]

    async def save(self, name: str, description: str, body: dict[str, Any]) -> dict[str, Any]:
        """The user's workflow of that name, made or brought up to the given graph.

        An unchanged graph keeps its version; a changed one becomes the next version, and
        older runs stay pinned to theirs.
        """
        wanted = {"name": name, "description": description, **body}
        known = await self._find(name)
        if known is None:
            return await self._request("POST", "/workflows", wanted)
        path = f"/workflows/{known['id']}"
        return await self._request("PUT", path, {**wanted, "version": known["version"]})

    async def workflow(self, workflow_id: str) -> dict[str, Any]:
        return await self._request("GET", f"/workflows/{quote(workflow_id, safe='')}")

    async def execute(self, workflow_id: str, value: Any) -> dict[str, Any]:
        """The started execution. Raises `ApiError` with the issues of a bad input."""
        return await self._request("POST", f"/workflows/{workflow_id}/execute", {"input": value})

    async def execution(self, execution_id: str) -> dict[str, Any]:
        return await self._request("GET", f"/executions/{execution_id}")

    async def cancel(self, execution_id: str) -> None:
        await self._request("POST", f"/executions/{quote(execution_id, safe='')}/cancel")

    async def watch(
        self, execution_id: str, *, on_away: Callable[[str], None]
    ) -> AsyncIterator[Event]:
        """The events of a run in order of `seq`, with live-only ones between, up to its last.

        A `snapshot` among them replaces all that came before it, some of which was void; the next
        event follows on its `seq`.

        Connects again, and goes on where it was, for as long as it takes; `on_away` is told
        why a connection was lost. Raises `ApiError` where the server refuses the token.
        """
        seen = 0
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                async for event in self._events(execution_id, seen):
                    backoff = FIRST_BACKOFF_S
                    if event.seq is not None:
                        seen = event.seq
                    yield event
                    if event.type in FINAL_EVENT_TYPES:
                        return
                reason = "the server closed the connection"
            except (OSError, TimeoutError, WebSocketException, ApiError) as error:
                _raise_if_refused(error)
                reason = str(error) or type(error).__name__
            on_away(reason)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_S)
            if await self._has_ended(execution_id):
                # It ended meanwhile: one more look for what was missed, and no more waiting.
                async for event in self._missed(execution_id, seen):
                    yield event
                return

    async def _events(self, execution_id: str, seen: int) -> AsyncIterator[Event]:
        """The events of one connection, each once and in order, whatever the server sends."""
        url = f"ws{self.url.removeprefix('http')}/ws/{quote(self.user, safe='')}"
        early: dict[int, Event] = {}
        async with connect_websocket(
            url, additional_headers=self._authorization, max_size=None, open_timeout=10
        ) as socket:
            subscribe = {"type": "subscribe", "execution_id": execution_id, "last_seq": seen}
            await socket.send(json.dumps(subscribe))
            async for message in socket:
                event = _event(message, execution_id)
                if event is None:
                    continue
                if event.seq is None:
                    yield event
                elif event.type is EventType.SNAPSHOT:
                    seen, early = event.seq, {}
                    yield event
                elif event.seq > seen:
                    early[event.seq] = event
                while seen + 1 in early:
                    seen += 1
                    yield early.pop(seen)

    async def _missed(self, execution_id: str, seen: int) -> AsyncIterator[Event]:
        try:
            async with asyncio.timeout(MAX_BACKOFF_S):
                async for event in self._events(execution_id, seen):
                    yield event
                    if event.type in FINAL_EVENT_TYPES:
                        return
        except (OSError, TimeoutError, WebSocketException, ApiError):
            return

    async def _has_ended(self, execution_id: str) -> bool:
        try:
            execution = await self.execution(execution_id)
        except ApiError as error:
            if error.status in FINAL_ANSWERS:
                raise
            return False
        return ExecutionStatus(execution["status"]).is_final

    async def _find(self, name: str) -> dict[str, Any] | None:
        cursor: str | None = None
        while True:
            query = f"?limit={PAGE}" + (f"&cursor={quote(cursor, safe='')}" if cursor else "")
            page = await self._request("GET", f"/workflows{query}")
            for item in page["items"]:
                if item["name"] == name:
                    found: dict[str, Any] = item
                    return found
            cursor = page.get("next_cursor")
            if cursor is None:
                return None

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            answer = await self._http.request(
                method, path, json=body if method in ("POST", "PUT") else None
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ApiError(f"no πlot answers at {self.url} ({reason})") from None
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = {}
        if answer.is_success and isinstance(content, dict):
            return content
        detail = content.get("detail") or content.get("title") if isinstance(content, dict) else ""
        issues = content.get("issues") if isinstance(content, dict) else None
        raise ApiError(
            str(detail or f"{self.url} answered {answer.status_code}"),
            status=answer.status_code,
            issues=[issue_from_json(item) for item in issues or []],
        )


def token_user(token: str) -> str:
    """The user that a JWT names. Not checked: that is the server's part."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise PilotError("the token is not a JWT with a `sub`", code="invalid_token") from None


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
    )


def _event(message: str | bytes, execution_id: str) -> Event | None:
    """An event of the execution; None for anything else that a server may say. Raises
    `ApiError` where it says that it cannot replay the execution."""
    body = json.loads(message)
    if body.get("execution_id") != execution_id:
        return None
    if body.get("type") == "error":
        status = 404 if body.get("code") == "not_found" else 503
        raise ApiError(str(body.get("message", "the server refused")), status=status)
    try:
        return Event.from_json(body)
    except (ValueError, TypeError):
        return None


def _raise_if_refused(error: Exception) -> None:
    if isinstance(error, ApiError) and error.status in FINAL_ANSWERS:
        raise error
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        reason = REFUSED.get(error.rcvd.code)
        if reason is not None:
            raise ApiError(reason, status=401)
