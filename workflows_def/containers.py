"""What a loop and a map give the child workflows that run their bodies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from temporalio.exceptions import ApplicationError

from pilot.graph.plan import Plan
from pilot.graph.task import Scope
from workflows_def.dispatch import policy_of
from workflows_def.iterations import MAX_EVENTS, IterationFailure, Within
from workflows_def.messages import Resume
from workflows_def.paths import join
from workflows_def.steps import Step

NOTHING = Plan([], [], [])

PATCH_STILL_WAITS = "a count does not end a wait"
"""How far a child is, and that it waits, it tells in signals that may overtake each other."""


def place_of(step: Step) -> str:
    """The node with its path: what the paths of its iterations begin with."""
    return join(step.path, step.node.id)


def child_id(step: Step, part: str = "") -> str:
    """The workflow id of a child: the run's, and what tells the child apart within it."""
    return f"execution-{step.run.execution_id}/{place_of(step)}{part}"


def within_of(step: Step, *, asks: bool) -> Within:
    """`asks`: the node's own expressions are evaluated between the iterations."""
    body = step.node.body
    assert body is not None
    source = _source(step)
    resume = None if source is None else Resume(source)
    return Within(
        run=replace(step.run, plan=NOTHING, input=None, timeout_s=None, resume=resume),
        node=step.node,
        policy=policy_of(step.run, step.node),
        path=step.path,
        outer=_outer(step.scope, step.node.config if asks else None, body),
        source=source,
        tells=not step.path,
        max_events=MAX_EVENTS,
    )


def _source(step: Step) -> str | None:
    """The execution whose iterations the node goes on from. What stands inside of such a node does
    so too: its run has a source only then."""
    resume = step.run.resume
    if resume is None or not (step.path or step.node.id in resume.partial):
        return None
    return resume.source


def _outer(scope: Scope, config: dict[str, Any] | None, body: Plan) -> Scope:
    """Of the node's scope, what its body refers to, and with a `config` what may stand in that:
    the list that a map runs on is often one of the others, and would go to each window."""
    scope = replace(scope, input=None, item=None, index=None)
    wanted = [node.references for node in body.nodes]
    text = "" if config is None else str(config)
    if not any(one.all_nodes for one in wanted):
        ids = {id for one in wanted for id in one.nodes}
        nodes = {id: value for id, value in scope.nodes.items() if id in ids or id in text}
        scope = replace(scope, nodes=nodes)
    if not any(one.all_vars for one in wanted):
        names = {name for one in wanted for name in one.vars}
        values = {name: one for name, one in scope.vars.items() if name in names or name in text}
        scope = replace(scope, vars=values)
    if not any(one.execution_input for one in wanted) and "execution" not in text:
        scope = replace(scope, execution={"id": scope.execution.get("id")})
    return scope


def failed_iteration(
    step: Step, failure: IterationFailure, what: str, meta: dict[str, Any]
) -> ApplicationError:
    """The node's failure, which is that of one of its iterations."""
    where = f"{what} {failure.index}"
    if failure.node_id is not None:
        where += f", node {_name(step, failure.node_id)!r}"
    details: dict[str, Any] = {"meta": meta}
    return ApplicationError(
        f"{where}: {failure.message}", details, type=failure.code, non_retryable=True
    )


def _name(step: Step, node_id: str) -> str:
    assert step.node.body is not None
    return next((node.name for node in step.node.body.nodes if node.id == node_id), node_id)
