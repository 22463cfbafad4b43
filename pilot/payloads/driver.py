"""Temporal's external-storage hook, on the payload store.

A payload of `Sizes.apart` bytes and more that belongs to an execution (its workflow, or a child in
which a body of its loops and maps runs) is stored apart, as the codec left it, and the history
has a reference. Whatever else a client or a worker sends stays where it was: another program's
workflows, schedules, heartbeats.

Whoever reads a history needs the same store: every API process, worker and replayer.

Source: https://docs.temporal.io/external-storage
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import Parse, ParseError
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference
from temporalio.converter import (
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverSelectContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from temporalio.exceptions import ApplicationError

from pilot.errors import PayloadGoneError, PayloadStoreError
from pilot.payloads.objects import Objects, execution_in
from pilot.payloads.sizes import Sizes

NAME = "pilot.payloads"
KEY = "key"
"""In a claim."""
RETRY_DELAY = timedelta(seconds=5)
"""After which an attempt that the store failed is made again."""

_OURS = re.compile(r"execution-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/.*)?", re.DOTALL)
_MESSAGE_TYPE = ExternalStorageReference.DESCRIPTOR.full_name.encode()


class PayloadDriver(StorageDriver):
    """Errors are `ApplicationError`s, as an attempt of an activity fails by them:
    `payload_store_unavailable`, `payload_gone`. All are tried again."""

    def __init__(self, objects: Objects, sizes: Sizes) -> None:
        self.objects = objects
        self.sizes = sizes

    def name(self) -> str:
        return NAME

    def type(self) -> str:
        return NAME

    def select(self, context: StorageDriverSelectContext, payload: Payload) -> StorageDriver | None:
        return None if _owner(context.target) is None else self

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[Payload]
    ) -> list[StorageDriverClaim]:
        execution_id = _owner(context.target)
        assert execution_id is not None
        keys = await _all(
            self.objects.put(execution_id, payload.SerializeToString()) for payload in payloads
        )
        return [StorageDriverClaim({KEY: key}) for key in keys]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        found = await _all(self.objects.get(claim.claim_data[KEY]) for claim in claims)
        return [Payload.FromString(data) for data in found]


def stored_apart(converter: DataConverter, objects: Objects | None, sizes: Sizes) -> DataConverter:
    """The converter with the payload store; as it is without one, or where it has one already."""
    if objects is None or sizes.apart is None or converter.external_storage is not None:
        return converter
    driver = PayloadDriver(objects, sizes)
    storage = ExternalStorage(
        [driver], driver_selector=driver.select, payload_size_threshold=sizes.apart
    )
    return replace(converter, external_storage=storage)


def sizes_in(converter: DataConverter) -> Sizes:
    """Those of runs that are started by it."""
    storage = converter.external_storage
    for driver in storage.drivers if storage else ():
        if isinstance(driver, PayloadDriver):
            return driver.sizes
    return Sizes()


def key_in(payload: Payload) -> str | None:
    """The key of the object that a payload of Temporal's refers to, where that is one of ours."""
    if payload.metadata.get("messageType") != _MESSAGE_TYPE:
        return None
    try:
        reference = Parse(payload.data, ExternalStorageReference())
    except (ParseError, UnicodeDecodeError):
        return None
    key = reference.claim_data.get(KEY)
    if reference.driver_name != NAME or key is None or execution_in(key) is None:
        return None
    return str(key)


def execution_of(workflow_id: str) -> str | None:
    """The execution that a workflow of Temporal's belongs to; None: it is none of ours."""
    found = _OURS.fullmatch(workflow_id)
    return None if found is None else found[1]


def _owner(target: Any) -> str | None:
    """The execution that a payload is stored for."""
    if not isinstance(target, StorageDriverWorkflowInfo) or target.id is None:
        return None
    return execution_of(target.id)


async def _all(calls: Any) -> list[Any]:
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    except (PayloadStoreError, PayloadGoneError) as error:
        raise ApplicationError(
            error.message, type=error.code, next_retry_delay=RETRY_DELAY
        ) from error
    finally:
        for task in tasks:
            task.cancel()
