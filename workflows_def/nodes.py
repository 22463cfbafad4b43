"""The nodes of a run: started when the schedule makes them ready, followed up when they end."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from pilot.events.model import EventType
from pilot.graph.plan import PlanNode
from pilot.graph.schedule import Changes, Reason, Schedule
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE
from pilot.graph.status import NodeStatus
from pilot.graph.stretch import StretchResult
from pilot.graph.task import NodeResult, Scope
from workflows_def.dispatch import dispatch, policy_of
from workflows_def.ending import Ending, failed
from workflows_def.failure import Failure, failure_of, is_cancelled
from workflows_def.journal import Journal, LiveJournal, start_of
from workflows_def.messages import Recorded, RunInput
from workflows_def.pace import Pace, history_limit
from workflows_def.records import Records
from workflows_def.steps import FOLLOWS, Step, follow
from workflows_def.stretches import Begun, Stretches
from workflows_def.tools import Toolbox
from workflows_def.undisturbed import undisturbed

NO_RECORDING = Failure(
    "no_recording", "this run takes the node's output from another run, which recorded none"
)
OF_ITS_RUN = frozenset({"usage", "usage_total", "attempt", "started_at", "duration_ms"})
"""Of a node's meta, what belongs to the run that it ran in."""

MAX_IN_FLIGHT = 500
"""Nodes of one run that are under way at once. Temporal refuses a workflow more than 2,000
open activities."""

PATCH_NEVER_BEGUN = "tasks that never began are done"


