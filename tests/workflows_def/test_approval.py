"""approval: answers as updates, in the workflow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from pilot.events.model import EventType
from tests.graph.graphs import node
from tests.workflows_def.conftest import Runner
from workflows_def.messages import UPDATE_ANSWER, Answer, AnswerResult

START = node("s", "start")
FORM = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def graph(**config: Any) -> list[dict[str, Any]]:
    outputs = [
        node(one, "output", config={"value": "{nodes.ok.output}"}) for one in ("yes", "no", "late")
    ]
    return [START, node("ok", "approval", config={"title": "Send {input}?", **config}), *outputs]


EDGES = ("s>ok", "ok:approved>yes", "ok:rejected>no")


async def begun(runner: Runner, *edges: str, **config: Any) -> WorkflowHandle[Any, Any]:
    nodes = graph(**config)
    if not any("timeout" in edge for edge in edges):
        nodes.pop()
    handle = await runner.start(nodes, *EDGES, *edges, input="it")
    await runner.until(handle, "ok", "waiting")
    return handle


async def says(
    handle: WorkflowHandle[Any, Any],
    user: str,
    decision: Any = "approved",
    *,
    id: str | None = None,
    **fields: Any,
) -> AnswerResult:
    answer = Answer("ok", "", user, decision, **{"role": "runner", **fields})
    result: AnswerResult = await handle.execute_update(
        UPDATE_ANSWER, answer, id=id, result_type=AnswerResult
    )
    return result


async def refused(handle: WorkflowHandle[Any, Any], user: str, **fields: Any) -> tuple[Any, Any]:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await says(handle, user, **fields)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause.type, [*caught.value.cause.details, None][0]


async def test_one_approves(runner: Runner) -> None:
    handle = await begun(runner)
    waiting = (await runner.until(handle, "ok", "waiting")).nodes[1].meta["waiting"]
    assert (waiting["for"], waiting["title"], waiting["approvals"]) == ("approval", "Send it?", 0)
    result = await says(handle, "bob", comment="Fine.", values={"x": 1})
    assert (result.status, result.approvals, result.required) == ("approved", 1, 1)
    output = (await runner.result(handle))["yes"]
    [answer] = output["answers"]
    assert (answer["by"], answer["decision"], answer["comment"]) == ("bob", "approved", "Fine.")
    assert (output["decision"], output["values"]) == ("approved", {"x": 1})


async def test_one_rejects(runner: Runner) -> None:
    handle = await begun(runner, required=3)
    assert (await says(handle, "bob")).status == "waiting"
    assert (await says(handle, "eve", "rejected")).status == "rejected"
    output = (await runner.result(handle))["no"]
    assert [one["by"] for one in output["answers"]] == ["bob", "eve"]


async def test_a_rejection_may_fail_the_node(runner: Runner) -> None:
    nodes = graph(on_reject="fail")[:3]
    handle = await runner.start(nodes, "s>ok", "ok:approved>yes")
    await runner.until(handle, "ok", "waiting")
    await says(handle, "bob", "rejected", comment="too dear")
    failure = await runner.failure(handle)
    assert failure.type == "rejected"
    assert failure.message.endswith("it was rejected: too dear")
    assert "bob" not in failure.message
    [state] = [one for one in (await runner.snapshot(handle)).nodes if one.id == "ok"]
    assert [one["by"] for one in state.meta["answers"]] == ["bob"]


async def test_n_of_m_and_nobody_twice(runner: Runner) -> None:
    approvers = {"users": ["bob", "eve", "zoe"]}
    handle = await begun(runner, required=2, approvers=approvers)
    assert await refused(handle, "mallory") == ("not_approver", None)
    assert await refused(handle, "mallory", role="admin") == ("not_approver", None)
    assert (await says(handle, "bob", role=None)).status == "waiting"
    assert await refused(handle, "bob") == ("already_answered", "approved")
    assert (await says(handle, "zoe", role=None)).status == "approved"
    output = (await runner.result(handle))["yes"]
    assert [one["by"] for one in output["answers"]] == ["bob", "zoe"]
    waits = [e for e in runner.events(handle) if e.type is EventType.NODE_WAITING]
    assert [e.data["meta"]["waiting"]["approvals"] for e in waits] == [0, 1]


async def test_roles_and_the_starter(runner: Runner) -> None:
    handle = await begun(runner, approvers={"roles": ["editor", "admin"]}, allow_self=False)
    assert (await refused(handle, "bob"))[0] == "not_approver"
    assert (await refused(handle, "ada", role="admin", is_starter=True))[0] == "self_approval"
    assert (await says(handle, "eve", role="editor")).status == "approved"
    await runner.result(handle)


async def test_a_form_is_checked_and_may_be_filled_again(runner: Runner) -> None:
    handle = await begun(runner, form=FORM)
    wrong = await says(handle, "bob", values={"n": "x"})
    assert (wrong.status, wrong.problems[0]["path"]) == ("invalid", "$.n")
    assert (await says(handle, "bob", values={"n": 5})).status == "approved"
    assert (await runner.result(handle))["yes"]["values"] == {"n": 5}


async def test_of_many_at_once_one_decides(runner: Runner) -> None:
    """With a form each answer is checked by an activity, so all are under way together."""
    nodes = [*graph(form=FORM)[:3], node("then", "wait", config={"duration": 2})]
    handle = await runner.start(
        nodes, "s>ok", "ok:approved>yes", "ok:approved>then", "ok:rejected>then"
    )
    await runner.until(handle, "ok", "waiting")
    found = await asyncio.gather(
        *(says(handle, f"u{n}", values={"n": n}) for n in range(8)), return_exceptions=True
    )
    decided = [one for one in found if isinstance(one, AnswerResult)]
    assert [one.status for one in decided] == ["approved"]
    for one in found:
        if isinstance(one, WorkflowUpdateFailedError):
            assert isinstance(one.cause, ApplicationError)
            assert (one.cause.type, one.cause.details) == ("already_decided", ("approved",))
    output = await runner.result(handle)
    assert len(output["answers"]) == 1


async def test_a_repetition_gets_the_same_answer(runner: Runner) -> None:
    handle = await begun(runner, required=2)
    first = await says(handle, "bob", id="k")
    assert await says(handle, "bob", id="k") == first
    assert (await says(handle, "eve", id="l")).status == "approved"
    await runner.result(handle)
    assert await says(handle, "bob", id="k") == first


async def test_its_time_is_over(runner: Runner) -> None:
    handle = await begun(runner, "ok:timeout>late", timeout=0.5)
    output = (await runner.result(handle))["late"]
    assert output == {"decision": "timeout", "values": None, "answers": []}


async def test_it_is_cancelled(runner: Runner) -> None:
    handle = await begun(runner)
    await handle.cancel()
    await runner.failure(handle)
    with pytest.raises(Exception, match="completed"):
        await says(handle, "bob")
