"""What a watcher chooses to get: one execution, one workflow, all; by type; without tokens."""

import asyncio
import json

import pytest

from api.live.messages import BadMessageError, Filter, parse
from api.live.subscriptions import HOLD_S
from pilot.events.model import Envelope, Event, EventType
from tests.sockets import E, finished, gated, message, open_socket, seqs, started, until_end


async def say(socket, **fields):
    """Says it, and returns once it is in force (what else arrives till then is another run's)."""
    await socket.send(json.dumps(fields))
    await socket.send('{"type": "ping"}')
    while (await message(socket))["type"] != "pong":
        pass


async def published(api, *events):
    await api.parts.bus.publish([Envelope("ada", one) for one in events])


def event(kind, seq, execution, workflow):
    return Event(kind, execution, workflow, "t", seq=seq)


async def until_marked(api, socket):
    """What came of the events so far: all before one of a workflow that is always let through."""
    await published(api, event(EventType.EXECUTION_CANCELLED, None, "the-end", "the-end"))
    events = []
    while (one := await message(socket))["execution_id"] != "the-end":
        events.append((one["execution_id"], one["type"]))
    return events


FINISHED, TOKEN, NODE = (
    EventType.EXECUTION_SUCCEEDED,
    EventType.LLM_TOKEN,
    EventType.NODE_SUCCEEDED,
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], [("a", NODE), ("a", TOKEN), ("a", FINISHED), ("b", NODE)]),
        ([{"type": "unsubscribe", "all": True}], []),
        (
            [{"type": "unsubscribe", "all": True}, {"type": "subscribe", "workflow_id": "w2"}],
            [("b", NODE)],
        ),
        (
            [{"type": "subscribe", "all": True, "tokens": False}],
            [("a", NODE), ("a", FINISHED), ("b", NODE)],
        ),
        ([{"type": "subscribe", "all": True, "types": [FINISHED]}], [("a", FINISHED)]),
        (
            [
                {"type": "subscribe", "workflow_id": "w1", "types": [TOKEN]},
                {"type": "subscribe", "all": True, "types": [NODE]},
            ],
            [("a", TOKEN), ("b", NODE)],
        ),
        (
            [
                {"type": "subscribe", "workflow_id": "w1", "types": [TOKEN]},
                {"type": "unsubscribe", "workflow_id": "w1"},
                {"type": "unsubscribe", "all": True},
                {"type": "subscribe", "all": True, "types": [NODE]},
            ],
            [("a", NODE), ("b", NODE)],
        ),
    ],
)
async def test_the_narrowest_subscription_decides(api, said, expected, request):
    name = request.node.name  # executions of their own: the feed knows what went out before
    async with open_socket(api) as socket:
        await asyncio.sleep(2 * HOLD_S)
        for one in said:
            await say(socket, **one)
        await say(socket, type="subscribe", workflow_id="the-end")
        await published(
            api,
            event(NODE, 1, f"a{name}", "w1"),
            event(TOKEN, None, f"a{name}", "w1"),
            event(FINISHED, 2, f"a{name}", "w1"),
            event(NODE, 1, f"b{name}", "w2"),
        )
        assert await until_marked(api, socket) == [(one + name, kind) for one, kind in expected]


@pytest.fixture
def live(live_api, worker):
    return live_api.client()


async def test_an_executions_filter_holds_for_its_past_and_its_present(
    live, live_api, gate, make_chain
):
    execution = await started(live, make_chain(gated(gate, "filter")))
    await gate.came("filter")
    async with open_socket(live_api) as socket:
        await say(socket, type="unsubscribe", all=True)
        types = ["node.succeeded", "execution.succeeded"]
        subscribe = {"type": "subscribe", "execution_id": execution, "types": types, "last_seq": 0}
        await socket.send(json.dumps(subscribe))
        gate.open("filter")
        events = await until_end(socket, execution)
    assert [(one["type"], one.get("node_id")) for one in events] == [
        ("node.succeeded", "start"),
        ("node.succeeded", "filter"),
        ("node.succeeded", "output"),
        ("execution.succeeded", None),
    ]


async def test_a_snapshot_comes_whatever_the_filter(live, live_api, make_chain):
    done = await finished(live, make_chain())
    async with open_socket(live_api) as socket:
        subscribe = {"type": "subscribe", "execution_id": done["id"], "types": ["log"]}
        await socket.send(json.dumps(subscribe))
        first = await message(socket)
    assert (first["type"], first["status"], first["seq"]) == ("snapshot", "succeeded", 6)
    shown = (await live.get(f"{E}/{done['id']}")).json()
    assert first["data"] == shown


async def test_who_subscribes_again_gets_nothing_twice(live, live_api, make_chain):
    done = await finished(live, make_chain())
    async with open_socket(live_api) as socket:
        for _ in range(20):
            subscribe = {"type": "subscribe", "execution_id": done["id"], "last_seq": 0}
            await socket.send(json.dumps(subscribe))
        got = seqs(await until_end(socket, done["id"]))
        # a replay that had begun is broken off where the next takes its place
        assert got[-6:] == [1, 2, 3, 4, 5, 6]


async def test_an_unsubscribed_execution_comes_as_all_do(live, live_api, gate, make_chain):
    execution = await started(live, make_chain(gated(gate, "again")))
    await gate.came("again")
    async with open_socket(live_api) as socket:
        subscribe = {"type": "subscribe", "execution_id": execution, "types": ["log"]}
        await socket.send(json.dumps(subscribe))
        assert (await message(socket))["type"] == "snapshot"
        await say(socket, type="unsubscribe", execution_id=execution)
        gate.open("again")
        assert seqs(await until_end(socket, execution)) == [5, 6, 7, 8]


# messages


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("{", "invalid_message", "JSON"),
        ('{"type": "dance"}', "unknown_message", "auth, subscribe"),
        ('{"type": "subscribe"}', "invalid_message", "name one of"),
        ('{"type": "subscribe", "execution_id": 5}', "invalid_message", "execution_id"),
        ('{"type": "ping", "more": 1}', "invalid_message", "more"),
        ('{"type": "auth", "token": null}', "invalid_message", "token"),
    ],
)
def test_a_refused_message_says_what_is_wrong_with_it(text, code, part):
    with pytest.raises(BadMessageError, match=part) as refused:
        parse(text)
    assert refused.value.code == code


def test_a_filter_without_tokens_beats_its_types():
    token = Event(TOKEN, "e", "w", "t")
    assert Filter(frozenset({TOKEN})).passes(token)
    assert not Filter(frozenset({TOKEN}), tokens=False).passes(token)
