"""Which node runs when: a state machine of three-state edges.

An edge is unknown until its source has ended, then taken or skipped. A node runs when none
of its in-edges is unknown and at least one is taken (or, with `need`, as soon as that many
are taken); when that can no longer happen it is skipped, and so are its out-edges. Each edge
is resolved once, so a whole run costs O(nodes + edges).

This is dead-path elimination as BPEL 2.0 (section 11.6.2) has it: joins wait for exactly the
branches that can still come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice

from pilot.graph.plan import Plan
from pilot.graph.status import NodeStatus

UNDER_WAY = frozenset({NodeStatus.RUNNING, NodeStatus.WAITING})


class EdgeState(StrEnum):
    UNKNOWN = "unknown"
    TAKEN = "taken"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a node was skipped or cancelled."""

    BRANCH_NOT_TAKEN = "branch_not_taken"
    JOIN_NOT_MET = "join_not_met"
    EXECUTION_FAILED = "execution_failed"
    EXECUTION_CANCELLED = "execution_cancelled"
    EXECUTION_TIMED_OUT = "execution_timed_out"
    TOOL_NOT_CALLED = "tool_not_called"
    NOT_CANCELLED = "not_cancelled"
    LOST_RACE = "lost_race"
    CLEANUP_TIMED_OUT = "cleanup_timed_out"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a step of the schedule brought about: nodes that may run now, and nodes that never
    will, both in the order in which that became known."""

    ready: list[str] = field(default_factory=list)
    skipped: list[tuple[str, Reason]] = field(default_factory=list)


class Schedule:
    """The state of one run of a plan.

    The caller starts the nodes in `Changes.ready` when it likes, tells `started`, and for each
    of them `completed` or `ended` once. Tools stand beside: they are told as `called`, and end
    all at once by `end_tools`. So do clean-up nodes, which have a beginning of their own.
    """

    def __init__(self, plan: Plan) -> None:
        wiring = plan.wiring
        self._ids, self._index = wiring.ids, wiring.index
        self._source, self._target = wiring.source, wiring.target
        self._incoming, self._outgoing = wiring.incoming, wiring.outgoing
        self._need = [node.need for node in plan.nodes]
        self._handles = [edge.handle for edge in plan.edges]
        self._edges = [EdgeState.UNKNOWN] * len(plan.edges)
        self._unknown = [len(edges) for edges in self._incoming]
        self._taken = [0] * len(self._ids)
        self._first: list[int | None] = [None] * len(self._ids)
        self._status = [NodeStatus.PENDING] * len(self._ids)
        self._having: dict[NodeStatus, dict[int, None]] = {status: {} for status in NodeStatus}
        self._having[NodeStatus.PENDING] = dict.fromkeys(range(len(self._ids)))
        self._reason: list[Reason | None] = [None] * len(self._ids)
        self._ready: set[int] = set()
        self._is_tool = [node.tool for node in plan.nodes]
        cleanup = frozenset(plan.cleanup)
        self._is_cleanup = [node_id in cleanup for node_id in self._ids]
        self._is_part = [
            not tool and not clean
            for tool, clean in zip(self._is_tool, self._is_cleanup, strict=True)
        ]
        self._open = self._is_part.count(True)

    def begin(self) -> Changes:
        """The nodes that no edge leads to, but for tools and clean-up."""
        changes = Changes()
        for index, edges in enumerate(self._incoming):
            if not edges and self._is_part[index]:
                self._make_ready(index, changes)
        return changes

    def begin_cleanup(self) -> Changes:
        """The run has stopped, and goes on with its clean-up nodes alone: those of them that no
        edge leads to."""
        self._is_part = self._is_cleanup
        self._open = self._is_part.count(True)
        return self.begin()

    def is_ready(self, node_id: str) -> bool:
        """Whether the node may run and has not been started."""
        return self._index[node_id] in self._ready

    def started(self, node_id: str) -> None:
        index = self._index[node_id]
        assert index in self._ready, f"{node_id} is not ready"
        self._ready.discard(index)
        self._set(index, NodeStatus.RUNNING)

    def waits(self, node_id: str, waiting: bool) -> None:
        """A node under way waits for something outside, or no longer does."""
        index = self._index[node_id]
        assert self._status[index] in UNDER_WAY, f"{node_id} is not under way"
        self._set(index, NodeStatus.WAITING if waiting else NodeStatus.RUNNING)

    def completed(
        self,
        node_id: str,
        handles: Sequence[str],
        status: NodeStatus = NodeStatus.SUCCEEDED,
        reason: Reason | None = None,
    ) -> Changes:
        """A running node ended and takes the out-edges of `handles`."""
        index = self._end(node_id, status)
        self._reason[index] = reason
        taken = frozenset(handles)
        return self._resolve((edge, self._handles[edge] in taken) for edge in self._outgoing[index])

    def ended(self, node_id: str, status: NodeStatus, reason: Reason | None = None) -> None:
        """A running node failed or was cancelled with the whole run: nothing follows it."""
        index = self._end(node_id, status)
        self._reason[index] = reason

    def decide_race(self, node_id: str) -> tuple[list[str], list[str]]:
        """A node has what it waited for: what would run only for it is not needed any more.

        The ids of those that had not begun, which are skipped now; and of those under way, which
        the caller cancels and then tells as `completed` by no handle. O(graph).
        """
        losers = self._only_for(self._index[node_id])
        skipped = [index for index in losers if self._status[index] is NodeStatus.PENDING]
        running = [index for index in losers if self._status[index] in UNDER_WAY]
        for index in skipped:
            self._skip(index, Reason.LOST_RACE)
        self._resolve((edge, False) for index in skipped for edge in self._outgoing[index])
        return [self._ids[index] for index in skipped], [self._ids[index] for index in running]

    def _only_for(self, target: int) -> list[int]:
        """The nodes that lead to this one, and that no way leads from to any end but through
        it; in the order of the plan."""
        left = [len(edges) for edges in self._outgoing]
        found: list[int] = []
        stack = [target]
        while stack:
            for edge in self._incoming[stack.pop()]:
                source = self._source[edge]
                left[source] -= 1
                if left[source] == 0:
                    found.append(source)
                    stack.append(source)
        return sorted(found)

    def called(self, node_id: str) -> bool:
        """A tool is called. Whether that is its first call."""
        index = self._index[node_id]
        first = self._status[index] is NodeStatus.PENDING
        self._set(index, NodeStatus.RUNNING)
        return first

    def end_tools(self) -> list[str]:
        """No tool will be called any more. The ids of those that were; the others stay pending,
        to be skipped by `close`."""
        ended = []
        for index, is_tool in enumerate(self._is_tool):
            if is_tool and self._status[index] is NodeStatus.RUNNING:
                self._set(index, NodeStatus.SUCCEEDED)
                ended.append(self._ids[index])
        return ended

    def running(self) -> list[str]:
        """The ids of the nodes under way, but for tools."""
        return [
            self._ids[index]
            for index, status in enumerate(self._status)
            if status in UNDER_WAY and not self._is_tool[index]
        ]

    def stop(self, reason: Reason) -> list[str]:
        """Every node that has a part now and has not started is skipped. Their ids."""
        stopped = [
            index
            for index, status in enumerate(self._status)
            if status is NodeStatus.PENDING and self._is_part[index]
        ]
        for index in stopped:
            self._skip(index, reason)
        return [self._ids[index] for index in stopped]

    def close(self, uncalled: Reason = Reason.TOOL_NOT_CALLED) -> list[tuple[str, Reason]]:
        """The run ends: what stood beside and was not needed is skipped, and why."""
        closed = []
        for index, status in enumerate(self._status):
            if status is NodeStatus.PENDING:
                reason = uncalled if self._is_tool[index] else Reason.NOT_CANCELLED
                self._skip(index, reason)
                closed.append((self._ids[index], reason))
        return closed

    @property
    def finished(self) -> bool:
        """Whether every node that has a part in this has ended: not the tools, and the clean-up
        nodes once they alone are left."""
        return self._open == 0

    def status(self, node_id: str) -> NodeStatus:
        return self._status[self._index[node_id]]

    @property
    def counts(self) -> dict[NodeStatus, int]:
        """How many nodes have each status that any has."""
        return {status: len(having) for status, having in self._having.items() if having}

    def having(self, statuses: Iterable[NodeStatus], limit: int) -> list[int]:
        """The places in the plan of nodes that have one of these statuses, some where there are
        more than `limit`. O(limit)."""
        found = chain.from_iterable(self._having[status] for status in statuses)
        return sorted(islice(found, limit))

    def reason(self, node_id: str) -> Reason | None:
        return self._reason[self._index[node_id]]

    def taken_edges(self, node_id: str) -> list[int]:
        """The indexes of the in-edges that are taken by now, in the order of the plan."""
        return [
            edge
            for edge in self._incoming[self._index[node_id]]
            if self._edges[edge] is EdgeState.TAKEN
        ]

    def first_edge(self, node_id: str) -> int | None:
        """The index of the in-edge that was taken before all others."""
        return self._first[self._index[node_id]]

    def edges_from(self, node_id: str) -> list[int]:
        """The indexes of the node's out-edges that are taken."""
        return [
            edge
            for edge in self._outgoing[self._index[node_id]]
            if self._edges[edge] is EdgeState.TAKEN
        ]

    def upstream(self, node_id: str) -> list[str]:
        """Every node that a way leads from to this one, in the order of the plan. O(graph)."""
        seen: set[int] = set()
        stack = [self._index[node_id]]
        while stack:
            for edge in self._incoming[stack.pop()]:
                source = self._source[edge]
                if source not in seen:
                    seen.add(source)
                    stack.append(source)
        return [self._ids[index] for index in sorted(seen)]

    def _set(self, index: int, status: NodeStatus) -> None:
        del self._having[self._status[index]][index]
        self._status[index] = status
        self._having[status][index] = None

    def _end(self, node_id: str, status: NodeStatus) -> int:
        index = self._index[node_id]
        assert self._status[index] in UNDER_WAY, f"{node_id} is not under way"
        assert status.is_final
        self._set(index, status)
        self._open -= 1
        return index

    def _resolve(self, edges: Iterable[tuple[int, bool]]) -> Changes:
        changes = Changes()
        queue = deque(edges)
        while queue:
            edge, taken = queue.popleft()
            self._edges[edge] = EdgeState.TAKEN if taken else EdgeState.SKIPPED
            target = self._target[edge]
            self._unknown[target] -= 1
            self._taken[target] += taken
            if taken and self._first[target] is None:
                self._first[target] = edge
            reason = self._decide(target, changes)
            if reason is not None:
                self._skip(target, reason)
                changes.skipped.append((self._ids[target], reason))
                queue.extend((out, False) for out in self._outgoing[target])
        return changes

    def _decide(self, index: int, changes: Changes) -> Reason | None:
        """Makes the node ready when it may run; the reason when it never will."""
        if self._status[index] is not NodeStatus.PENDING or index in self._ready:
            return None
        need, taken, unknown = self._need[index], self._taken[index], self._unknown[index]
        if need is None:
            if unknown:
                return None
            if not taken:
                return Reason.BRANCH_NOT_TAKEN
        elif taken < need:
            if taken + unknown >= need:
                return None
            return Reason.JOIN_NOT_MET if taken else Reason.BRANCH_NOT_TAKEN
        self._make_ready(index, changes)
        return None

    def _make_ready(self, index: int, changes: Changes) -> None:
        self._ready.add(index)
        changes.ready.append(self._ids[index])

    def _skip(self, index: int, reason: Reason) -> None:
        self._ready.discard(index)
        self._set(index, NodeStatus.SKIPPED)
        self._reason[index] = reason
        self._open -= self._is_part[index]
