"""Where the outputs of Dify's nodes stand in πlot's names."""

from __future__ import annotations

from pilot.convert.cel import Place
from pilot.convert.dify import containers, models, people, requests, steps, tools
from pilot.convert.dify.build import DifyNode


def outputs(node: DifyNode) -> dict[str, Place]:
    match node.source.type:
        case "llm":
            return models.outputs_of_llm(node)
        case "http-request":
            return requests.outputs_of_http(node)
        case "template-transform":
            return {"output": Place(("vars", node.node_id), node.node_id)}
        case "variable-aggregator" | "variable-assigner":
            return _aggregated(node)
        case "iteration" | "loop":
            return containers.outputs(node)
        case "human-input":
            return people.outputs(node)
        case "tool":
            return tools.outputs_of_tool(node)
        case "agent":
            return tools.outputs_of_agent(node)
        case "answer":
            return {"answer": Place(("nodes", node.node_id, "output"), node.node_id)}
    return {}


def _aggregated(node: DifyNode) -> dict[str, Place]:
    named_groups = steps.groups(node)
    if len(named_groups) == 1 and named_groups[0][0] == node.node_id:
        return {"output": Place(("vars", node.node_id), node.node_id)}
    prefix = f"{node.node_id}_"
    return {
        name.removeprefix(prefix): Place(("vars", name), node.node_id) for name, _ in named_groups
    }


def is_whole(node: DifyNode) -> bool:
    """Whether its fields are those of its output, whatever they are called."""
    named = ("start", "code", "parameter-extractor", "question-classifier", "list-operator")
    return node.source.type in named or (
        node.source.type == "tool" and tools.is_workflow(node.data)
    )
