"""A watcher who comes while a model speaks: what it said so far, and then the rest, each once."""

import asyncio
import random

import pytest

from api.live.delivery import Delivery
from api.live.feed import Feed
from api.live.outbox import Outbox
from api.live.watch import Watch
from pilot.client.texts import HeardTexts
from pilot.events.bus import InProcessBus
from pilot.events.model import Envelope, Event, EventType
from pilot.events.texts import Placing
from tests.api.test_feed import RUNNING, Truth

WORDS = [f"word{n} " for n in range(300)]


def token(placing, text, round=0, attempt=1):
    data = placing.placed({"text": text}, round=round, attempt=attempt)
    return Event(EventType.LLM_TOKEN, "e1", "w1", "t", node_id="n", attempt=attempt, data=data)


def text_of(events):
    """As a page folds it."""
    text = ""
    for event in events:
        if event.type is EventType.LLM_TOKEN:
            text = ("" if event.data.get("anew") else text) + event.data["text"]
        elif event.type is EventType.NODE_RETRYING:
            text = ""
    return text


def taken(outbox):
    events = []
    while (message := outbox.pop()) is not None:
        events.append(message.event)
    return events


@pytest.mark.parametrize("seed", range(5))
async def test_whenever_one_comes(bus, seed):
    random_ = random.Random(seed)
    whole = "".join(WORDS)
    placing = Placing()

    async def speak():
        for word in WORDS:
            await bus.publish([Envelope("ada", token(placing, word))])
            if random_.random() > 0.6:
                await asyncio.sleep(random_.random() * 0.004)

    async with Feed(bus, Truth()) as feed:
        speaking = asyncio.create_task(speak())
        outboxes = []
        watches = []
        for _ in range(8):
            await asyncio.sleep(random_.random() * 0.05)
            outbox = Outbox()
            watch = Watch(feed, Truth(), outbox, "ada", "e1")
            listening = feed.listening("ada", watch)
            listening.__enter__()
            await watch.replay(0, RUNNING)
            outboxes.append((outbox, []))
            watches.append(listening)
            for each, got in outboxes:
                if random_.random() > 0.5:
                    got.extend(taken(each))
        await speaking
        async with asyncio.timeout(10):
            while True:
                for each, got in outboxes:
                    got.extend(taken(each))
                if all(text_of(got) == whole for _, got in outboxes):
                    break
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        for each, got in outboxes:
            got.extend(taken(each))
            assert text_of(got) == whole
            assert sum(bool(one.data.get("anew")) for one in got) == 1
        for listening in watches:
            listening.__exit__(None, None, None)


async def came_late(bus, *meanwhile):
    """What a watcher is told who comes now, where these events come while it reads the texts."""
    outbox = Outbox()
    async with Feed(bus, Truth()) as feed:
        watch = Watch(feed, Truth(), outbox, "ada", "e1")
        texts = feed.texts

        async def slowly(user_id, execution_id):
            found = await texts(user_id, execution_id)
            for event in meanwhile:
                feed.accept(Envelope("ada", event))
            return found

        feed.texts = slowly
        with feed.listening("ada", watch):
            await watch.replay(0, RUNNING)
    return taken(outbox)


def failed(attempt):
    return Event(EventType.NODE_RETRYING, "e1", "w1", "t", node_id="n", attempt=attempt)


async def test_what_ends_meanwhile():
    bus, placing = InProcessBus(), Placing()
    said = [token(placing, "one "), token(placing, "two")]
    await bus.publish([Envelope("ada", one) for one in said])
    assert text_of(await came_late(bus)) == "one two"
    assert text_of(await came_late(bus, *said)) == "one two"
    assert text_of(await came_late(bus, token(placing, " three"))) == "one two three"

    # the attempt fails: nothing of it counts
    got = await came_late(bus, failed(1))
    assert [one.type for one in got] == [EventType.NODE_RETRYING]
    second = Placing()
    got = await came_late(bus, failed(1), token(second, "anew", attempt=2))
    assert text_of(got) == "anew"

    # told of its failure only now, it comes before the next attempt's text
    await bus.publish([Envelope("ada", token(Placing(), "again", attempt=2))])
    got = await came_late(bus, *said, failed(1))
    assert [one.type for one in got] == [EventType.NODE_RETRYING, EventType.LLM_TOKEN]
    assert text_of(got) == "again"

    # the node ends: its output follows, not its text
    end = Event(EventType.NODE_SUCCEEDED, "e1", "w1", "t", seq=1, node_id="n")
    got = await came_late(bus, end)
    assert [one.type for one in got] == [EventType.NODE_SUCCEEDED]


async def test_a_text_that_begins_anew_joins_nothing_that_waits():
    outbox, first, second = Outbox(), Placing(), Placing()

    for one in (token(first, "a"), token(first, "b"), token(second, "c"), token(second, "d")):
        outbox.put(Delivery(one))
    assert [one.data["text"] for one in taken(outbox)] == ["ab", "cd"]
    outbox.put(Delivery(token(first, "e")))
    await outbox.put_patiently(Delivery(token(Placing(), "whole")))
    outbox.put(Delivery(token(first, "f")))
    assert text_of(taken(outbox)) == "wholef"


def test_the_client_passes_on_what_is_new():
    def so_far(text, **data):
        data = {"text": text, "anew": True, **data}
        return Event(EventType.LLM_TOKEN, "e1", "w1", "t", node_id="n", data=data)

    heard, placing = HeardTexts(), Placing()
    assert heard.new_of(token(placing, "one ")).data["anew"]
    assert heard.new_of(token(placing, "two ")).data["text"] == "two "
    # it lost its connection, and comes back
    assert heard.new_of(so_far("one two ")) is None
    again = heard.new_of(so_far("one two three "))
    assert again.data == {"text": "three "}
    lost = so_far("three four", truncated=True)
    assert heard.new_of(lost) is lost
    other = so_far("another attempt")
    assert heard.new_of(other) is other
    retrying = Event(EventType.NODE_RETRYING, "e1", "w1", "t", node_id="n", attempt=2)
    assert heard.new_of(retrying) is retrying
    assert heard.new_of(other) is other
