"""Encryption of everything that Temporal keeps of a run: arguments, results, signals, queries,
memos, summaries, and the messages and stack traces of failures.

Only what the codec is given can be encrypted. Temporal's server must read workflow and activity
types, ids, task queues, times, search attributes and the codes (types) of failures; those stay
in the clear (docs/security.md).

A payload says in its metadata to whom it belongs, its *scope*: `run:<workflow id>` for what
Temporal encodes for a run, `user:<id>` for what a user encoded by the codec endpoint. The scope
is bound into the ciphertext, so that nobody can claim another's payload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from pilot.crypto import Binding, Keyring

ENCODING = b"binary/encrypted"
ENCODING_KEY = "encoding"
KEY_ID_KEY = "encryption-key-id"
SCOPE_KEY = "pilot-scope"

REPEATABLE_BYTES = 32 * 1024
"""From here on the same payload is sealed the same each time, for a run: the payload store, which
has nothing smaller, keeps it once."""


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    """Encrypts by the newest key. What was never encrypted passes as it is when it is read, so
    runs in flight go on when encryption is switched on."""

    def __init__(self, keyring: Keyring, scope: str = "") -> None:
        self._keyring = keyring
        self._scope = scope

    def with_context(self, context: SerializationContext) -> Self:
        match context:
            case WorkflowSerializationContext() | ActivitySerializationContext():
                if context.workflow_id:
                    return type(self)(self._keyring, run_scope(context.workflow_id))
        return self

    def for_user(self, user_id: str) -> Self:
        """The codec of what a user encodes."""
        return type(self)(self._keyring, f"user:{user_id}")

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises `UnknownKeyError` or `CiphertextError`."""
        return [
            self.decrypted(payload) if is_encrypted(payload) else payload for payload in payloads
        ]

    def _encrypted(self, payload: Payload) -> Payload:
        message = payload.SerializeToString(deterministic=True)
        is_large = len(message) >= REPEATABLE_BYTES
        sealed = self._keyring.seal(message, _binding(self._scope), repeatable=is_large)
        return Payload(
            metadata={
                ENCODING_KEY: ENCODING,
                KEY_ID_KEY: self._keyring.newest.encode(),
                SCOPE_KEY: self._scope.encode(),
            },
            data=sealed,
        )

    def decrypted(self, payload: Payload) -> Payload:
        opened = self._keyring.open(payload.data, _binding(scope_of(payload)))
        return Payload.FromString(opened)


def run_scope(workflow_id: str) -> str:
    return f"run:{workflow_id}"


def is_encrypted(payload: Payload) -> bool:
    return payload.metadata.get(ENCODING_KEY) == ENCODING


def scope_of(payload: Payload) -> str:
    """To whom an encrypted payload claims to belong: it opens only if that is true."""
    return payload.metadata.get(SCOPE_KEY, b"").decode(errors="replace")


def _binding(scope: str) -> Binding:
    return Binding("payload", scope)


def encrypted(converter: DataConverter, keyring: Keyring | None) -> DataConverter:
    """The converter with encryption; as it is without keys, or where it has a codec already.

    A failure converter that is not Temporal's default is kept: whether it moves its messages to
    where a codec sees them is its own matter.
    """
    if keyring is None or converter.payload_codec is not None:
        return converter
    if converter.failure_converter_class is DefaultFailureConverter:
        converter = replace(
            converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes
        )
    return replace(converter, payload_codec=EncryptionCodec(keyring))
