"""Records the histories that replay tests hold the interpreter to.

`python -m tests.histories.record NAME...` runs each named case (without a name: those that no
release has) on a real server and writes `tests/histories/<release>/<name>.json`, of the release
that pyproject.toml names. Histories that are there are never written again: they are what runs in
flight look like, and new code must go on with them. How a release is made: docs/decisions/0008.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.worker import Worker

from benchmarks.stack import USER, Stack, stack
from pilot.graph.model import Graph
from pilot.payloads.sizes import Sizes
from tests.graph.graphs import graph, node
from tests.openai_server import Calls, Failure, OpenAIServer, Reply, calls, openai_server
from tests.outside import outside
from tests.workflows_def.bodies import DOUBLE, MORE, ODD_FAILS, again, each, histories
from tests.workflows_def.test_gallery import CASES, World, gallery_world, with_what_it_calls
from workflows_def.iterations import MAX_EVENTS
from workflows_def.messages import (
    QUERY_CHILD,
    QUERY_SNAPSHOT,
    QUERY_WAITERS,
    SIGNAL_PAUSE,
    SIGNAL_RESUME,
    UPDATE_ANSWER,
    UPDATE_CLAIM,
    UPDATE_DELIVER,
    UPDATE_SETTLE,
    Answer,
    AnswerResult,
    Claim,
    Delivery,
    Receipt,
    Recorded,
    Resume,
    Settled,
    Snapshot,
    Waiters,
)

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]


def release() -> str:
    """The working tree's: the first two numbers of its version. A third stands for changes
    that no run in flight can notice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return ".".join(project["version"].split(".")[:2])


def stored() -> list[Path]:
    """All stored histories, of every release."""
    return sorted(HERE.glob("*/*.json"))


EXAMPLES = ROOT / "examples"

Handle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Case:
    """A run: its graph, its input, what is done to it from outside, and what the model says."""

    graph: Graph
    input: Any = None
    meanwhile: list[Callable[[Handle], Awaitable[None]]] = field(default_factory=list)
    resume: Resume | None = None
    model: list[Reply | Calls | Failure] = field(default_factory=list)
    called: Graph | None = None
    """What its workflow nodes run."""
    template: str | None = None
    """Of the gallery, where it is one: what that calls is stored."""
    max_events: int = MAX_EVENTS
    """After so many a loop or a map goes on in a new history."""
    queues: dict[str, str] = field(default_factory=dict)
    """Of node types whose activities go elsewhere."""
    sizes: Sizes = field(default_factory=Sizes)


def example(name: str, input: Any) -> Case:
    return Case(Graph.model_validate(json.loads((EXAMPLES / f"{name}.json").read_text())), input)


async def until(handle: Handle, node_id: str, status: str) -> None:
    while True:
        snapshot: Snapshot = await handle.query(QUERY_SNAPSHOT, result_type=Snapshot)
        if {one.id: one.status for one in snapshot.nodes}[node_id] == status:
            return
        await asyncio.sleep(0.02)


async def cancel(handle: Handle) -> None:
    await until(handle, "slow", "running")
    await handle.cancel()


async def pause_and_resume(handle: Handle) -> None:
    await until(handle, "slow", "running")
    await handle.signal(SIGNAL_PAUSE)
    await until(handle, "slow", "failed")
    await asyncio.sleep(0.3)
    await handle.signal(SIGNAL_RESUME)


async def send_signals(handle: Handle) -> None:
    """One comes early, one does not match, and two come at once, of which one is enough."""

    async def send(payload: int) -> None:
        delivery = Delivery([("sig", "")], payload)
        with suppress(WorkflowUpdateFailedError):
            await handle.execute_update(UPDATE_DELIVER, delivery, result_type=list[Receipt])

    await send(2)
    await until(handle, "sig", "waiting")
    await send(1)
    await asyncio.gather(send(3), send(4))


