"""The way of a command to an API: which server, and as whom.

The server is `--server` or PILOT_SERVER, else the one that `pilot dev` runs on the data folder. A
caller is PILOT_API_KEY, else PILOT_TOKEN, else a user of the data folder's development issuer.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pilot.client import ApiError, AsyncClient
from pilot.datadir import read_state
from pilot.errors import PilotError
from pilot.exits import (
    KEY_VARIABLE,
    SIGN_IN,
    START,
    TOKEN_VARIABLE,
)
from pilot.graph.issues import Issue
from pilot.graphfile import describe
from pilot.roles import Role
from pilot.settings import load_settings
from pilot.tokens import DevelopmentIssuer, jwks_path

T = TypeVar("T")

DEFAULT_USER = "dev"


def local_token(
    data_dir: Path, user: str, *, org: str | None = None, role: Role = Role.ADMIN
) -> str:
    """A token of the data folder's development issuer. Raises `PilotError` where the issuer
    is off."""
    settings = load_settings()
    if settings.issuer is not None:
        raise PilotError(
            "CLERK_JWT_ISSUER is set, so the development issuer is off: sign in with Clerk and "
            f"give its token in {TOKEN_VARIABLE}, or an API key in {KEY_VARIABLE}",
            code="issuer_off",
        )
    if "pilot_env" in settings.model_fields_set and not settings.is_development:
        raise PilotError(
            "PILOT_ENV is production, where the development issuer is off: give an API key in "
            f"{KEY_VARIABLE}",
            code="issuer_off",
        )
    return DevelopmentIssuer.open(data_dir).mint(user, org=org, role=role.value)


def server_url(server: str | None, data_dir: Path) -> str:
    """The given server, else the one that `pilot dev` runs on the data folder."""
    if server is not None:
        if not server.startswith(("http://", "https://")):
            raise PilotError(f"--server {server}: an address begins with http:// or https://")
        return server
    state = read_state(data_dir)
    if state is None:
        raise PilotError(f"no `pilot dev` runs on {data_dir}: {START}", code="no_server")
    return state.api.url


def open_client(server: str | None, data_dir: Path, user: str = DEFAULT_USER) -> AsyncClient:
    """A client that is signed in, as far as one can tell without asking."""
    url = server_url(server, data_dir)
    given = os.environ.get(KEY_VARIABLE) or os.environ.get(TOKEN_VARIABLE)
    if given:
        return AsyncClient(url, given)
    if server is not None and not jwks_path(data_dir).exists():
        raise PilotError(f"not signed in to {url}: {SIGN_IN}", code="not_signed_in")
    local_token(data_dir, user)  # says at once where the issuer is off
    return AsyncClient(url, lambda: local_token(data_dir, user))


def with_client(
    server: str | None, data_dir: Path, user: str, ask: Callable[[AsyncClient], Awaitable[T]]
) -> T:
    """What a client is told, asked for on an event loop of its own. The issues of what the API
    refuses go to stderr."""

    async def asked() -> T:
        async with open_client(server, data_dir, user) as client:
            return await ask(client)

    try:
        return asyncio.run(asked())
    except ApiError as error:
        say_issues(error.issues)
        raise


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def say_issues(issues: list[Issue]) -> None:
    for issue in issues:
        say(describe(issue))
