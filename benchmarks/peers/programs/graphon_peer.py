"""graphon, the engine of Dify: in memory; a snapshot is made only where a run is paused."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graphon.entities.base_node_data import BaseNodeData
from graphon.entities.graph_init_params import GraphInitParams
from graphon.enums import NodeExecutionType, WorkflowNodeExecutionStatus
from graphon.graph.graph import Graph
from graphon.graph_engine.command_channels.in_memory_channel import InMemoryChannel
from graphon.graph_engine.graph_engine import GraphEngine
from graphon.graph_events.graph import GraphRunSucceededEvent
from graphon.node_events.base import NodeRunResult
from graphon.nodes.base.node import Node
from graphon.runtime.graph_runtime_state import GraphRuntimeState
from graphon.runtime.variable_pool import VariablePool

from benchmarks.peers.programs.work import add, serve, timed


class StepData(BaseNodeData):
    type: str = "step"
    before: str | None = None
    log: str | None = None


class Step(Node[StepData]):
    node_type = "step"
    execution_type = NodeExecutionType.EXECUTABLE

    @classmethod
    def version(cls) -> str:
        return "1"

    def _run(self) -> NodeRunResult:
        before = self.node_data.before
        value = 0
        if before is not None:
            found = self.graph_runtime_state.variable_pool.get([before, "value"])
            value = found.to_object() if found is not None else 0
        return NodeRunResult(
            status=WorkflowNodeExecutionStatus.SUCCEEDED,
            outputs={"value": add(value, self.node_data.log)},
        )


class First(Step):
    node_type = "first"
    execution_type = NodeExecutionType.ROOT


class Factory:
    def __init__(self, parameters: GraphInitParams, state: GraphRuntimeState) -> None:
        self._shared = {"graph_init_params": parameters, "graph_runtime_state": state}

    def create_node(self, node_config: Any) -> Node[Any]:
        kind = First if node_config["data"]["type"] == "first" else Step
        return kind(id=node_config["id"], config=node_config, **self._shared)


def config_of(steps: int, log: str | None) -> dict[str, Any]:
    nodes = [
        {
            "id": f"n{index}",
            "data": {
                "type": "step" if index else "first",
                "title": f"n{index}",
                "before": f"n{index - 1}" if index else None,
                "log": log,
            },
        }
        for index in range(steps)
    ]
    edges = [
        {"id": f"e{n}", "source": f"n{n}", "target": f"n{n + 1}", "sourceHandle": "source"}
        for n in range(steps - 1)
    ]
    return {"nodes": nodes, "edges": edges}


def run(steps: int, log: str | None = None) -> int:
    config = config_of(steps, log)
    parameters = GraphInitParams(
        workflow_id=uuid.uuid4().hex, graph_config=config, run_context={}, call_depth=0
    )
    state = GraphRuntimeState(variable_pool=VariablePool(), start_at=time.perf_counter())
    graph = Graph.init(
        graph_config=config, node_factory=Factory(parameters, state), root_node_id="n0"
    )
    engine = GraphEngine("peer", graph, state, InMemoryChannel())
    last = None
    for event in engine.run():
        last = event
    assert isinstance(last, GraphRunSucceededEvent), last
    value = state.variable_pool.get([f"n{steps - 1}", "value"])
    assert value is not None
    return int(value.to_object())


def many(steps: int, runs: int) -> float:
    with ThreadPoolExecutor(min(runs, 32)) as pool:
        return timed(lambda: list(pool.map(run, [steps] * runs)))


serve(
    {
        "chain": lambda steps: timed(lambda: run(steps)),
        "many": many,
        "keep": lambda id, steps, log: run(steps, log),
        "resume": lambda id, steps, log: None,  # nothing of the run is left
    }
)
