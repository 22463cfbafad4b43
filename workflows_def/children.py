"""The child workflows that run nodes of a run: started, held, stopped and heard of in one place.

A child ends with its parent, whatever ends that: it is cancelled and waited for where the parent
can, and terminated by Temporal where it cannot. It has no row of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    TemporalError,
    TerminatedError,
)

from workflows_def.messages import SIGNAL_ENOUGH, SIGNAL_PAUSE, SIGNAL_RESUME, ChildProgress
from workflows_def.undisturbed import undisturbed

T = TypeVar("T")

OnProgress = Callable[[ChildProgress], None]
Handle = workflow.ChildWorkflowHandle[Any, Any]


@dataclass(frozen=True, slots=True)
class Share:
    """The iterations that a child runs: of the loop or map at `place` (its path and id), from
    `first` up to `end`, which is not among them (None: all that follow)."""

    place: str
    first: int = 0
    end: int | None = None

    def has(self, path: str) -> bool:
        """Whether the nodes of a path are in one of them."""
        if not path.startswith(f"{self.place}["):
            return False
        index = int(path[len(self.place) + 1 :].partition("]")[0])
        return self.first <= index and (self.end is None or index < self.end)


@dataclass(slots=True)
class _Child:
    """`held` and `enough` are what it was told last."""

    handle: Handle
    share: Share
    on_progress: OnProgress | None
    held: bool
    enough: bool = False
    telling: asyncio.Task[None] | None = None


class Children:
    """Those of one workflow, by their workflow ids."""

    def __init__(self) -> None:
        self._children: dict[str, _Child] = {}
        self._enough: set[str] = set()
        self._held = False

    async def run(
        self,
        type: str,
        argument: Any,
        *,
        id: str,
        result_type: type[T],
        summary: str,
        share: Share,
        held: bool,
        on_progress: OnProgress | None = None,
    ) -> T:
        """The child's result. `held` is what its argument says.

        Cancelled, it cancels the child and gives what that has come to, which says so: the caller
        looks. Raises a `FailureError` where the child failed.
        """
        starting: asyncio.Task[Handle] = asyncio.ensure_future(
            workflow.start_child_workflow(
                type,
                argument,
                id=id,
                result_type=result_type,
                parent_close_policy=workflow.ParentClosePolicy.TERMINATE,
                cancellation_type=(
                    workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
                ),
                static_summary=summary,
            )
        )
        try:
            try:
                handle = await asyncio.shield(starting)
                self._children[id] = child = _Child(handle, share, on_progress, held)
                self._tell(child)
                await asyncio.shield(handle)
            except asyncio.CancelledError:
                await undisturbed(starting)
                handle = starting.result()
                handle.cancel()
                await undisturbed(handle)
            result: T = handle.result()
        except ChildWorkflowError as error:
            raise _cause(error) from None
        finally:
            self._children.pop(id, None)
            self._enough.discard(id)
        return result

    def hold(self, held: bool) -> None:
        """Whether children may start further nodes."""
        self._held = held
        for child in self._children.values():
            self._tell(child)

    def enough(self, ids: set[str]) -> None:
        """Children among these begin no further item."""
        self._enough |= ids
        for id in sorted(ids & self._children.keys()):
            self._tell(self._children[id])

    def at(self, path: str) -> str | None:
        """The id of the child in which the nodes of a path are."""
        found = (id for id, child in self._children.items() if child.share.has(path))
        return next(found, None)

    @property
    def ids(self) -> list[str]:
        return list(self._children)

    def progress(self, progress: ChildProgress) -> None:
        child = self._children.get(progress.child)
        if child is not None and child.on_progress is not None:
            child.on_progress(progress)

    def _tell(self, child: _Child) -> None:
        if child.telling is None or child.telling.done():
            child.telling = asyncio.create_task(self._tell_all(child))

    async def _tell_all(self, child: _Child) -> None:
        """One signal after the other: two that are under way at once may arrive in any order."""
        while not child.handle.done():
            if child.held != self._held:
                child.held = self._held
                name = SIGNAL_PAUSE if child.held else SIGNAL_RESUME
            elif not child.enough and child.handle.id in self._enough:
                child.enough = True
                name = SIGNAL_ENOUGH
            else:
                return
            try:
                await child.handle.signal(name)
            except TemporalError:
                return  # it has just ended


def _cause(error: ChildWorkflowError) -> FailureError:
    """What is to be said of a child that did not give a result."""
    cause = error.cause
    if isinstance(cause, TerminatedError):
        return ApplicationError(
            "a child workflow of this node was terminated in Temporal",
            type="child_terminated",
            non_retryable=True,
        )
    if isinstance(cause, ApplicationError):
        return ApplicationError(
            f"a child workflow of this node failed: {cause.message}",
            type="interpreter_error",
            non_retryable=True,
        )
    return cause if isinstance(cause, FailureError) else error
