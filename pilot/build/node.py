"""The constructors of nodes: one a node type, typed by its configuration model.

Each takes the node's id and the fields of the configuration, by name. `Type` makes such a
constructor for a node type of one's own; `other` takes any type's configuration as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec

from pydantic import JsonValue, ValidationError

from pilot.build.step import Step
from pilot.errors import GraphError
from pilot.graph.configuration import config_issues
from pilot.graph.spec import NodeConfig, NodeSpec
from pilot.nodes import approval as _approval
from pilot.nodes import code as _code
from pilot.nodes import condition as _condition
from pilot.nodes import http as _http
from pilot.nodes import llm as _llm
from pilot.nodes import loop as _loop
from pilot.nodes import map as _map
from pilot.nodes import merge as _merge
from pilot.nodes import output as _output
from pilot.nodes import start as _start
from pilot.nodes import switch as _switch
from pilot.nodes import variable as _variable
from pilot.nodes import wait as _wait
from pilot.nodes import workflow as _workflow

P = ParamSpec("P")


class Type(Generic[P]):
    """Makes nodes of a type: `Type(SPEC, MyConfig)` for one's own."""

    def __init__(self, spec: NodeSpec, config: Callable[P, NodeConfig]) -> None:
        self.spec = spec
        self._config = config
        self.__doc__ = spec.description

    def __call__(self, id: str, /, *args: P.args, **config: P.kwargs) -> Step:
        """Raises `GraphError` where the configuration is not of the type's model."""
        try:
            made = self._config(*args, **config)
        except ValidationError as error:
            raise GraphError(list(config_issues(error, id, self.spec.config))) from None
        return Step(self.spec.type, id, made, self.spec)


def other(type: str, id: str, config: dict[str, JsonValue] | None = None) -> Step:
    """A node of any type, its configuration as JSON, unchecked until `Graph.issues`."""
    return Step(type, id, None, None).more(**({} if config is None else {"config": config}))


start = Type(_start.SPEC, _start.StartConfig)
llm = Type(_llm.SPEC, _llm.LlmConfig)
condition = Type(_condition.SPEC, _condition.ConditionConfig)
code = Type(_code.SPEC, _code.CodeConfig)
http = Type(_http.SPEC, _http.HttpConfig)
variable = Type(_variable.SPEC, _variable.VariableConfig)
wait = Type(_wait.SPEC, _wait.WaitConfig)
switch = Type(_switch.SPEC, _switch.SwitchConfig)
merge = Type(_merge.SPEC, _merge.MergeConfig)
approval = Type(_approval.SPEC, _approval.ApprovalConfig)
map = Type(_map.SPEC, _map.MapConfig)
loop = Type(_loop.SPEC, _loop.LoopConfig)
workflow = Type(_workflow.SPEC, _workflow.WorkflowConfig)
output = Type(_output.SPEC, _output.OutputConfig)


def constructors() -> dict[str, Type[Any]]:
    """By the name of their node type."""
    found = {one.spec.type: one for one in globals().values() if isinstance(one, Type)}
    return found
