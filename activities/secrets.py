"""The secrets that a node's configuration refers to, fetched and opened in the worker alone."""

from __future__ import annotations

from collections.abc import Mapping

from pilot import vault
from pilot.crypto import Keyring
from pilot.errors import CiphertextError, NodeError, UnknownKeyError
from pilot.store.secrets import SecretStore


class Secrets:
    """The worker's way to its users' secrets. Without a store nobody has any; without a
    keyring none opens."""

    def __init__(self, store: SecretStore | None = None, keyring: Keyring | None = None) -> None:
        self._store = store
        self._keyring = keyring

    async def values(self, owner: str, wanted: Mapping[str, bool]) -> dict[str, str]:
        """The values by name. `wanted` says of each name whether it must be there.

        Raises `NodeError`: `missing_secret`, `encryption_not_configured`,
        `secret_unreadable`; `UnavailableError` where the store is down.
        """
        if not wanted:
            return {}
        found = {} if self._store is None else await self._store.get(owner, wanted)
        missing = sorted(name for name, must in wanted.items() if must and name not in found)
        if missing:
            one = len(missing) == 1
            raise NodeError(
                f"there is no secret {missing[0]!r}: store it"
                if one
                else f"there are no secrets {', '.join(map(repr, missing))}: store them",
                code="missing_secret",
            )
        if self._keyring is None and found:
            raise NodeError(
                "secrets cannot be read: PILOT_ENCRYPTION_KEY is not set for this worker",
                code="encryption_not_configured",
            )
        values: dict[str, str] = {}
        for name, secret in found.items():
            assert self._keyring is not None
            try:
                values[name] = vault.reveal(self._keyring, secret)
            except CiphertextError as error:
                raise NodeError(
                    f"the secret {name!r} cannot be read: {error.message}",
                    code="secret_unreadable",
                    # another worker may have been given the key already
                    retryable=isinstance(error, UnknownKeyError),
                ) from None
        return values
