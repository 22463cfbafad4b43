"""A node of a graph that is being built, and its handles."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Protocol, Self, TypeAlias, overload

from pilot.errors import PilotError
from pilot.graph.model import Join, OnError, RetryOverride
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE, NodeConfig, NodeSpec


class Ground(Protocol):
    """What nodes and edges are added to: a graph, or the body of a loop or map."""

    def add(self, step: Step) -> None: ...

    def connect(self, source: Step, target: Step, handle: str | None) -> None: ...


ground: ContextVar[Ground | None] = ContextVar("ground", default=None)
"""The innermost `with Graph(...)` or `with Body()`."""


class Source:
    """Where edges leave from, all of them to each target: `source >> step`, and
    `source >> (left, right)`."""

    @property
    def outs(self) -> list[Out]:
        raise NotImplementedError

    @overload
    def __rshift__(self, target: Step) -> Step: ...

    @overload
    def __rshift__(self, target: Steps) -> Together: ...

    def __rshift__(self, target: Step | Steps) -> Step | Together:
        together = Together([target] if isinstance(target, Step) else list(target))
        for out in self.outs:
            for one in together.steps:
                out.step.ground.connect(out.step, one, out.handle)
        return target if isinstance(target, Step) else together

    def then(self, target: Step) -> Step:
        """The same as `>>`."""
        return self >> target


class Out(Source):
    """A way out of a node."""

    def __init__(self, step: Step, handle: str | None) -> None:
        self.step = step
        self.handle = handle

    @property
    def outs(self) -> list[Out]:
        return [self]


class Together(Source):
    """Several nodes at once: `start >> (left, right) >> join`."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps

    @property
    def outs(self) -> list[Out]:
        return [Out(step, None) for step in self.steps]


class Step(Source):
    """A node. Made by the constructors of `pilot.build.node`.

    Its handles are attributes (`urgent.true`), or items where their names are no identifiers
    (`urgent["very-true"]`); the handle `error` is there with `policy(on_error="branch")`.
    """

    def __init__(
        self, type: str, id: str, config: NodeConfig | None, spec: NodeSpec | None
    ) -> None:
        at = ground.get()
        if at is None:
            raise PilotError(
                f"{type} {id!r} belongs to no graph: make it inside of `with Graph(...)`",
                code="invalid_graph",
            )
        self.id = id
        self.type = type
        self.ground = at
        self.fields: dict[str, Any] = {}
        self._config = config
        self._spec = spec
        at.add(self)

    def at(self, x: float, y: float) -> Self:
        """Where it stands on a canvas. `Graph.arrange` places those that nobody placed."""
        self.fields["position"] = {"x": x, "y": y}
        return self

    def policy(
        self,
        *,
        retry: RetryOverride | None = None,
        timeout_s: float | None = None,
        on_error: OnError | None = None,
        join: Join | None = None,
        on_cancel: bool | None = None,
    ) -> Self:
        """What stands beside the configuration (docs/nodes/policy.md); what is left out stays."""
        given = {
            "retry": retry,
            "timeout_s": timeout_s,
            "on_error": on_error,
            "join": join,
            "on_cancel": on_cancel,
        }
        self.fields |= {name: value for name, value in given.items() if value is not None}
        return self

    def more(self, **fields: Any) -> Self:
        """Further fields of the node: `pinned`, or what a canvas keeps for itself."""
        self.fields |= fields
        return self

    @property
    def config(self) -> NodeConfig | None:
        return self._config

    @property
    def handles(self) -> tuple[str, ...]:
        """The names of its ways out. Empty: it has none, or is of an unknown type."""
        if self._spec is None or self._config is None:
            return ()
        own = self._spec.handles(self._config)
        return (*own, ERROR_HANDLE) if self.fields.get("on_error") == "branch" else own

    def __getitem__(self, handle: str) -> Out:
        if self._spec is not None and handle not in self.handles:
            there = ", ".join(self.handles) or "none"
            raise PilotError(
                f"{self.type} {self.id!r} has no handle {handle!r}; its handles: {there}",
                code="unknown_handle",
            )
        return Out(self, None if handle == DEFAULT_HANDLE else handle)

    def __getattr__(self, name: str) -> Out:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except PilotError as error:
            raise AttributeError(str(error)) from None

    @property
    def outs(self) -> list[Out]:
        return [Out(self, None)]

    def __rrshift__(self, sources: Iterable[Source]) -> Step:
        """`(left, check.true) >> join`"""
        for one in sources:
            one.then(self)
        return self


Steps: TypeAlias = tuple[Step, ...] | list[Step]
