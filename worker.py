"""The worker process: `python -m worker`.

Polls the runs' task queue, and those that some node types have for themselves, or some of these
(`PILOT_WORKER_QUEUES`); runs the interpreter's workflow tasks and the nodes' activities. Any number
of workers share a queue; one that dies is replaced by the others' retries.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn, TypedDict

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities import resources
from activities.llm import preload
from pilot import logs, reconciler, retention, sentry, tracing
from pilot.embedded import SEARCH_ATTRIBUTES
from pilot.errors import PilotError, SettingsError
from pilot.plugin import PilotPlugin
from pilot.settings import Settings, get_settings
from pilot.temporal import connect, register_search_attributes, runtime

log = logging.getLogger("worker")

FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.05, 5.0
SERVER_LIMIT = timedelta(seconds=5)

# How long the end may take once the running activities had their time: what they came to is
# reported, and events go out. A Temporal or a store that does not answer must not hold it up.
ENDING_S = 8.0

# How long a run's next workflow task waits for the worker that has the run in memory, before any
# other may take it and rebuild the run from its history: what a dead worker costs the runs that
# it held, and what a busy one has before it is taken for dead. (Temporal's default is 10 s.)
STICKY = timedelta(seconds=5)


async def serve(settings: Settings) -> None:
    """Polls until it is cancelled, then drains: running activities get their time."""
    _serve_metrics(settings)
    async with PilotPlugin.open(settings) as plugin:
        client = await connect_patiently(settings, plugin)
        await _ensure_search_attributes(client)
        queues = settings.served_queues
        workers = [_worker(client, queue, settings) for queue in queues]
        running = asyncio.create_task(_run_all(workers))
        try:
            await _until_polling(workers, running)
            print(
                f"worker polls {', '.join(map(repr, queues))} at {settings.temporal_address} "
                f"(namespace {settings.temporal_namespace!r}, pid {os.getpid()})",
                flush=True,
            )
            _say_left_over(settings)
            if settings.temporal_task_queue in queues:
                await _ensure_schedules(client, settings)
            # A model client takes seconds to import, and the first run may not need one. The
            # thread is a daemon so that a stop does not wait for it.
            threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
            await asyncio.shield(running)
        except asyncio.CancelledError:
            log.info("stopping: no new tasks are taken, running activities may finish")
            raise
        finally:
            running.cancel()
            await asyncio.wait([running])


def _worker(client: Client, queue: str, settings: Settings) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        sticky_queue_schedule_to_start_timeout=STICKY,
        **load(settings),
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_s),
        deployment_config=_deployment(settings),
    )


async def _run_all(workers: Sequence[Worker]) -> None:
    """Until one of them fails, or it is cancelled; then all drain."""
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())


def _say_left_over(settings: Settings) -> None:
    known = {settings.temporal_task_queue, *settings.pilot_task_queues.values()}
    for queue in settings.served_queues:
        if queue not in known:
            log.warning(
                "PILOT_WORKER_QUEUES: PILOT_TASK_QUEUES sends nothing to %r; runs that began when "
                "it did may",
                queue,
            )


class Load(TypedDict):
    """How much a worker does at once."""

    max_concurrent_workflow_tasks: int
    max_concurrent_activities: int
    max_concurrent_local_activities: int


def load(settings: Settings) -> Load:
    return Load(
        max_concurrent_workflow_tasks=settings.pilot_max_workflow_tasks,
        max_concurrent_activities=settings.pilot_max_activities,
        max_concurrent_local_activities=settings.pilot_max_activities,
    )


def _serve_metrics(settings: Settings) -> None:
    address = settings.pilot_metrics_address
    try:
        runtime(address)
    except ValueError as error:
        raise SettingsError(f"PILOT_METRICS_ADDRESS: {address}: {error}") from None


def warm_up() -> None:
    """Imports what the first model call needs, and hides all that is loaded by then from the
    garbage collector.

    Python's full collections walk every object of the process and stop all its threads: with
    the model client loaded 0.3 to 0.5 s each, on whichever run happens to trigger one.
    """
    gc.disable()
    try:
        preload()
    finally:
        gc.freeze()
        gc.enable()


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """The version of this worker, where the operator runs several beside each other."""
    if settings.pilot_deployment is None or settings.pilot_build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.pilot_deployment, settings.pilot_build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior[settings.pilot_versioning.upper()],
    )


async def _until_polling(workers: Sequence[Worker], running: asyncio.Task[None]) -> None:
    while not all(worker.is_running for worker in workers) and not running.done():  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0.01)
    if running.done():
        await running


async def connect_patiently(settings: Settings, plugin: PilotPlugin) -> Client:
    """A client whose server knows the namespace; tries again, with backoff, until then."""
    backoff = FIRST_BACKOFF_S
    said = ""
    while True:
        try:
            client = await connect(
                settings, plugins=[plugin], metrics_address=settings.pilot_metrics_address
            )
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=settings.temporal_namespace),
                timeout=SERVER_LIMIT,
            )
        except (RuntimeError, RPCError) as error:
            reason = _one_line(error)
            if reason != said and backoff > 10 * FIRST_BACKOFF_S:
                log.warning(
                    "Temporal at %s does not answer yet (%s): trying again",
                    settings.temporal_address,
                    reason,
                )
                said = reason
        else:
            return client
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, MAX_BACKOFF_S)


async def _ensure_search_attributes(client: Client) -> None:
    try:
        added = await register_search_attributes(client)
    except RPCError as error:
        log.warning(
            "the search attributes %s (Keyword) could not be registered (%s): an operator "
            "must add them to the namespace %r",
            ", ".join(SEARCH_ATTRIBUTES),
            _one_line(error),
            client.namespace,
        )
        return
    if added:
        log.info("registered the search attributes %s", ", ".join(added))


async def _ensure_schedules(client: Client, settings: Settings) -> None:
    queue = settings.temporal_task_queue
    reconcile = timedelta(seconds=settings.pilot_reconcile_every_s)
    prune = timedelta(seconds=settings.pilot_retention_every_s)
    for what, making, lost in (
        (
            "reconciler",
            reconciler.ensure_schedule(client, queue, reconcile),
            "executions whose run was terminated stay open",
        ),
        (
            "retention",
            retention.ensure_schedule(client, queue, prune),
            "nothing is deleted for its age",
        ),
    ):
        try:
            await making
        except RPCError as error:
            log.warning(
                "the schedule of the %s could not be made (%s): %s until a worker starts that may",
                what,
                _one_line(error),
                lost,
            )


async def _until_signalled(settings: Settings) -> None:
    """Serves until the first SIGTERM or SIGINT, and then for as long as running activities may
    go on. A second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(serve(settings))

    def stop(number: int) -> None:
        if serving.cancelling():
            _end_now(128 + number)
        serving.cancel()
        # a thread, as it may be the event loop that does not come to its end
        limit = threading.Timer(settings.drain_s + ENDING_S, _end_late)
        limit.daemon = True
        limit.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    with suppress(asyncio.CancelledError):
        await serving


def _end_late() -> None:
    log.error("not ended in time: what was left is for another worker's attempts")
    _end_now(1)


def _end_now(code: int) -> None:
    """Ends the process as it is. A subprocess of the sandbox that is in the middle of a program
    would not notice before the program's end."""
    with suppress(RuntimeError):
        for pid in resources.current().sandbox.process_ids.copy():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    os._exit(code)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def main() -> int:
    try:
        settings = get_settings()
        settings.check()
        logs.configure(settings)
        sentry.init(settings, "worker")
        tracing.init(settings, "worker")
    except PilotError as error:
        print(f"worker: {error}", file=sys.stderr)
        return 2
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_until_signalled(settings))
    except PilotError as error:
        log.error("%s", error)
        return 1
    return 0


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where there is one: with many runs asyncio's own takes a tenth more of the
    processor (docs/benchmarks.md). Workflows have Temporal's own loop on either."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 (not there on every system)

    return uvloop.new_event_loop()


def _leave(code: int) -> NoReturn:
    """Ends the process once what was registered for its end is done. The interpreter's own end
    would go through all that a model client has loaded, for seconds (7 on a busy machine)."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