class Nodes:
    """What runs, and what may run next: a whole run's nodes, or (with a `path`) those of one
    iteration of a loop or a map.

    `changed` is set whenever something happened; `ending` when a node's failure, or a limit,
    ends the run; `bug` when the interpreter itself failed. While `held`, no node is started.
    """

    def __init__(
        self,
        run: RunInput,
        schedule: Schedule,
        records: Records,
        journal: Journal | LiveJournal,
        *,
        path: str = "",
        pace: Pace | None = None,
        quiet: bool = False,
    ) -> None:
        """`quiet`: nobody is shown what happens inside of their activities."""
        self._run = run
        self._path = path
        self._quiet = quiet
        self._nodes = {node.id: node for node in run.plan.nodes}
        self._schedule = schedule
        self._records = records
        self._journal = journal
        self._pace = pace or Pace(run.sizes)
        self._toolbox = Toolbox(
            run, schedule, records, journal, self._pace, path, quiet, is_held=lambda: self.held
        )
        self._stretches = Stretches(run, records, self._pace, path, quiet)
        self._ready: deque[str] = deque()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: set[str] = set()
        self._in_line: set[str] = set()
        self._lost: set[str] = set()
        self._stopping: Reason | None = None
        self._cleaning = False
        self.changed = True
        self.held = False
        self.recorded: dict[str, Recorded] = {}
        """What nodes came to in another run: they are not run again."""
        self._reused = frozenset(run.resume.reuse if run.resume and not path else ())
        self._starting = False
        self.ending: Ending | None = None
        self.bug: BaseException | None = None

    @property
    def finished(self) -> bool:
        return self._schedule.finished and not self._tasks

    @property
    def waiting(self) -> list[str]:
        """The nodes that wait, if all that are under way do. One that waits for room at a model
        waits for nothing outside."""
        under_way = list(self._tasks)
        if self._in_line.intersection(under_way):
            return []
        if any(self._schedule.status(node_id) is not NodeStatus.WAITING for node_id in under_way):
            return []
        return under_way

    def name(self, node_id: str | None) -> str | None:
        return None if node_id is None else self._nodes[node_id].name

    def may_wait(self, node_id: str) -> bool:
        """Whether something may be sent to a node ahead of its waiting for it."""
        node = self._nodes.get(node_id)
        return (
            node is not None
            and node.type in FOLLOWS
            and not self._schedule.status(node_id).is_final
        )

    def begin(self) -> None:
        self._apply(self._schedule.begin())

    def begin_cleanup(self) -> None:
        """All has been stopped: the clean-up nodes run, held or not. One that fails ends those
        below it, and nothing else."""
        self._stopping, self._cleaning, self.held = None, True, False
        self._apply(self._schedule.begin_cleanup())

    def go_on(self) -> None:
        """No longer held."""
        self.held = False
        self._start_ready()
        self.changed = True

    async def stop(self, reason: Reason) -> None:
        """Starts nothing more, cancels what is under way and waits for it."""
        self._stopping = reason
        self._ready.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await undisturbed(asyncio.gather(*tasks, return_exceptions=True))
        if self._tasks and workflow.patched(PATCH_NEVER_BEGUN):
            self._tasks.clear()  # those that were cancelled before their first step
        for node_id in self._schedule.running():  # only where the interpreter itself failed
            self._cancelled(self._nodes[node_id])
        for node_id in self._schedule.stop(reason):
            self._skipped(node_id, reason)

    def close(self, uncalled: Reason) -> None:
        """No node runs any more, and none will; tools that were never called are told why."""
        self._toolbox.end()
        for node_id, reason in self._schedule.close(uncalled):
            self._skipped(node_id, reason)

    def _apply(self, changes: Changes) -> None:
        """Takes over what the schedule decided, and starts what may start."""
        for node_id, reason in changes.skipped:
            self._skipped(node_id, reason)
        self._ready.extend(changes.ready)
        for node_id in changes.ready:
            if self._nodes[node_id].cancels:
                self._decide_race(node_id)
        self._start_ready()
        self.changed = True

    def _decide_race(self, node_id: str) -> None:
        """The node waits no longer: whatever runs for it alone is skipped or cancelled. It does
        not wait for that to have ended, but the run does."""
        skipped, running = self._schedule.decide_race(node_id)
        for loser in skipped:
            self._skipped(loser, Reason.LOST_RACE)
        if skipped:
            lost = set(skipped)
            self._ready = deque(one for one in self._ready if one not in lost)
        for loser in running:
            if loser not in self._lost:
                self._lost.add(loser)
                self._tasks[loser].cancel()

    def _start_ready(self) -> None:
        if self._stopping or self.held or self._starting:
            return
        if self._ready and not self._cleaning and (failure := history_limit()):
            self.ending = self.ending or failed(failure)
            return
        self._starting = True  # a node that is not run makes further ones ready at once
        while self._ready and self._has_room():
            if not self._cleaning and (begun := self._stretches.begin(self._ready, self._is_run)):
                self._enter(begun)
                stretch = asyncio.create_task(self._run_stretch(begun))
                stretch.add_done_callback(partial(self._task_done, self._nodes[begun.first]))
                self._tasks[begun.first] = stretch
                continue
            node = self._nodes[self._ready.popleft()]
            self._schedule.started(node.id)
            if not self._is_run(node.id):
                self._reuse(node, self._begin(node)[0])
                continue
            if node.hands_on:
                self._hand_on(node, self._begin(node)[0])
                continue
            # told here and not by its task, which runs after those of all nodes that ended in
            # this workflow task: if it is done again, it may be given more of them
            task = asyncio.create_task(self._run_node(node, *self._begin(node)))
            task.add_done_callback(partial(self._task_done, node))
            self._tasks[node.id] = task
        self._starting = False

    def _enter(self, begun: Begun) -> None:
        """Takes the nodes of a stretch from those that are ready: O(nodes), as they stand in front,
        but for what cannot go with them."""
        passed: list[str] = []
        left = len(begun.entered)
        while left:
            node_id = self._ready.popleft()
            if node_id in begun.entered:
                left -= 1
            else:
                passed.append(node_id)
        self._ready.extendleft(reversed(passed))

    def _is_run(self, node_id: str) -> bool:
        """Whether the node runs, and is not said to have run before."""
        return node_id not in self.recorded and node_id not in self._reused

    async def _run_stretch(self, begun: Begun) -> None:
        """Takes what came of the nodes of a stretch as if each had run by itself."""
        result = StretchResult(left=list(begun.entered))
        try:
            result = await self._stretches.run(begun.stretch)
        except FailureError as error:
            if self._stopping and is_cancelled(error):
                return
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            return
        finally:
            del self._tasks[begun.first]
            self.changed = True
        if self._stopping:
            return
        self._stretches.alone.update(result.left)
        self._starting = True  # not before all that has ended is known
        for ended in result.ended:
            if self._schedule.is_ready(ended.node):  # a race may have been lost meanwhile
                self._take(self._nodes[ended.node], ended.result, begun.entered.get(ended.node))
        self._starting = False
        again = [node_id for node_id in begun.entered if self._schedule.is_ready(node_id)]
        below = [node_id for node_id in self._ready if self._schedule.is_ready(node_id)]
        self._ready = deque([*again, *below])
        self._start_ready()

    def _take(self, node: PlanNode, result: NodeResult, entered: tuple[Any, Scope] | None) -> None:
        """`entered`: what the node was given, where it was ready when its stretch began."""
        self._journal.reach(start_of(result.meta))
        self._schedule.started(node.id)
        value, _ = self._begin(node, entered)
        self._succeeded(node, value, result)

    def _hand_on(self, node: PlanNode, value: Any) -> None:
        """The node's output is its input. No patch: only plans of runs that begin now say so."""
        if failure := self._pace.refusal(value):
            self._failed(node, failure)
            return
        at = self._records[node.id].started_at
        meta = {"started_at": at, "duration_ms": 0.0, "attempt": 1}
        self._succeeded(node, value, NodeResult(output=value, meta=meta))

    def _reuse(self, node: PlanNode, value: Any) -> None:
        """The node ends with what it came to in another run, whose model calls were paid there."""
        recorded = self.recorded.get(node.id)
        if recorded is None:
            self._failed(node, NO_RECORDING)
            return
        source = self._run.resume.source if self._run.resume else None
        meta = {key: one for key, one in recorded.meta.items() if key not in OF_ITS_RUN}
        meta["reused_from"] = source
        if recorded.error is None:
            result = NodeResult(recorded.output, meta, recorded.handles, recorded.vars)
            self._succeeded(node, value, result)
        else:
            code, message = recorded.error.get("code"), recorded.error.get("message")
            self._failed(node, Failure(str(code), str(message), meta=meta))

    def _has_room(self) -> bool:
        """Whether another node may be started. Those that wait for something outside take no
        part of the graph's own limit."""
        limit = self._run.plan.max_parallel
        busy = len(self._tasks) - len(self._waiting)
        return len(self._tasks) < MAX_IN_FLIGHT and (limit is None or busy < limit)

    def _task_done(self, node: PlanNode, task: asyncio.Task[None]) -> None:
        """An error of the interpreter itself must end the run, instead of being lost with its
        asyncio task."""
        if task.cancelled():
            # before its first step: it lost its race in the workflow task that started it
            if node.id in self._lost and node.id in self._tasks and not self._stopping:
                del self._tasks[node.id]
                self._cancelled(node)
                self._start_ready()
        elif task.exception() is not None:
            self.bug = task.exception()
            self.changed = True

    def _begin(self, node: PlanNode, entered: tuple[Any, Scope] | None = None) -> tuple[Any, Scope]:
        """The node's whole input, and the scope that its activity is given."""
        if entered is None:
            entered = self._records.enter(node)
        started = self._journal.append(
            EventType.NODE_STARTED,
            node_id=node.id,
            status=NodeStatus.RUNNING,
            data={"type": node.type, "name": node.name},
        )
        self._records[node.id].started_at = started.at
        return entered

    async def _run_node(self, node: PlanNode, value: Any, scope: Scope) -> None:
        tell = partial(self._in_line_for, node)
        try:
            result = await dispatch(
                self._run, self._pace, node, scope, path=self._path, quiet=self._quiet, tell=tell
            )
            if result.tool_calls:
                result = await self._toolbox.converse(node, scope, result, tell)
            if result.follow is not None:
                result = await self._follow(node, value, scope, result)
        except FailureError as error:
            if self._stopping and is_cancelled(error):
                self._cancelled(node)
            elif node.id in self._lost:  # whatever its last word is, nobody waits for it
                self._records.add_usage(failure_of(error, policy_of(self._run, node)).meta)
                self._cancelled(node)
            else:
                self._failed(node, failure_of(error, policy_of(self._run, node)))
        except asyncio.CancelledError:
            if not self._stopping and node.id not in self._lost:
                raise
            self._cancelled(node)
        else:
            self._succeeded(node, value, result)
        finally:
            del self._tasks[node.id]
            self._waiting.discard(node.id)
            self._in_line.discard(node.id)
            self.changed = True
        self._start_ready()

    def _in_line_for(self, node: PlanNode, waiting: dict[str, Any] | None) -> None:
        """The node waits for room at a model, or asks again. It keeps its part of the graph's own
        limit, so no other node is started for that."""
        if waiting is None:
            self._in_line.discard(node.id)
            self._show(node, EventType.NODE_PROGRESS, NodeStatus.RUNNING, {})
        else:
            self._in_line.add(node.id)
            self._show(node, EventType.NODE_WAITING, NodeStatus.WAITING, {"waiting": waiting})
        self.changed = True

    async def _follow(
        self, node: PlanNode, value: Any, scope: Scope, first: NodeResult
    ) -> NodeResult:
        step = Step(self._run, node, value, scope, self._path, first, self._pace, self)
        return await follow(step)

    def wait(self, node: PlanNode, waiting: dict[str, Any]) -> None:
        self._tell(node, EventType.NODE_WAITING, NodeStatus.WAITING, {"waiting": waiting})

    def progress(self, node: PlanNode, progress: dict[str, Any]) -> None:
        self.tell(node, {"progress": progress})

    def tell(self, node: PlanNode, meta: dict[str, Any]) -> None:
        self._tell(node, EventType.NODE_PROGRESS, NodeStatus.RUNNING, meta)

    def add_usage(self, usage: dict[str, Any]) -> None:
        self._records.add_usage({"usage": usage})

    def _tell(
        self, node: PlanNode, event: EventType, status: NodeStatus, meta: dict[str, Any]
    ) -> None:
        """Of a node under way: `meta` is what it shows until it ends."""
        self._show(node, event, status, meta)
        if status is NodeStatus.WAITING:
            self._waiting.add(node.id)
            self._start_ready()
        else:
            self._waiting.discard(node.id)
        self.changed = True

    def _show(
        self, node: PlanNode, event: EventType, status: NodeStatus, meta: dict[str, Any]
    ) -> None:
        self._schedule.waits(node.id, status is NodeStatus.WAITING)
        self._records[node.id].meta = meta
        self._journal.append(event, node_id=node.id, status=status, data={"meta": meta})

    def _succeeded(self, node: PlanNode, value: Any, result: NodeResult) -> None:
        record = self._records[node.id]
        record.ran = True
        record.output = value if node.passes_input else result.output
        record.meta = result.meta
        record.vars = result.vars
        self._records.add_usage(result.meta)
        data: dict[str, Any] = {"meta": result.meta}
        if not node.passes_input:
            data["output"] = result.output
        if result.vars:
            data["vars"] = result.vars
        if result.handles is not None:
            data["handles"] = result.handles
        event = self._journal.append(
            EventType.NODE_SUCCEEDED,
            node_id=node.id,
            status=NodeStatus.SUCCEEDED,
            attempt=result.meta.get("attempt"),
            data=data,
        )
        record.finished_at = event.at
        self._go_on(node, result.handles or [DEFAULT_HANDLE], NodeStatus.SUCCEEDED)

    def _failed(self, node: PlanNode, failure: Failure) -> None:
        """The node's attempts are used up: the run fails, or goes on as `on_error` says."""
        record = self._records[node.id]
        record.error = failure.to_json()
        record.meta = failure.meta
        self._records.add_usage(failure.meta)
        data: dict[str, Any] = {"error": record.error, "meta": failure.meta}
        if node.on_error != "fail":
            record.ran = True
            record.output = record.error if node.on_error == "branch" else node.default_output
            data["output"] = record.output
        event = self._journal.append(
            EventType.NODE_FAILED,
            node_id=node.id,
            status=NodeStatus.FAILED,
            attempt=failure.attempt,
            data=data,
        )
        record.finished_at = event.at
        if node.on_error == "fail" and self._cleaning:
            self._go_on(node, [], NodeStatus.FAILED)
        elif node.on_error == "fail":
            self._schedule.ended(node.id, NodeStatus.FAILED)
            if self.ending is None and not self._stopping:
                self.ending = failed(failure, node.id)
        else:
            handle = ERROR_HANDLE if node.on_error == "branch" else DEFAULT_HANDLE
            self._go_on(node, [handle], NodeStatus.FAILED)

    def _go_on(self, node: PlanNode, handles: list[str], status: NodeStatus) -> None:
        if self._stopping:
            self._schedule.ended(node.id, status)
            return
        changes = self._schedule.completed(node.id, handles, status)
        self._records.leave(node)
        self._apply(changes)

    def _cancelled(self, node: PlanNode) -> None:
        reason = self._stopping or Reason.LOST_RACE
        changes = None
        if self._stopping:
            self._schedule.ended(node.id, NodeStatus.CANCELLED, reason)
        else:
            changes = self._schedule.completed(node.id, [], NodeStatus.CANCELLED, reason)
        event = self._journal.append(
            EventType.NODE_CANCELLED,
            node_id=node.id,
            status=NodeStatus.CANCELLED,
            data={"reason": reason.value},
        )
        self._records[node.id].finished_at = event.at
        if changes is not None:
            self._records.leave(node)
            self._apply(changes)

    def _skipped(self, node_id: str, reason: Reason) -> None:
        self._journal.append(
            EventType.NODE_SKIPPED,
            node_id=node_id,
            status=NodeStatus.SKIPPED,
            data={"type": self._nodes[node_id].type, "reason": reason.value},
        )
