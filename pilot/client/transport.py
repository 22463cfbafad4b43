"""One request of the API: signed in, repeated where that is safe, its refusal an `ApiError`."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from pilot.client.problem import ApiError, error_of
from pilot.errors import PilotError

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or what gives one that is valid now: asked again when the one before expires."""

TIMEOUT_S = 30.0
MAX_TRIES = 5
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.2, 10.0
AWAY = (502, 503, 504)


class Transport:
    def __init__(self, url: str, token: Token) -> None:
        self.url = url.rstrip("/")
        self._source = token
        self._token: str | None = _one_word(token) if isinstance(token, str) else None
        self._http = httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=TIMEOUT_S)

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def can_renew(self) -> bool:
        return not isinstance(self._source, str)

    async def token(self, *, renew: bool = False) -> str:
        if self._token is None or (renew and self.can_renew):
            assert not isinstance(self._source, str)
            given = self._source()
            self._token = _one_word(await given if inspect.isawaitable(given) else given)
        return self._token

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token()}"}

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        repeat: bool | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """The answer's body. `repeat`: whether a request that may have been carried out may be
        sent again (by default a GET or DELETE). One that never arrived always is."""
        safe = method in ("GET", "DELETE") if repeat is None else repeat
        backoff = FIRST_BACKOFF_S
        renewed = not self.can_renew
        tries = 1
        while True:
            try:
                return await self._once(method, path, body, query, headers, timeout_s)
            except ApiError as error:
                if error.status == 401 and not renewed:
                    renewed = True
                    await self.token(renew=True)
                    continue
                arrived = not isinstance(error.__cause__, httpx.ConnectError)
                is_away = error.status == 0 or error.status in AWAY
                if not is_away or (arrived and not safe) or tries >= MAX_TRIES:
                    raise
                pause = error.retry_after_s if error.retry_after_s is not None else backoff
            tries += 1
            backoff *= 2
            await asyncio.sleep(min(pause, MAX_BACKOFF_S))

    async def _once(
        self,
        method: str,
        path: str,
        body: Any,
        query: dict[str, Any] | None,
        headers: dict[str, str] | None,
        timeout_s: float,
    ) -> dict[str, Any]:
        with_body = {} if body is None else {"json": body}
        try:
            answer = await self._http.request(
                method,
                path,
                params={name: value for name, value in (query or {}).items() if value is not None},
                headers={**await self.headers(), **(headers or {})},
                timeout=timeout_s,
                **with_body,
            )
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error
        if not answer.is_success:
            raise error_of(answer)
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ApiError(f"what answers at {self.url} is no πlot", status=answer.status_code)
        return content

    @asynccontextmanager
    async def lines(
        self, path: str, headers: dict[str, str], quiet_s: float
    ) -> AsyncIterator[tuple[int, AsyncIterator[str]]]:
        """An answer's status and its lines as they come; none for so many seconds is an error."""
        try:
            async with self._http.stream(
                "GET",
                path,
                headers={**await self.headers(), **headers},
                timeout=httpx.Timeout(TIMEOUT_S, read=quiet_s),
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise error_of(answer)
                yield answer.status_code, answer.aiter_lines()
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error

    @asynccontextmanager
    async def pieces(self, path: str, quiet_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer's body as it comes."""
        try:
            async with self._http.stream(
                "GET",
                path,
                headers=await self.headers(),
                timeout=httpx.Timeout(TIMEOUT_S, read=quiet_s),
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise error_of(answer)
                yield answer.aiter_bytes()
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: Exception) -> ApiError:
        reason = str(error) or type(error).__name__
        return ApiError(f"no πlot answers at {self.url} ({reason})", code="unreachable")


def _one_word(token: str) -> str:
    """Without the line's end that a file or a shell adds. What is no header's word is refused here:
    the library that sends it would show it in its error."""
    token = token.strip()
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise PilotError("the token is not one word of ASCII characters", code="invalid_token")
    return token


def token_user(token: str) -> str:
    """The user that a JWT names. Not checked: that is the server's part."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise PilotError("the token is not a JWT with a `sub`", code="invalid_token") from None
