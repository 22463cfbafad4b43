"""The sandbox is entered for workflow code only, and what is asked of a run is the same."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.converter import ActivitySerializationContext, WorkflowSerializationContext
from temporalio.worker import Worker, WorkflowInstance

from pilot.runner import ASKED, WorkflowCodeSandbox


@activity.defn
async def doubled(number: int) -> int:
    return 2 * number


@workflow.defn(name="Child")
class Child:
    @workflow.run
    async def run(self, number: int) -> int:
        return number + 1


@workflow.defn(name="Parent")
class Parent:
    @workflow.run
    async def run(self, number: int) -> int:
        first = await workflow.execute_activity(
            doubled, number, start_to_close_timeout=timedelta(seconds=30)
        )
        return await workflow.execute_child_workflow(
            Child.run, first, id=f"{workflow.info().workflow_id}/child"
        )


@dataclass(frozen=True)
class Both(WorkflowCodeSandbox):
    """Asks both ways, and keeps the pairs of answers."""

    answers: list[tuple[Any, Any]] = field(default_factory=list)

    def create_instance(self, det: Any) -> WorkflowInstance:
        instance = super().create_instance(det)
        for name in ASKED:
            setattr(instance, name, self._both(instance, name, getattr(instance, name)))
        return instance

    def _both(
        self, instance: WorkflowInstance, name: str, around: Callable[[Any], Any]
    ) -> Callable[[Any], Any]:
        def asked(command: Any) -> Any:
            answer = around(command)
            self.answers.append((answer, getattr(type(instance), name)(instance, command)))
            return answer

        return asked


async def test_a_run_answers_as_it_does_in_the_sandbox(temporal_client: Client) -> None:
    runner, queue = Both(), str(uuid.uuid4())
    async with Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Parent, Child],
        activities=[doubled],
        workflow_runner=runner,
    ):
        result = await asyncio.wait_for(
            temporal_client.execute_workflow(Parent.run, 3, id=str(uuid.uuid4()), task_queue=queue),
            60,
        )
    assert result == 7
    assert all(around == inside for around, inside in runner.answers)
    kinds = {type(around) for around, _ in runner.answers}
    assert {ActivitySerializationContext, WorkflowSerializationContext} <= kinds


async def test_the_way_around_the_sandbox_is_there() -> None:
    defn = workflow._Definition.must_from_class(Child)
    made: list[WorkflowInstance] = []

    @dataclass(frozen=True)
    class Kept(WorkflowCodeSandbox):
        def create_instance(self, det: Any) -> WorkflowInstance:
            made.append(super().create_instance(det))
            return made[-1]

    Kept().prepare_workflow(defn)
    [instance] = made
    assert set(ASKED) <= set(vars(instance))
