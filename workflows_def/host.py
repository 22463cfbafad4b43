"""What every workflow that runs nodes has: the interpreter, and the children that run the bodies
of loops and maps.

`host()` is the one that runs. It knows the nodes that it runs itself, by the path that they have
in common, and its child workflows; so it is where a word from outside finds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import workflow

from workflows_def.children import Children
from workflows_def.inbox import Inbox, Receiving
from workflows_def.messages import (
    QUERY_CHILD,
    QUERY_WAITERS,
    QUERY_WAITS,
    SIGNAL_CHILD_PROGRESS,
    SIGNAL_PAUSE,
    SIGNAL_RESUME,
    ChildProgress,
    StandingPage,
    Waiters,
)
from workflows_def.standing import StandingWaits

if TYPE_CHECKING:
    from workflows_def.nodes import Nodes


class NodeHost(Receiving):
    """`held`: no node is started."""

    def __init__(self) -> None:
        self.inbox = Inbox(self._may_wait)
        self.children = Children()
        self.standing = StandingWaits()
        self.held = False
        self._running: dict[str, Nodes] = {}

    def enter(self, path: str, nodes: Nodes) -> None:
        """The nodes of one path run here, from now on."""
        self._running[path] = nodes
        nodes.held = self.held

    def leave(self, path: str) -> None:
        del self._running[path]

    def nodes_at(self, path: str) -> Nodes | None:
        """The nodes of a path (empty: of the run itself); None where they do not run here."""
        return self._running.get(path)

    def noticed(self) -> None:
        """Something has changed in nodes that run here, at a path of a loop or a map."""

    def _may_wait(self, node_id: str, path: str) -> bool:
        nodes = self._running.get(path)
        return nodes is not None and nodes.may_wait(node_id)

    def hold(self, held: bool) -> None:
        """Starts no further node, here and in children, until told otherwise."""
        self.held = held
        for nodes in self._running.values():
            if held:
                nodes.held = True
                nodes.changed = True
            else:
                nodes.go_on()
        self.children.hold(held)

    @workflow.signal(name=SIGNAL_PAUSE)
    def pause(self) -> None:
        """Starts no further node until `resume`; nodes that are under way end."""
        self.hold(True)

    @workflow.signal(name=SIGNAL_RESUME)
    def resume(self) -> None:
        self.hold(False)

    @workflow.signal(name=SIGNAL_CHILD_PROGRESS)
    def child_progress(self, progress: ChildProgress) -> None:
        self.children.progress(progress)

    @workflow.query(name=QUERY_CHILD)
    def child(self, path: str) -> str | None:
        """The id of the child workflow in which nodes of this path run, or their children; None:
        they do not run in a child, or not now."""
        return self.children.at(path)

    @workflow.query(name=QUERY_WAITERS)
    def waiters(self, node_ids: list[str]) -> Waiters:
        """Where nodes of these ids wait here for what is sent to them, and where else to ask."""
        return Waiters(self.inbox.waiting(node_ids), self.children.ids)

    @workflow.query(name=QUERY_WAITS)
    def waits(self, most: int) -> StandingPage:
        """What nodes wait for here now, so many at most, and where else to ask."""
        return self.standing.page(most, self.children.ids)


def host() -> NodeHost:
    """The workflow that runs."""
    running: NodeHost = workflow.instance()
    return running
