"""Decisions about workflows: what may be saved, and which save is too late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from api.access import Opened
from api.etag import etag, none_match_hits
from api.issues import issues_out
from api.pagination import PageOut, PageQuery
from api.parts import Parts
from api.workflows import conflicts
from api.workflows.checked import Checks
from api.workflows.schemas import (
    GraphIn,
    ValidationOut,
    WorkflowIn,
    WorkflowOut,
    WorkflowSummaryOut,
    WorkflowUpdate,
)
from pilot.calls import call_issues
from pilot.graph.issues import Issue, errors
from pilot.graph.model import Graph
from pilot.graph.spec import Specs
from pilot.graph.structure import counted
from pilot.graph.validate import validate
from pilot.nodes.input_schema import graph_input_schema
from pilot.nodes.output_schema import graph_output_schema
from pilot.store import Store, Workflow, WorkflowSummary

SMALL_GRAPH = 20
"""Up to so many nodes a graph is validated at once; over it in a thread."""


async def check(
    graph: Graph, specs: Specs, store: Store, owner: str, workflow_id: str | None = None
) -> list[Issue]:
    """All issues of an owner's graph, which is that of the workflow, or of none yet."""
    issues = await _issues(graph, specs, await store.secrets.names(owner))
    return issues + await call_issues(store, owner, graph, workflow_id)


async def _issues(graph: Graph, specs: Specs, secrets: frozenset[str]) -> list[Issue]:
    if counted(graph, specs).nodes <= SMALL_GRAPH:
        return validate(graph, specs, secrets)
    return await asyncio.to_thread(validate, graph, specs, secrets)


async def validation(store: Store, specs: Specs, owner: str, body: GraphIn) -> ValidationOut:
    issues = await check(body.graph(), specs, store, owner)
    return ValidationOut(valid=not errors(issues), issues=issues_out(issues))


async def create(
    store: Store, specs: Specs, owner: str, body: WorkflowIn, *, user_id: str
) -> WorkflowOut:
    """Saves a graph for the user, whatever its issues: a draft may be unfinished."""
    graph = body.graph()
    issues = await check(graph, specs, store, owner)
    workflow = await store.create_workflow(
        owner,
        name=body.name,
        description=body.description,
        graph=_stored(graph),
        by=user_id,
    )
    return _out(workflow, _checks(graph, issues))


async def read(parts: Parts, of: Opened, if_none_match: str | None) -> WorkflowOut | str:
    """The workflow, or only its tag where the caller has it as it is."""
    workflow = of.workflow
    tag = etag(workflow.version, workflow.publication)
    if none_match_hits(if_none_match, tag):
        return tag
    return await shown(parts, of, workflow)


async def shown(parts: Parts, of: Opened, workflow: Workflow) -> WorkflowOut:
    """What was opened as it is now, with what validation says, which is kept by content."""
    key = workflow.content_hash, of.secrets
    checks = parts.checked.get(key)
    if checks is None:
        graph = Graph.model_validate(workflow.graph)
        checks = _checks(graph, await _issues(graph, parts.specs, of.secrets))
        parts.checked.put(key, checks)
    of_calls = await call_issues(parts.store, of.owner, workflow.graph, workflow.id)
    return _out(workflow, checks, of_calls)


async def listing(store: Store, owner: str, page: PageQuery) -> PageOut[WorkflowSummaryOut]:
    found = await store.list_workflows(owner, limit=page.limit, cursor=page.cursor)
    return PageOut(items=[summary_out(item) for item in found.items], next_cursor=found.next_cursor)


async def shared(
    store: Store, grantees: Sequence[str], page: PageQuery
) -> PageOut[WorkflowSummaryOut]:
    found = await store.shares.shared_with(grantees, limit=page.limit, cursor=page.cursor)
    items = [
        summary_out(item.workflow).model_copy(
            update={"owner": item.grant.owner, "role": item.grant.role}
        )
        for item in found.items
    ]
    return PageOut(items=items, next_cursor=found.next_cursor)


async def update(
    parts: Parts, of: Opened, body: WorkflowUpdate, if_match: str | None, *, user_id: str
) -> WorkflowOut:
    """Saves a new version for the user. Raises `Problem` (409)."""
    store, owner, id = parts.store, of.owner, of.workflow.id
    expected = await conflicts.expected_version(store, of.workflow, if_match, body.version)
    graph = body.graph()
    checks = _checks(graph, await _issues(graph, parts.specs, of.secrets))
    of_calls = await call_issues(store, owner, graph, id)
    async with conflicts.told(store, owner, id):
        workflow = await store.update_workflow(
            owner,
            id,
            name=body.name,
            description=body.description,
            graph=_stored(graph),
            expected_version=expected,
            by=user_id,
        )
    parts.checked.put((workflow.content_hash, of.secrets), checks)
    return _out(workflow, checks, of_calls)


def _stored(graph: Graph) -> dict[str, Any]:
    return {"nodes": [], "edges": [], **graph.to_json()}


def _checks(graph: Graph, issues: list[Issue]) -> Checks:
    return Checks(issues, graph_input_schema(graph), graph_output_schema(graph))


def _out(workflow: Workflow, checks: Checks, of_calls: Sequence[Issue] = ()) -> WorkflowOut:
    return WorkflowOut.model_construct(
        id=workflow.id,
        name=workflow.name,
        description=workflow.description,
        version=workflow.version,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
        published_version=workflow.published_version,
        publication=workflow.publication,
        nodes=workflow.graph.get("nodes", []),
        edges=workflow.graph.get("edges", []),
        timeout_s=workflow.graph.get("timeout_s"),
        max_parallel=workflow.graph.get("max_parallel"),
        issues=issues_out([*checks.issues, *of_calls]),
        input_schema=checks.input_schema,
        output_schema=checks.output_schema,
    )


def summary_out(summary: WorkflowSummary) -> WorkflowSummaryOut:
    return WorkflowSummaryOut(
        id=summary.id,
        name=summary.name,
        description=summary.description,
        version=summary.version,
        created_at=summary.created_at,
        updated_at=summary.updated_at,
        published_version=summary.published_version,
        publication=summary.publication,
    )