async def claim_inside(handle: Handle) -> None:
    """As the API sends a signal that has a key to what waits in a loop."""
    child_id = None
    while child_id is None:
        await asyncio.sleep(0.1)
        child_id = await handle.query(QUERY_CHILD, "again[0]")
    child = handle._client.get_workflow_handle(child_id)
    for index in range(2):
        while ("sig", f"again[{index}]") not in await waiting_in(child):
            await asyncio.sleep(0.05)
        claim = Claim("", {child_id: [("sig", f"again[{index}]")]})
        await handle.execute_update(UPDATE_CLAIM, claim, result_type=Claim)
        delivery = Delivery(claim.places[child_id], index + 1)
        receipts = await child.execute_update(UPDATE_DELIVER, delivery, result_type=list[Receipt])
        await handle.execute_update(UPDATE_SETTLE, Settled(receipts), result_type=Settled)


async def waiting_in(child: Handle) -> list[tuple[str, str]]:
    """Where a child's nodes of this id wait now."""
    found = await child.query(QUERY_WAITERS, ["sig"], result_type=Waiters)
    return [(node_id, path) for node_id, path in found.nodes]


async def inside(handle: Handle) -> None:
    """Waits until the map's child has items under way."""
    child_id = None
    while child_id is None:
        await asyncio.sleep(0.1)
        child_id = await handle.query(QUERY_CHILD, "each[0]")
    await asyncio.sleep(0.5)


async def cancel_inside(handle: Handle) -> None:
    await inside(handle)
    await handle.cancel()


async def pause_inside(handle: Handle) -> None:
    await inside(handle)
    await handle.signal(SIGNAL_PAUSE)
    await asyncio.sleep(2)
    await handle.signal(SIGNAL_RESUME)


async def answer_approval(handle: Handle) -> None:
    """Values that do not fit, then three answers at once, of which two are enough."""

    async def say(user: str, values: Any) -> None:
        answer = Answer("ask", "", user, "approved", values, role="runner")
        with suppress(WorkflowUpdateFailedError):
            await handle.execute_update(UPDATE_ANSWER, answer, result_type=AnswerResult)

    await until(handle, "ask", "waiting")
    await say("bob", 5)
    await asyncio.gather(*(say(user, {}) for user in ("bob", "eve", "zoe")))


async def reject(handle: Handle) -> None:
    await until(handle, "ask", "waiting")
    answer = Answer("ask", "", "bob", "rejected", comment="Too dear.", role="runner")
    await handle.execute_update(UPDATE_ANSWER, answer, result_type=AnswerResult)


START, OUTPUT = node("s", "start"), node("o", "output")
SPIN = "def main():\n    while True:\n        pass"


UNDO = node("undo", "code", on_cancel=True,
            config={"source": "def main(nodes):\n    return sorted(nodes)"})  # fmt: skip


CALL = node("call", "workflow", config={"workflow_id": "stored before"})


def spinning(seconds: int, **fields: Any) -> dict[str, Any]:
    config = {"source": SPIN, "limits": {"time_s": seconds}}
    return node("slow", "code", config=config, **fields)


def calling() -> Case:
    """A model that calls two tools twice, one of which fails, and a third never."""
    tools = [{"node": "double"}, {"node": "bad"}, {"node": "unused"}]
    ask = node("ask", "llm", config={"prompt_template": "{input}", "tools": tools})
    double = node("double", "code", config={"source": "def main(input):\n    return [input] * 2"})
    nodes = [START, ask, double, node("bad", "code", config={"source": "1 / 0"}),
             node("unused", "code"), OUTPUT]  # fmt: skip
    return Case(
        graph(nodes, "s>ask", "ask>o"),
        "Hello",
        model=[
            calls(("double", {"x": 1}), ("bad", {}), ("nothing", {})),
            calls(("double", {"x": 2})),
            Reply("done"),
        ],
    )


def racing() -> Case:
    """One of four branches is waited for: one that is done at once, one that would take a minute
    (and what follows it), one that waits for its next attempt, and one that leads elsewhere."""
    retry = {"max_attempts": 3, "initial_s": 60, "max_s": 60}
    config = {"mode": "any", "output": "first", "cancel_losers": True}
    nodes = [START, spinning(60), node("after"), spinning(1, on_error="continue") | {"id": "win"},
             node("again", "llm", retry=retry), spinning(2, on_error="continue") | {"id": "kept"},
             node("m", "merge", config=config), OUTPUT, node("side", "output")]  # fmt: skip
    edges = ("s>slow", "slow>after", "after>m", "s>win", "win>m", "s>again", "again>m", "s>kept",
             "kept>m", "kept>side", "m>o")  # fmt: skip
    return Case(graph(nodes, *edges), model=[Failure(503)])


