"""The caller of a request: a user, in an organisation or for themselves, or a program's key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilot import tokens
from pilot.errors import PilotError
from pilot.roles import Role

CLERKS_ROLES = {
    "admin": Role.ADMIN,
    "member": Role.EDITOR,
    "basic_member": Role.EDITOR,
    "editor": Role.EDITOR,
    "runner": Role.RUNNER,
    "viewer": Role.VIEWER,
}
"""By the key that an organisation's role has in Clerk, without `org:`. Clerk makes the first two
itself; whatever else an organisation calls its roles may only look."""


class InvalidTokenError(PilotError):
    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified user, and until when (Unix seconds) their token holds.

    With `org_id` they act in that organisation, in its `role`; without, for themselves. `key_id`
    is set where a program called with an API key that the user made. `token` is the JWT, for
    what acts in the user's name.
    """

    user_id: str
    expires_at: float
    org_id: str | None = None
    role: Role = Role.ADMIN
    session_id: str | None = None
    key_id: str | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        """Whose things the caller works with."""
        return self.org_id or self.user_id

    @property
    def grantees(self) -> tuple[str, ...]:
        """As whom the caller may have been let in to somebody else's workflow. A key is let in
        nowhere: it acts for its owner alone."""
        if self.key_id is not None:
            return ()
        return (self.user_id,) if self.org_id is None else (self.user_id, self.org_id)


def caller_of(claims: dict[str, Any], token: str) -> Caller:
    """The caller of verified claims. Raises `InvalidTokenError`.

    The organisation is in `org_id` and `org_role`, or, in the second version of Clerk's session
    tokens, in `o.id` and `o.rol` (https://clerk.com/docs/backend-requests/resources/session-tokens).
    """
    user = claims["sub"]
    if not _is_id(user):
        raise InvalidTokenError("the token's subject is no user")
    if claims.get("sts") == "pending":
        raise InvalidTokenError("the session has a step left before the user is signed in")
    second = claims.get("o")
    if isinstance(second, dict):
        org, role = second.get("id"), second.get("rol")
    else:
        org, role = claims.get("org_id"), claims.get("org_role")
    session = claims.get("sid")
    if org is not None and not _is_id(org):
        raise InvalidTokenError("the token's organisation is none")
    return Caller(
        user_id=user,
        expires_at=float(claims["exp"]),
        org_id=org,
        role=Role.ADMIN if org is None else _role(role),
        session_id=session if isinstance(session, str) else None,
        token=token,
    )


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= tokens.MAX_USER_CHARS


def _role(value: object) -> Role:
    return CLERKS_ROLES.get(str(value).removeprefix("org:"), Role.VIEWER)
