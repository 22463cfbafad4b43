"""What must be true of a workflow and an input before a run of it may begin.

API and worker ask alike: the one for a request, the other for a schedule's time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pilot.budget import allowance_of, exhausted
from pilot.calls import call_issues, with_tool_schemas
from pilot.compiled import Plans, size_of
from pilot.errors import GraphError, RefusedError
from pilot.events.wire import dumps
from pilot.graph.issues import errors
from pilot.graph.plan import Plan
from pilot.graph.spec import Specs
from pilot.graph.values import deeper_than
from pilot.nodes.start import resolve_input
from pilot.payloads.sizes import Sizes
from pilot.store import Store, Workflow, WorkflowVersion
from pilot.store.usage import Limits, Spent, next_day, refusal, utc_day

MAX_INPUT_DEPTH = 90
"""A little under what a node's result may be, 100: the start node's holds the input."""
MODEL_CATEGORY = "model"


@dataclass(frozen=True, slots=True)
class Preparation:
    """`ceiling` is what no owner may use beyond, whatever budget they set; `sizes` is what a run's
    argument may have. `plans` are kept between requests."""

    store: Store
    specs: Specs
    ceiling: Limits
    sizes: Sizes = field(default_factory=Sizes)
    plans: Plans = field(default_factory=Plans)

    async def prepare(
        self,
        owner: str,
        workflow: Workflow | WorkflowVersion,
        given: Any,
        secrets: frozenset[str] | None = None,
    ) -> tuple[Plan, Any]:
        """The plan and the whole input, the start node's defaults filled in. `secrets` are the
        names of the owner's, where they are known.

        Raises `GraphError`; `RefusedError` (`invalid_input`, with its issues, `input_too_deep`,
        `input_too_large`, `graph_too_large`); and what the store does.
        """
        workflow_id = workflow.id if isinstance(workflow, Workflow) else workflow.workflow_id
        issues = await call_issues(self.store, owner, workflow.graph, workflow_id)
        if errors(issues):
            raise GraphError(issues)
        if secrets is None:
            secrets = await self.store.secrets.names(owner)
        compiled = await self.plans.of(workflow, self.specs, secrets)
        plan = await with_tool_schemas(self.store, owner, compiled.plan)
        value, issues = resolve_input(compiled.start, given)
        if issues:
            raise RefusedError(issues[0].message, code="invalid_input", issues=issues)
        if deeper_than(value, MAX_INPUT_DEPTH):
            raise RefusedError(
                f"The input nests deeper than {MAX_INPUT_DEPTH} levels.", code="input_too_deep"
            )
        plan_size = compiled.size if plan is compiled.plan else size_of(plan)
        most = self.sizes.payload
        if plan_size > most:
            raise RefusedError(
                f"The graph is {plan_size:,} bytes when compiled; a run takes "
                f"{most:,}. Move large texts into the input, or split the workflow.",
                code="graph_too_large",
            )
        input_size = len(dumps(value))
        if plan_size + input_size > most:
            raise RefusedError(
                f"The input is {input_size:,} bytes; beside this graph a run takes "
                f"{most - plan_size:,}.",
                code="input_too_large",
            )
        return plan, value

    async def require_budget(
        self, owner: str, workflow_id: str, plan: Plan, callers: Sequence[str] = ()
    ) -> None:
        """Raises `RefusedError` `budget_exceeded`, with the seconds until the budget begins
        anew; and `StoreError` where nobody can say what is left. `callers` are those of the run.

        Only a graph that may ask a model is held to a budget. What calls under way have
        reserved does not count here: each of the run's own calls is checked again.
        """
        if not any(self.specs[node.type].category == MODEL_CATEGORY for node in plan.every_node()):
            return
        usage = self.store.usage
        allowance = await allowance_of(usage, self.ceiling, owner, workflow_id, callers)
        if not allowance:
            return
        now = datetime.now(UTC)
        account, workflow, *above = [
            await self._used(owner, which, now) for which in (None, workflow_id, *callers)
        ]
        refused = refusal(allowance, account, workflow, above)
        if refused is not None:
            left = (next_day(now) - now).total_seconds()
            raise RefusedError(
                exhausted(refused, now), code="budget_exceeded", retry_after_s=math.ceil(left)
            )

    async def _used(self, owner: str, workflow_id: str | None, now: datetime) -> Spent:
        spent = await self.store.usage.spent(owner, workflow_id, utc_day(now))
        return Spent(spent.tokens, spent.cost)
