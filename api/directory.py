"""Who has an e-mail address: asked of Clerk's Backend API, in the operator's name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from api.problems import Problem, unavailable

if TYPE_CHECKING:
    from clerk_backend_api import Clerk

LIMIT_S = 5.0
"""For one answer with its retries, which Clerk's client would go on with for an hour."""


class Directory:
    """The users of a Clerk application. `server_url` is Clerk's own, but in tests."""

    def __init__(self, secret_key: SecretStr, server_url: str | None = None) -> None:
        self._key = secret_key
        self._server_url = server_url
        self._clerk: Clerk | None = None

    async def user_id(self, email: str) -> str:
        """The id of the user who has proven to have the address.

        Raises `Problem`: 422 `unknown_user` without such a user, 503 where Clerk does not answer.
        """
        from clerk_backend_api.models import NoResponseError  # noqa: PLC0415 (few ask)
        from clerk_backend_api.models.clerkbaseerror import ClerkBaseError  # noqa: PLC0415
        from httpx import HTTPError  # noqa: PLC0415

        try:
            async with asyncio.timeout(LIMIT_S):
                found = await self._open().users.list_async(request={"email_address": [email]})
        except (TimeoutError, ClerkBaseError, NoResponseError, HTTPError) as error:
            raise unavailable(
                "directory_unavailable", "Clerk's list of users does not answer. Try again shortly."
            ) from error
        ids = [user.id for user in found if _has_proven(user, email)]
        if len(ids) != 1:
            raise Problem(422, "unknown_user", "Nobody has signed up with this e-mail address.")
        return ids[0]

    def _open(self) -> Clerk:
        if self._clerk is None:
            from clerk_backend_api import Clerk  # noqa: PLC0415

            self._clerk = Clerk(
                bearer_auth=self._key.get_secret_value(), server_url=self._server_url
            )
        return self._clerk


def _has_proven(user: Any, email: str) -> bool:
    """An address that somebody typed in and never confirmed may be anybody's."""
    return any(
        address.email_address.lower() == email.lower()
        and address.verification is not None
        and address.verification.status == "verified"
        for address in user.email_addresses or ()
    )
