"""The secrets that a node's configuration refers to, fetched and opened in the worker alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pilot import hooks, vault
from pilot.crypto import Keyring
from pilot.errors import CiphertextError, NodeError, UnknownKeyError
from pilot.graph.secrets import HOOK
from pilot.store.secrets import SecretStore

_TOOL_CALL = re.compile(r"(^|(?<=\])\.)[^\[\]]*#\d+\.\d+$")


class Secrets:
    """The worker's way to its users' secrets. Without a store nobody has any; without a
    keyring none opens."""

    def __init__(
        self,
        store: SecretStore | None = None,
        keyring: Keyring | None = None,
        public_url: str = "",
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._public_url = public_url

    def hooks(self, execution_id: str, nodes: Iterable[str], path: str) -> dict[str, str]:
        """The addresses of waiting nodes' webhooks, each named `HOOK` and its node's id. `path`
        is that of the node which asks: both stand in the same graph. Raises `NodeError`
        (`encryption_not_configured`)."""
        path, wanted = _TOOL_CALL.sub("", path), sorted(nodes)
        if wanted and self._keyring is None:
            raise NodeError(
                "a webhook has no address: PILOT_ENCRYPTION_KEY is not set for this worker",
                code="encryption_not_configured",
            )
        return {
            HOOK + node: hooks.address(
                self._keyring, self._public_url, hooks.Hook(execution_id, node, path)
            )
            for node in wanted
            if self._keyring is not None
        }

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
