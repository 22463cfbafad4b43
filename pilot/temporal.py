"""The connection to Temporal, made the same way by API, worker and command line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client, Plugin
from temporalio.converter import DataConverter
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError, RPCStatusCode

from pilot import tracing
from pilot.codec import encrypted
from pilot.converter import LeanPayloadConverter
from pilot.embedded import SEARCH_ATTRIBUTES
from pilot.keys import payload_keyring
from pilot.metrics import exporter
from pilot.payloads.driver import stored_apart
from pilot.payloads.objects import Objects
from pilot.payloads.place import sizes_of
from pilot.settings import Settings
from pilot.temporal_tls import tls_of

data_converter = DataConverter(payload_converter_class=LeanPayloadConverter)

HEARTBEAT_S = 2.0
"""How often a worker tells the server that it lives. As it comes, once a minute."""


@lru_cache
def runtime(metrics_address: str | None = None) -> Runtime:
    """The process's Temporal core. Its log goes to Python's logger `temporalio.core`: by
    default it would be written to stdout, which belongs to the program. With an address it
    serves metrics there.

    Raises ValueError for an address that cannot be listened on.
    """
    return Runtime(
        telemetry=TelemetryConfig(
            metrics=None if metrics_address is None else exporter(metrics_address),
            attach_service_name=False,
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
                forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
            ),
        ),
        worker_heartbeat_interval=timedelta(seconds=HEARTBEAT_S),
    )


async def connect(
    settings: Settings,
    *,
    lazy: bool = False,
    plugins: Sequence[Plugin] = (),
    metrics_address: str | None = None,
) -> Client:
    """A client for the configured server and namespace.

    The connection is over TLS as `pilot.temporal_tls` says; TEMPORAL_API_KEY is shown over TLS
    only, so a key meant for the cloud never goes to a server on loopback in the clear. With
    PILOT_ENCRYPTION_KEY all payloads are encrypted, and large ones go to the payload store, where
    there is one. A `lazy` client connects with its first call and never fails here. Metrics are
    served at `metrics_address` (see `runtime`).

    Raises RuntimeError when the server does not answer, SettingsError for a bad key
    or certificate.
    """
    key = settings.temporal_api_key
    converter = encrypted(data_converter, payload_keyring(settings))
    tls = tls_of(settings)
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=key.get_secret_value() if key is not None and tls else None,
        tls=tls or False,
        data_converter=stored_apart(converter, Objects.open(settings), sizes_of(settings)),
        plugins=plugins,
        interceptors=tracing.interceptors(),
        lazy=lazy,
        runtime=runtime(metrics_address),
    )


async def register_search_attributes(client: Client) -> tuple[str, ...]:
    """Adds πlot's search attributes to the client's namespace, those that it lacks.

    Returns the names that were added. Raises RPCError where the server refuses, as Temporal
    Cloud does: there an operator adds them.
    """
    namespace = client.namespace
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace)
    )
    missing = tuple(name for name in SEARCH_ATTRIBUTES if name not in listed.custom_attributes)
    if not missing:
        return ()
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=namespace, search_attributes=dict.fromkeys(missing, keyword)
            )
        )
    except RPCError as error:
        # Another worker that started at the same moment was first.
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return ()
        raise
    return missing