def cases(address: str = "") -> dict[str, Case]:
    """By name. `address` is where their http nodes find a server."""
    bad = node("bad", "code", config={"source": "1 / 0"})
    fan = [node(f"k{i}", "code", config={"source": str(i)}) for i in range(30)]
    return {
        "simple_chatbot": example("simple_chatbot", {"message": "Hello"}),
        "support_triage": example("support_triage", {"message": "It is broken", "urgent": True}),
        "shopping_cart": example("shopping_cart", None),
        "http_summary": example("http_summary", {"url": f"{address}/ok/summary"}),
        "confirm_by_link": example(
            "confirm_by_link", {"url": f"{address}/ok/told", "patience": "PT1S"}
        ),
        "approve_before_sending": example(
            "approve_before_sending", {"mail": "Open?", "patience": "PT0.5S"}
        ),
        "approvals": Case(graph([START, node("ask", "approval", config={
                                "title": "{input}", "required": 2, "reminder_s": 60,
                                "form": {"type": "object"}, "timeout": "P1D"}),
                                OUTPUT, node("no", "output"), node("late", "output")],
                                "s>ask", "ask:approved>o", "ask:rejected>no", "ask:timeout>late"),
                          "Send?", meanwhile=[answer_approval]),
        "rejected": Case(graph([START, node("ask", "approval", config={
                                "title": "{input}", "on_reject": "fail"}), OUTPUT],
                               "s>ask", "ask:approved>o"), "Send?", meanwhile=[reject]),
        "waits": Case(graph([START, node("nap", "wait", config={"duration": 0.2}),
                             node("sig", "wait", config={"signal": "go", "count": 2,
                                                         "condition": "payload > 1"}), OUTPUT],
                            "s>nap", "nap>sig", "sig>o"), meanwhile=[send_signals]),
        "text_report": example("text_report", {"text": "one two two"}),
        "node_fails": Case(graph([START, bad, spinning(60), OUTPUT],
                                 "s>bad", "s>slow", "bad>o", "slow>o")),
        "error_branch": Case(graph([START, bad | {"on_error": "branch"}, OUTPUT,
                                    node("e", "output")], "s>bad", "bad>o", "bad:error>e")),
        "cancelled": Case(graph([START, spinning(60), OUTPUT], "s>slow", "slow>o"),
                          meanwhile=[cancel]),
        "paused": Case(graph([START, spinning(1, on_error="continue"), node("v"), OUTPUT],
                             "s>slow", "slow>v", "v>o"), meanwhile=[pause_and_resume]),
        "fan_out": Case(graph([START, *fan, OUTPUT], *[f"s>{one['id']}" for one in fan],
                              *[f"{one['id']}>o" for one in fan])),
        "early_join": Case(graph([START, node("a"), spinning(1, on_error="continue"),
                                  node("j", join="any"), OUTPUT],
                                 "s>a", "s>slow", "a>j", "slow>j", "j>o")),
        "tools": calling(),
        "resumed": Case(graph([START, bad, node("v"), OUTPUT], "s>bad", "bad>v", "v>o"),
                        resume=Resume(reuse=["s"], pinned={"bad": Recorded(output=1)})),
        "races": racing(),
        "fastest_answer": example("fastest_answer", {"message": "Hi"}),
        "switched": Case(graph([START, node("w", "switch", config={"mode": "all", "cases": [
                                {"handle": h, "expression": f"input > {i}"}
                                for i, h in enumerate("abc")]}),
                                node("v"), node("m", "merge", config={"output": "list"}),
                                OUTPUT],
                               "s>w", "w:a>v", "w:b>m", "w:c>m", "w:else>m", "v>m", "m>o",
                               max_parallel=2), 2),
        # two stretches: one ends at a node that fails, which leaves by its branch
        "stretches": Case(graph([START, node("a"), node("c", "condition", config={
                                 "expression": "input > 1"}), node("b"), node("never"),
                                 node("bad", config={"assignments": {"v": "{input.x}"}},
                                      on_error="branch"),
                                 node("k", "code", config={"source": "1"}), node("d"), OUTPUT,
                                 node("e", "output")],
                                "s>a", "a>c", "c:true>b", "c:false>never", "b>bad", "bad>never",
                                "b>k", "k>d", "d>o", "bad:error>e"), 2),
        # nodes that hand on their input, before and behind an activity, and beside a stretch
        "hands_on": Case(graph([START, node("k", "code"), node("a"), node("b"), OUTPUT,
                                node("p", "output", config={"value": "{input}"}),
                                node("q", "output", config={"value": "{vars.v}!"})],
                               "s>k", "k>a", "a>b", "k>o", "b>p", "b>q"), {"n": [1]}),
        "map": Case(graph([START, each([DOUBLE], parallelism=3, window=4), OUTPUT],
                          "s>each", "each>o"), [1, 2, 3, 4, 5, 6, 7]),
        "map_collects": Case(graph([START, each([ODD_FAILS], on_item_error="collect",
                                                stop_when="item == 4"), OUTPUT],
                                   "s>each", "each>o"), [0, 1, 2, 4, 6]),
        "map_fails": Case(graph([START, each([ODD_FAILS, spinning(60)], "odd>slow", window=2),
                                 OUTPUT], "s>each", "each>o"), [0, 2, 3, 4]),
        "map_in_map": Case(graph([START, each([each([DOUBLE], id="inner", items="{item}")]),
                                  OUTPUT], "s>each", "each>o"), [[1, 2], [3]]),
        "map_cancelled": Case(graph([START, each([spinning(60)]), OUTPUT],
                                    "s>each", "each>o"), [1, 2], meanwhile=[cancel_inside]),
        "map_paused": Case(graph([START, each([spinning(1, on_error="continue")], parallelism=1),
                                  OUTPUT], "s>each", "each>o"), [1, 2, 3],
                           meanwhile=[pause_inside]),
        "loop": Case(graph([START, again([DOUBLE], condition="item < 50"), OUTPUT],
                           "s>again", "again>o"), 1),
        "loop_goes_on": Case(graph([START, again([MORE], condition="item < 20"), OUTPUT],
                                   "s>again", "again>o"), 0, max_events=60),
        "map_goes_on": Case(graph([START, each([DOUBLE]), OUTPUT], "s>each", "each>o"),
                            list(range(30)), max_events=100),
        "timed_out": Case(graph([START, spinning(60), UNDO, OUTPUT],
                                "s>slow", "slow>o", timeout_s=1)),
        "cleaned_up": Case(graph([START, spinning(60), UNDO, node("then", "code", config={
                                  "source": "def main(x):\n    return x"}), OUTPUT],
                                 "s>slow", "slow>o", "undo>then"), meanwhile=[cancel]),
        "child": Case(graph([START, CALL, OUTPUT], "s>call", "call>o"), "Hello",
                      called=graph([START, node("v"), OUTPUT], "s>v", "v>o")),
        "queues": Case(graph([START, node("c", "code", config={"source": "[1, 2]"}),
                              each([DOUBLE]), CALL, OUTPUT],
                             "s>c", "c>each", "each>call", "call>o"),
                       called=graph([START, node("c", "code", config={"source": "input"}), OUTPUT],
                                    "s>c", "c>o"), queues={"code": "pilot-code"}),
        "map_waits_on": Case(graph([START, each([node("hush", "wait", config={
                                    "duration": "{item}"})], window=1), OUTPUT],
                                   "s>each", "each>o"), [1, 3]),
        "kept_output": Case(graph([START, node("get", "http", config={
                                   "url": f"{address}/large/text"}), node("size", "code", config={
                                   "source": "def main(input):\n    return len(input['text'])"}),
                                   node("v", "variable", config={"assignments": {
                                        "name": "{nodes.get.output.name}"}}),
                                   node("both", "merge"), node("o", "output", config={
                                        "value": "{nodes.get.output}"})],
                                  "s>get", "get>size", "get>v", "size>both", "v>both", "both>o"),
                            sizes=Sizes(16_000_000, 131_072, keeps=True)),
        "gathered": Case(graph([START, each([DOUBLE], window=3), OUTPUT], "s>each", "each>o"),
                         list(range(10)), sizes=Sizes(16_000_000, 131_072, keeps=True)),
        "claimed": Case(graph([START, again([node("sig", "wait", config={"signal": "go"})],
                                            condition="index < 2"), OUTPUT],
                              "s>again", "again>o"), meanwhile=[claim_inside]),
        "typed_output": Case(graph([START, node("o", "output", config={
                                    "output_schema": {"type": "string"}})], "s>o"), "Hello"),
        "child_fails": Case(graph([START, CALL | {"on_error": "branch"}, OUTPUT,
                                   node("e", "output")], "s>call", "call>o", "call:error>e"),
                            called=graph([START, bad, OUTPUT], "s>bad", "bad>o")),
        "child_left": Case(graph([START, node("call", "workflow", config={
                                  "workflow_id": "stored", "wait": False}), OUTPUT],
                                 "s>call", "call>o"), called=graph([START, OUTPUT], "s>o")),
    }  # fmt: skip


