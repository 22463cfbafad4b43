"""Decisions about secrets: sealed here, before the store sees them."""

from __future__ import annotations

from api.pagination import PageOut
from api.parts import Parts
from api.problems import Problem
from api.secrets.schemas import SecretIn, SecretOut
from pilot import vault
from pilot.store.secrets import SecretSummary


async def put(parts: Parts, owner: str, body: SecretIn) -> tuple[SecretOut, bool]:
    """The secret, and whether it is new. Raises `Problem` (503) without a key to seal by."""
    if parts.keyring is None:
        raise Problem(
            503,
            "encryption_not_configured",
            "Secrets cannot be stored: the operator has set no PILOT_ENCRYPTION_KEY.",
        )
    value = body.value.get_secret_value()
    sealed = vault.seal(parts.keyring, owner, body.name, value)
    summary, created = await parts.store.secrets.put(sealed)
    return secret_out(summary), created


async def listing(parts: Parts, owner: str) -> PageOut[SecretOut]:
    found = await parts.store.secrets.summaries(owner)
    return PageOut(items=[secret_out(summary) for summary in found], next_cursor=None)


def secret_out(summary: SecretSummary) -> SecretOut:
    return SecretOut(
        name=summary.name, created_at=summary.created_at, updated_at=summary.updated_at
    )
