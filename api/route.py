"""The route class of everything under `/api/v1`: first who is calling, then the body."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.auth import authenticate
from api.body import JsonRequest
from api.caller import Caller
from api.limits import rate_of
from api.parts import parts_of
from api.problems import Problem
from pilot import logs
from pilot.store.acting import acting_as

_UUID = re.compile(r"[0-9a-fA-F-]{36}")


class ApiRoute(APIRoute):
    """A route that no stranger reaches, and whose body is strict JSON.

    FastAPI reads bodies before it solves dependencies; here a caller without a token is
    refused before a byte of the body is read, and no new route can forget to ask. So it is with
    how often they may call (`api.limits`).
    """

    async def caller(self, request: Request) -> Caller:
        """Who is calling. Raises `Problem` (401, or 503)."""
        verifier = parts_of(request).verifier
        return await authenticate(verifier, request.headers.get("authorization"))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None
        rate = rate_of(self.endpoint, self.methods or ())

        async def guarded(request: Request) -> Response:
            limits = parts_of(request).limits
            address = request.client.host if request.client else None
            limits.require_address(request.scope, address)
            try:
                request.state.caller = caller = await self.caller(request)
            except Problem as problem:
                if problem.status_code == 401:
                    await limits.failed(request.scope, address)
                raise
            await limits.admit(request.scope, caller, rate)
            with (
                logs.bound(user_id=caller.user_id, execution_id=_execution_id(request)),
                acting_as(caller.token, caller.expires_at),
            ):
                strict = JsonRequest(request.scope, request.receive)
                if takes_body and await strict.body():
                    require_json(strict)
                return await handler(strict)

        return guarded


def _execution_id(request: Request) -> str | None:
    """The path's, where it is one: nothing has looked at it yet."""
    given: str = request.path_params.get("execution_id", "")
    return given if _UUID.fullmatch(given) else None


def require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise Problem(415, "unsupported_media_type", "The body must be sent as application/json.")