def gallery(world: World) -> dict[str, Case]:
    """The examples that are run with their outputs asserted: each once, as there."""
    found: dict[str, Case] = {}
    for case in CASES:
        one = example(case.template, case.input(world))
        found.setdefault(
            case.template, replace(one, model=list(case.script), template=case.template)
        )
    return found


def known(address: str = "", world: World | None = None) -> dict[str, Case]:
    """All cases by name. `world` is what the gallery's graphs call."""
    return gallery(world or World()) | cases(address)


async def calling_stored(bench: Stack, case: Case) -> Graph:
    """The case's graph, with the workflow stored that it calls."""
    if case.template is not None:
        return Graph.model_validate(await with_what_it_calls(bench.store, USER, case.template))
    if case.called is None:
        return case.graph
    stored = await bench.store.create_workflow(
        USER, name="called", description="", graph=case.called.to_json()
    )
    body = case.graph.to_json()
    for one in body["nodes"]:
        if one["type"] == "workflow":
            one["config"]["workflow_id"] = stored.id
    return Graph.model_validate(body)


async def record(bench: Stack, name: str, case: Case) -> None:
    case = replace(case, graph=await calling_stored(bench, case))
    resume = case.resume
    if resume is not None:  # from a run of the same graph
        before = await bench.start_graph(case.graph, case.input)
        with suppress(WorkflowFailureError):
            await before.result()
        resume = replace(resume, source=before.id.removeprefix("execution-"))
    run = await bench.enter(
        await bench.save(case.graph), case.graph, case.input, resume=resume, queues=case.queues
    )
    handle = await bench.begin(replace(run, sizes=case.sizes))
    async with AsyncExitStack() as workers:
        for queue in set(case.queues.values()):
            await workers.enter_async_context(Worker(bench.client, task_queue=queue))
        for action in case.meanwhile:
            await action(handle)
        try:
            outcome = f"gave {await handle.result()!r:.70}"
        except WorkflowFailureError as error:
            outcome = f"ended: {error.cause!r:.70}"
    folder = HERE / release()
    folder.mkdir(exist_ok=True)
    for number, history in enumerate(await histories(bench.client, handle.id)):
        # the run's own, and those of its children
        path = folder / (f"{name}.{number}.json" if number else f"{name}.json")
        text = json.dumps(history.to_json_dict(), indent=1, sort_keys=True)
        path.write_text(text.replace(f"{ROOT}/", ""))  # in the stack traces of failures
        print(f"{path.stem}: {len(history.events)} events, {outcome}")


async def main(names: list[str]) -> None:
    async with openai_server() as models, outside() as world, gallery_world() as calls:
        os.environ["PILOT_LLM_API_BASE"] = models.base_url
        await record_all(models, known(world.address, calls), names)


async def record_all(models: OpenAIServer, all_known: dict[str, Case], names: list[str]) -> None:
    there = {path.stem for path in stored()}
    async with stack([], allowed_hosts=["127.0.0.1"]) as bench:
        for name in names or [name for name in all_known if name not in there]:
            case = all_known[name]
            if (HERE / release() / f"{name}.json").exists():
                print(f"{name}: is there already")
                continue
            models.reset()
            models.script(*case.model)
            with (
                patch("workflows_def.containers.MAX_EVENTS", case.max_events),
                patch("activities.map.HELD_BYTES", 10),
            ):
                await record(bench, name, case)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
