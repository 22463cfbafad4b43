"""Compilation: a graph without errors becomes the plan that a run carries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from pilot.errors import GraphError
from pilot.graph.analysis import Analysis, analyse, default_output
from pilot.graph.configuration import joining_of
from pilot.graph.issues import errors
from pilot.graph.joins import need
from pilot.graph.model import DefaultOutput, Graph, Node, RetryOverride, SubGraph
from pilot.graph.plan import OnErrorAction, Plan, PlanEdge, PlanNode, References
from pilot.graph.spec import BODY, NodeSpec, Policy, Retry, Specs
from pilot.graph.structure import output_key

MAX_HANDING_ON = 10
"""Each is part of one workflow task with what was ready beside it, and all together take a
millisecond."""

TEMPORALS_NAMES = {
    "timeout": "TemporalTimeout:StartToClose",
    "worker_lost": "TemporalTimeout:Heartbeat",
}


def compile_plan(graph: Graph, specs: Specs, secrets: frozenset[str] | None = None) -> Plan:
    """The plan of a graph. Raises `GraphError` with all issues where one is an error;
    `secrets` are as `validate` has them."""
    analysis = analyse(graph, specs, secrets)
    if errors(analysis.issues):
        raise GraphError(analysis.issues)
    plan = replace(_plan(graph, analysis, specs), max_parallel=graph.max_parallel)
    simple = {
        node.id
        for node, config in zip(graph.nodes, analysis.configs, strict=True)
        if config is not None and specs[node.type].hands_on(config)
    }
    outputs = {node.id for node in plan.nodes if node.output_key is not None}
    if len(outputs) > 1:  # values that stand together are whole, which their activities see to
        simple -= outputs
    return hand_on(plan, simple)


def _plan(graph: SubGraph, analysis: Analysis, specs: Specs) -> Plan:
    policies: dict[Policy, int] = {}
    nodes = [
        compile_node(graph, specs, analysis, index, policies) for index in range(len(graph.nodes))
    ]
    edges = [
        PlanEdge(graph.nodes[link.source].id, graph.nodes[link.target].id, link.handle)
        for link in analysis.links
    ]
    cleanup = [graph.nodes[index].id for index in sorted(analysis.cleanup)]
    return Plan(nodes, edges, list(policies), cleanup)


def hand_on(plan: Plan, nodes: Collection[str]) -> Plan:
    """The plan in which these nodes give their input on without an activity: pure ones that do
    just that. All that their activities would be given is left out. As they are run by workflow
    code, which no other workflow's can interrupt, there are few of them in a run."""
    chosen = {node.id for node in plan.nodes if node.pure and node.id in nodes}
    few = sum(node.hands_on for node in plan.nodes) + len(chosen) <= MAX_HANDING_ON
    if not chosen or not few:
        return plan
    policies: dict[int, int] = {}
    changed = [
        replace(node, config={}, policy=0, references=References(), pure=False, hands_on=True)
        if node.id in chosen
        else node
        if node.hands_on
        else replace(node, policy=policies.setdefault(node.policy, len(policies)))
        for node in plan.nodes
    ]
    return replace(plan, nodes=changed, policies=[plan.policies[index] for index in policies])


def _body(index: int, analysis: Analysis, specs: Specs) -> Plan | None:
    if index not in analysis.bodies:
        return None
    graph, inner = analysis.bodies[index]
    return _plan(graph, inner, specs)


def compile_node(
    graph: SubGraph, specs: Specs, analysis: Analysis, index: int, policies: dict[Policy, int]
) -> PlanNode:
    """A node without errors; its policy is added to `policies` where it is not there yet."""
    node, config = graph.nodes[index], analysis.configs[index]
    assert config is not None
    spec = specs[node.type]
    beside = {"name", BODY} if spec.has_body else {"name"}
    joining = joining_of(spec, config)
    return PlanNode(
        id=node.id,
        type=node.type,
        name=node.name,
        config={key: value for key, value in node.config.items() if key not in beside},
        policy=policies.setdefault(policy_of(node, spec), len(policies)),
        references=analysis.references[index],
        need=need(node, joining),
        gathers=joining.gathers if joining else None,
        cancels=joining is not None and joining.cancels,
        on_error=_on_error(node),
        default_output=default_output(node),
        passes_input=spec.passes_input,
        sets=list(spec.sets(config)),
        output_key=node.id if index == analysis.result else output_key(node, config),
        tool=index in analysis.tools,
        body=_body(index, analysis, specs),
        pure=spec.pure and index not in analysis.tools and index not in analysis.cleanup,
    )


def _on_error(node: Node) -> OnErrorAction:
    if isinstance(node.on_error, DefaultOutput):
        return "default"
    return node.on_error or "fail"


def policy_of(node: Node, spec: NodeSpec) -> Policy:
    """The node type's policy with the node's own settings over it."""
    default = spec.policy
    return Policy(
        retry=_retry(default.retry, node.retry),
        timeout_s=node.timeout_s or default.timeout_s,
        heartbeat_s=default.heartbeat_s,
        local=default.local,
    )


def _retry(default: Retry, override: RetryOverride | None) -> Retry:
    if override is None:
        return default
    given = override.model_dump(exclude_none=True)
    initial_s = given.get("initial_s", default.initial_s)
    return Retry(
        max_attempts=given.get("max_attempts", default.max_attempts),
        initial_s=initial_s,
        backoff=given.get("backoff", default.backoff),
        # Temporal refuses a longest pause that is shorter than the first
        max_s=max(given.get("max_s", default.max_s), initial_s),
        non_retryable=_non_retryable(given.get("non_retryable", default.non_retryable)),
    )


def _non_retryable(codes: Iterable[str]) -> tuple[str, ...]:
    """The codes as Temporal matches them: what it notices itself has names of its own."""
    named = dict.fromkeys(codes)
    return (*named, *(TEMPORALS_NAMES[code] for code in named if code in TEMPORALS_NAMES))
