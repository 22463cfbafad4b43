"""Puts the interpreter of graphs on anyone's Temporal client and worker.

    async with PilotPlugin.open(settings) as plugin:
        client = await Client.connect(address, plugins=[plugin])
        await Worker(client, task_queue="pilot").run()

The worker may have workflows and activities of its own; πlot's are added to them: all of them, or
those of nodes alone, where its task queue is one of `PILOT_TASK_QUEUES`. A plugin
made without a store (`PilotPlugin()`) serves clients and replayers; with a keyring it encrypts
payloads, and reads encrypted ones; with `objects` and `sizes` it keeps large ones in the payload
store (docs/payloads.md). `pilot.caller` is for a worker whose workflows call graphs that other
workers run.
"""

from __future__ import annotations

import pilot.layout  # noqa: F401 (first: it says which module hides one of ours)

# isort: split

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.deliveries import check_delivery
from activities.forget import Forgetter
from activities.gathering import Gathering
from activities.graph_calls import GraphCalls
from activities.interceptor import NodeInterceptor
from activities.iterations import Iterations
from activities.later import Later
from activities.prune import Pruner
from activities.recall import Recall
from activities.reconcile import Reconciler
from activities.record import Recorder
from activities.registry import node_activities, resources
from activities.scheduled import ScheduledRuns, ScheduleKeeper
from activities.secrets import Secrets
from activities.slots import Slots
from activities.stretch import run_stretch
from activities.waits import WaitNotes
from pilot import extras, metrics, ordering
from pilot.archive import Archive
from pilot.budget import ceiling
from pilot.caller import converter
from pilot.crypto import Keyring
from pilot.errors import PilotError
from pilot.events import sink
from pilot.events.connection import open_bus
from pilot.events.model import Envelope
from pilot.events.publisher import Publisher
from pilot.identity import worker_identity
from pilot.keys import payload_keyring, secrets_keyring
from pilot.metrics import WorkerMetrics
from pilot.nodes import specs
from pilot.payloads.objects import Objects
from pilot.payloads.place import sizes_of
from pilot.payloads.sizes import Sizes
from pilot.preparation import Preparation
from pilot.queues import Queues
from pilot.retention import Policy
from pilot.runner import WorkflowCodeSandbox
from pilot.settings import Settings
from pilot.standing import Standings
from pilot.store import Store
from pilot.store.open import open_store
from pilot.store.usage import Limits
from pilot.triggers.schedules import Schedules
from workflows_def.forget import ForgetOwner
from workflows_def.graph_call import CallGraph
from workflows_def.interpreter import InterpretGraph
from workflows_def.items import RunItems
from workflows_def.later import StartLater
from workflows_def.prune import PruneOld
from workflows_def.reconcile import ReconcileExecutions
from workflows_def.repeat import RunLoop
from workflows_def.scheduled import RunScheduled

PASSTHROUGH = (
    "pilot",
    "workflows_def",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "opentelemetry",
)
"""Modules that the sandbox shares with the process instead of loading them for each run.
`pilot` must be one: the sink lives in it, and a copy would have no publisher. The rest is
pure, and loading it again would cost each run 100 ms."""

MAX_HEARTBEAT_THROTTLE = timedelta(seconds=1)
"""A cancellation reaches an activity as the answer to a heartbeat, and Temporal's default
holds heartbeats back for up to a minute."""

NO_CEILING = Limits()
NO_STORE = Sizes()


