"""Large outputs are passed on by reference: a run gives whole values to those that read them, and
its worker never holds them whole."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from activities import http_journal
from api.runs import Runs
from pilot.crypto import new_key
from pilot.errors import PayloadStoreError
from pilot.keys import payload_keyring
from pilot.payloads.objects import Objects
from pilot.payloads.values import Kept, Values
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from tests.graph.graphs import node
from tests.payloads.test_runs import (
    history_of,
    payloads_in,
    result_of,
    run_of,
    settings_with,
    working,
)
from tests.s3_server import S3Server
from workflows_def.messages import RunInput

TEXT = "confidential é " * 200_000
VALUE = {"items": ["confidential " * 100 + str(n) for n in range(2_400)]}
"""3 MB each, as JSON."""


class Answers(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path:
            case "/text":
                kind, body = "text/plain; charset=utf-8", TEXT.encode()
            case "/bad.json":
                kind, body = "application/json", json.dumps(VALUE).encode()[:-1]
            case "/json":
                kind, body = "application/json", json.dumps(VALUE).encode()
            case path:
                kind, body = "text/plain", b"x" * int(path.strip("/"))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def large_settings(address: str, folder: Path, **fields: Any) -> Settings:
    return await settings_with(
        address,
        folder,
        pilot_payloads=f"folder:{folder / 'p'}",
        pilot_allowed_hosts=["127.0.0.1"],
        **fields,
    )


def fetching(origin: str, what: str, *nodes: Any, edges: tuple[str, ...]) -> RunInput:
    get = node("get", "http", config={"url": f"{origin}/{what}"})
    return run_of(node("s", "start"), get, *nodes, edges=("s>get", *edges))


async def raw_result(settings: Settings, run: RunInput) -> Any:
    """As the run gave it."""
    async with working(settings) as client:
        await Runs(client, settings.temporal_task_queue).start(run)
        handle = client.get_workflow_handle(f"execution-{run.execution_id}")
        return await asyncio.wait_for(handle.result(), 60)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
async def test_what_is_only_passed_on_is_nowhere_in_the_history(
    temporal_address: str, tmp_path: Path, origin: str, sealed: bool
) -> None:
    key = new_key() if sealed else None
    settings = await large_settings(temporal_address, tmp_path, pilot_encryption_key=key)
    check = node("c", "condition", config={"expression": "nodes.get.meta.status == 200"})
    run = fetching(origin, "text", check, node("o", "output"), edges=("get>c", "c:true>o"))
    result = await raw_result(settings, run)
    kept = Kept.of(result, run.execution_id)
    assert kept is not None
    assert await Values.open(settings).whole(result, run.execution_id) == TEXT
    # once, whatever refers to it
    [file] = [path for path in (tmp_path / "p").rglob("*") if path.is_file()]
    assert (b"confidential" in file.read_bytes()) is not sealed

    history = await history_of(temporal_address, run)
    assert all(len(one.data) < 20_000 for event in history.events for one in payloads_in(event))
    plugin = PilotPlugin(keyring=payload_keyring(settings))  # without the payload store
    await Replayer(workflows=[], plugins=[plugin]).replay_workflow(history)


async def test_who_reads_it_is_given_the_value(
    temporal_address: str, tmp_path: Path, origin: str
) -> None:
    """By name, as input, through a node that passes its input on, with others by the map of them,
    inside of a map."""
    settings = await large_settings(temporal_address, tmp_path)
    body = {"nodes": [node("in", "code", config={
        "source": "def main(item, nodes): return len(nodes['get']['output']['items']) + item"})],
        "edges": []}  # fmt: skip
    nodes = (
        node("v", "variable", config={"assignments": {"n": "{size(nodes.get.output.items)}"}}),
        node("c", "condition", config={"expression": "size(input.items) == 2400"}),
        node("both", "merge"),
        node("count", "code", config={"source": "def main(input): return sum(len(one['items']) "
                                               "for one in input.values())"}),
        node("m", "map", config={"items": "{[1, 2]}", "body": body}),
        node("o", "output", config={
            "value": ["{vars.n}", "{nodes.count.output}", "{input}"]}),
    )  # fmt: skip
    edges = ("get>v", "get>c", "v>both", "c:true>both", "both>count", "count>m", "m>o")
    run = fetching(origin, "json", *nodes, edges=edges)
    async with working(settings) as client:
        found = await result_of(client, settings, run)
    assert found == [2_400, 4_800, [2_401, 2_402]]


async def test_outputs_together_and_those_with_a_schema_are_whole(
    temporal_address: str, tmp_path: Path, origin: str
) -> None:
    settings = await large_settings(temporal_address, tmp_path)
    ends = (
        node("a", "output"),
        node("b", "output", config={"output_schema": {"type": "string"}}),
    )
    run = fetching(origin, "text", *ends, edges=("get>a", "get>b"))
    assert await raw_result(settings, run) == {"a": TEXT, "b": TEXT}
    [_, end] = ends
    bad = end | {"config": {"output_schema": {"type": "object"}}}
    run = fetching(origin, "text", bad, edges=("get>b",))
    with pytest.raises(WorkflowFailureError) as caught:
        await raw_result(settings, run)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "output_schema_mismatch"


async def test_the_ceiling_holds_for_what_is_kept(
    temporal_address: str, tmp_path: Path, origin: str
) -> None:
    settings = await large_settings(temporal_address, tmp_path, pilot_payloads_max_mb=3)
    run = fetching(origin, "2500000", node("o", "output"), edges=("get>o",))
    with pytest.raises(WorkflowFailureError) as caught:
        await raw_result(settings, run)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "response_too_large"
    said = "has 2.5 MB; at most 2.37 MB fit where a result may have 3 MB (PILOT_PAYLOADS_MAX_MB)"
    assert said in cause.message


async def test_a_response_waits_for_a_store_that_is_away(
    temporal_address: str, tmp_path: Path, origin: str, s3: S3Server
) -> None:
    """The request is not sent again for it."""
    settings = await settings_with(
        temporal_address, tmp_path, pilot_allowed_hosts=["127.0.0.1"], **s3.settings
    )
    run = fetching(origin, "text", node("o", "output"), edges=("get>o",))
    async with working(settings) as client:
        s3.stop()
        Answers.asked.clear()
        waiting = asyncio.ensure_future(result_of(client, settings, run, limit=90))
        while not Answers.asked:
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        assert not waiting.done()
        s3.start()
        assert await waiting == TEXT
    assert Answers.asked == ["/text"]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize("store_is_away", [False, True], ids=["", "away"])
async def test_an_answer_that_may_not_be_asked_for_again_is_kept(
    temporal_address: str, tmp_path: Path, origin: str, sealed: bool, store_is_away: bool
) -> None:
    """Its attempt dies when it has the answer: the next one gives it, from where it was kept."""
    key = new_key() if sealed else None
    settings = await large_settings(temporal_address, tmp_path, pilot_encryption_key=key)
    get = node("get", "http", config={"url": f"{origin}/json", "method": "POST"})
    run = run_of(node("s", "start"), get, node("o", "output"), edges=("s>get", "get>o"))
    Answers.asked.clear()
    deaths = iter([True])
    with pytest.MonkeyPatch.context() as patch:
        kept = http_journal._keep

        async def dies_then(*arguments: Any) -> None:
            if store_is_away:
                with pytest.MonkeyPatch.context() as away:
                    away.setattr(Objects, "put_pieces", unavailable)
                    await kept(*arguments)
            else:
                await kept(*arguments)
            if next(deaths, False):
                raise PayloadStoreError("the attempt ends here")

        patch.setattr(http_journal, "_keep", dies_then)
        async with working(settings) as client:
            assert await result_of(client, settings, run) == VALUE
    assert Answers.asked == ["/json"]


async def unavailable(*_: Any) -> None:
    raise PayloadStoreError("the payload store is away")


async def test_a_large_body_that_is_no_json_fails_as_a_small_one_does(
    temporal_address: str, tmp_path: Path, origin: str
) -> None:
    settings = await large_settings(temporal_address, tmp_path)
    run = fetching(origin, "bad.json", node("o", "output"), edges=("get>o",))
    with pytest.raises(WorkflowFailureError) as caught:
        await raw_result(settings, run)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "response_not_json"
    assert "Expecting ',' delimiter" in cause.message
