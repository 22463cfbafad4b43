"""What the activities of one worker process share: opened once, closed with the worker."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from activities.accounting import Accounting
from activities.guard import Guard, GuardedTransport
from activities.sandbox import Sandbox, open_sandbox
from activities.scrub import logs
from activities.secrets import Secrets
from pilot.compiled import Plans
from pilot.errors import SettingsError
from pilot.nodes.code import Limits
from pilot.payloads.objects import Objects
from pilot.payloads.place import sizes_of
from pilot.payloads.sizes import Sizes
from pilot.settings import Settings
from pilot.store import Store
from pilot.store.llm_calls import LlmCallStore
from pilot.store.places import PlaceStore
from pilot.store.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Resources:
    """The sandbox's pool of subprocesses, the guard of outgoing connections, the HTTP client
    whose connections it guards, the one for the operator's own model server, what may be kept
    where, and the plans of workflows that nodes called last."""

    settings: Settings
    sandbox: Sandbox
    guard: Guard
    http: httpx.AsyncClient
    model_http: httpx.AsyncClient
    secrets: Secrets
    accounting: Accounting
    llm_calls: LlmCallStore | None = None
    store: Store | None = None
    objects: Objects | None = None
    plans: Plans = field(default_factory=Plans)

    @property
    def sizes(self) -> Sizes:
        return Sizes() if self.objects is None else sizes_of(self.settings)


_current: Resources | None = None


def current() -> Resources:
    """The process's resources. They must be open."""
    if _current is None:
        raise RuntimeError("no resources: run inside `async with activities.registry.resources()`")
    return _current


def is_open() -> bool:
    return _current is not None


def sizes() -> Sizes:
    """What a result may have: Temporal's own limits where no resources are open."""
    return Sizes() if _current is None else _current.sizes


@contextlib.asynccontextmanager
async def resources(
    settings: Settings,
    secrets: Secrets | None = None,
    usage: UsageStore | None = None,
    llm_calls: LlmCallStore | None = None,
    store: Store | None = None,
    objects: Objects | None = None,
    places: PlaceStore | None = None,
) -> AsyncIterator[Resources]:
    """Opens the process's resources and closes them at the end, whatever happened. Without
    `secrets` nobody has any; without `usage` no model call is limited or
    written down; without `llm_calls` none is remembered, and none is cached;
    without `store` no run begins another; without `places` no limits of models hold. `objects` is
    the payload store."""
    global _current  # noqa: PLW0603
    logs.install()
    outer = _current
    guard = Guard(settings.pilot_allowed_hosts, ports=settings.pilot_allowed_ports)
    async with (
        open_sandbox(ceiling=_ceiling(settings)) as sandbox,
        httpx.AsyncClient(
            transport=GuardedTransport(guard, tls_context(settings)),
            cookies=_no_cookies(),
            trust_env=False,
            follow_redirects=False,
        ) as http,
        httpx.AsyncClient(cookies=_no_cookies()) as model_http,
        Accounting.open(settings, usage, places) as accounting,
    ):
        _current = Resources(
            settings=settings,
            sandbox=sandbox,
            guard=guard,
            http=http,
            model_http=model_http,
            secrets=secrets or Secrets(),
            accounting=accounting,
            llm_calls=llm_calls,
            store=store,
            objects=objects,
        )
        try:
            yield _current
        finally:
            _current = outer


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Certificates are checked, against the operator's own authorities too; not to is the
    operator's choice and no node's."""
    if not settings.pilot_tls_verify:
        return httpx.create_ssl_context(verify=False, trust_env=False)
    context = httpx.create_ssl_context(trust_env=False)
    if settings.pilot_tls_ca_file is not None:
        try:
            context.load_verify_locations(settings.pilot_tls_ca_file)
        except OSError as error:
            raise SettingsError(f"PILOT_TLS_CA_FILE: {error}") from None
    return context


def _ceiling(settings: Settings) -> Limits:
    return Limits(
        time_s=settings.pilot_code_max_time_s,
        memory_mb=settings.pilot_code_max_memory_mb,
        output_kb=settings.pilot_code_max_output_kb,
        logs_kb=settings.pilot_code_max_logs_kb,
    )


def _no_cookies() -> CookieJar:
    """A jar that takes none: one run's session is not another's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