class PilotPlugin(SimplePlugin):
    """Data converter, workflow, activities, sandbox settings and the way out for events."""

    def __init__(
        self,
        store: Store | None = None,
        publisher: Publisher | None = None,
        keyring: Keyring | None = None,
        *,
        max_runs: int | None = None,
        standings: Standings | None = None,
        queues: Queues | None = None,
        node_queues: Collection[str] = (),
        policy: Policy | None = None,
        archive: Archive | None = None,
        redis_url: str | None = None,
        ceiling: Limits = NO_CEILING,
        objects: Objects | None = None,
        sizes: Sizes = NO_STORE,
    ) -> None:
        super().__init__(
            "pilot.PilotPlugin",
            data_converter=converter(keyring, objects, sizes),
            workflows=[
                InterpretGraph,
                RunItems,
                RunLoop,
                ReconcileExecutions,
                StartLater,
                RunScheduled,
                CallGraph,
                PruneOld,
                ForgetOwner,
            ],
            workflow_runner=_with_passthrough,
        )
        self._store = store
        self._max_runs = max_runs
        self._standings = standings
        self._queues = queues
        self._node_queues = node_queues
        self._policy = policy or Policy({})
        self._archive = archive
        self._redis_url = redis_url
        self._ceiling = ceiling
        self._objects = objects
        self._sizes = sizes
        self.publisher = publisher
        self._layers: tuple[str, ...] = ()
        self._metrics = metrics.current()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """A plugin for workers, with the store and the bus of the settings, and what the
        activities share (clients, sandboxes). Closes them all on the way out.

        Raises `SettingsError` for a variable whose extra is not installed."""
        extras.check(settings)
        async with AsyncExitStack() as stack:
            store = await open_store(settings)
            stack.push_async_callback(store.close)
            bus = open_bus(settings)
            stack.push_async_callback(bus.close)
            publisher = await stack.enter_async_context(Publisher(bus, store))
            secrets = Secrets(store.secrets, secrets_keyring(settings), settings.public_url)
            objects = Objects.open(settings)
            shared = await stack.enter_async_context(
                resources(
                    settings, secrets, store.usage, store.llm_calls, store, objects, store.places
                )
            )
            redis_url, folder = settings.redis_url, settings.pilot_archive_dir
            plugin = cls(
                store,
                publisher,
                payload_keyring(settings),
                max_runs=settings.max_runs,
                standings=settings.pilot_priorities,
                queues=settings.pilot_task_queues,
                node_queues=settings.node_queues,
                policy=Policy.of(settings),
                archive=None if folder is None else Archive(folder),
                redis_url=None if redis_url is None else redis_url.get_secret_value(),
                ceiling=ceiling(settings),
                objects=objects,
                sizes=sizes_of(settings),
            )
            plugin._layers = shared.sandbox.layers
            yield plugin

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        if self._store is None or self.publisher is None:
            raise PilotError("a worker needs a store: make the plugin by `PilotPlugin.open`")
        own_workflows, activities = config.get("workflows"), [*(config.get("activities") or ())]
        config = super().configure_worker(config)
        activities += node_activities()
        if config["task_queue"] in self._node_queues:
            config["workflows"] = own_workflows or ()
        else:
            activities += self._of_runs(self._store, self.publisher, config)
        config["activities"] = activities
        config["interceptors"] = [NodeInterceptor(), *(config.get("interceptors") or ())]
        self._metrics = WorkerMetrics.of(config["client"])
        throttle = config.get("max_heartbeat_throttle_interval", MAX_HEARTBEAT_THROTTLE)
        config["max_heartbeat_throttle_interval"] = min(throttle, MAX_HEARTBEAT_THROTTLE)
        if not config.get("identity"):
            config["identity"] = worker_identity(self._layers)
        return config

    def _of_runs(
        self, store: Store, publisher: Publisher, config: WorkerConfig
    ) -> list[Callable[..., Any]]:
        """What runs need beside their nodes, and what looks after them."""
        client, queue = config["client"], config["task_queue"]
        slots = Slots(store, client, queue, self._max_runs, self._standings, self._queues)
        iterations = Iterations(store, client)
        schedules = Schedules(client, queue)
        keeper = ScheduleKeeper(store, schedules)
        preparation = Preparation(store, specs(), self._ceiling, self._sizes)
        scheduled = ScheduledRuns(preparation, client, slots, schedules, self._max_runs)
        calls = GraphCalls(preparation, slots, self._max_runs)
        return [
            check_delivery,
            run_stretch,
            WaitNotes(store).note,
            Recorder(store, publisher, client, slots).record,
            Recall(store, client).recall,
            Reconciler(store, client, slots, keeper, self._objects).reconcile,
            iterations.record,
            iterations.recall,
            Gathering(store).gather,
            Later(store, slots).release_due,
            Pruner(store, client, self._policy, self._archive, self._objects).prune,
            Forgetter(store, client, self._archive, self._redis_url, self._objects).forget,
            scheduled.begin,
            scheduled.status,
            scheduled.cancel,
            calls.begin,
            calls.result,
        ]

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Runs the worker with its publisher installed as the process's sink of events, and
        its metrics as the process's."""
        assert self.publisher is not None
        publish, counted = self.publisher.emit, self._metrics.emitted

        def ours(envelope: Envelope) -> None:
            counted(envelope)
            publish(envelope)

        ordering.watch(worker)
        before = sink.current()
        sink.install(ours)
        metrics.install(self._metrics)
        try:
            await super().run_worker(worker, next)
        finally:
            # another worker of this process may have come in between
            if sink.current() == ours:
                sink.install(before)


def _with_passthrough(existing: WorkflowRunner | None) -> WorkflowRunner:
    if existing is None:
        existing = SandboxedWorkflowRunner()
    if not isinstance(existing, SandboxedWorkflowRunner):
        return existing
    restrictions = existing.restrictions.with_passthrough_modules(*PASSTHROUGH)
    if type(existing) is SandboxedWorkflowRunner:
        return WorkflowCodeSandbox(restrictions, existing.runner_class)
    return replace(existing, restrictions=restrictions)
