"""The stream that a user's plain connections share: each has all of it, once, in order."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager

from api.live.delivery import Delivery, Joined
from api.live.outbox import Outbox
from api.live.shared import FLUSH_BYTES, FLUSH_MESSAGES, SharedStreams
from api.live.turns import Turns
from pilot.events.model import Event, EventType


def event(seq, kind=EventType.NODE_STARTED, **data):
    return Event(kind, "e1", "w1", "t", seq=seq, node_id="n", data=data)


class Ada:
    """Stands in for the feed of one user: hands out as the feed does."""

    def __init__(self):
        self.listeners = set()

    @contextmanager
    def listening(self, user_id, listener):
        assert user_id == "ada"
        self.listeners.add(listener)
        try:
            yield
        finally:
            self.listeners.discard(listener)

    def tell(self, one):
        delivery = Delivery(one)
        for listener in tuple(self.listeners):
            listener.deliver(delivery)


class Page:
    """A connection: by itself until it has joined."""

    def __init__(self, feed, streams):
        self.got = []
        self.calls = 0
        self.stream = streams.of("ada")
        self.is_shared = False
        self._listening = feed.listening("ada", self)
        self._listening.__enter__()

    def deliver(self, delivery):
        if not self.is_shared:
            self.got.append(delivery.event)

    def take(self, messages):
        assert self.is_shared
        self.calls += 1
        self.got += [one.event for one in messages]

    def joined(self):
        assert not self.is_shared
        self.is_shared = True

    def join(self):
        self.stream.join(self)

    def leave(self):
        self.stream.leave(self)
        self.is_shared = False

    @property
    def seqs(self):
        return [one.seq for one in self.got]


async def test_pages_that_come_and_go_at_any_moment_have_each_event_once_and_in_order():
    dice = random.Random(7)
    feed = Ada()
    streams = SharedStreams(feed, Turns())
    pages = [Page(feed, streams) for _ in range(20)]
    for seq in range(1, 501):
        feed.tell(event(seq))
        for page in dice.sample(pages, 3):
            if page.is_shared:
                page.leave()
            else:
                page.join()
        if dice.random() < 0.2:
            await asyncio.sleep(dice.choice([0, 0.001, 0.01]))
    await asyncio.sleep(0.1)
    for page in pages:
        assert page.seqs == list(range(1, 501))


async def test_who_leaves_last_stops_the_stream_and_it_can_be_begun_again():
    feed = Ada()
    streams = SharedStreams(feed, Turns())
    page = Page(feed, streams)
    page.join()
    assert len(feed.listeners) == 2
    feed.tell(event(1))
    page.leave()
    assert (page.seqs, len(feed.listeners)) == ([1], 1)
    feed.tell(event(2))
    page.join()
    feed.tell(event(3))
    await asyncio.sleep(0.05)
    assert page.seqs == [1, 2, 3]


async def test_what_comes_while_all_wait_for_their_turn_is_one_call_a_page():
    feed = Ada()
    streams = SharedStreams(feed, Turns())
    pages = [Page(feed, streams) for _ in range(50)]
    for page in pages:
        page.join()
    feed.tell(event(1))
    await asyncio.sleep(0.005)
    for seq in range(2, 11):
        feed.tell(event(seq))
    await asyncio.sleep(0.1)
    assert [page.calls for page in pages] == [2] * 50
    assert pages[0].seqs == list(range(1, 11))


async def test_tokens_are_joined_and_a_snapshot_replaces_what_waits():
    feed = Ada()
    page = Page(feed, SharedStreams(feed, Turns()))
    page.join()
    for text in "abc":
        feed.tell(event(None, EventType.LLM_TOKEN, text=text))
    feed.tell(event(1))
    feed.tell(event(1, EventType.SNAPSHOT))
    await asyncio.sleep(0.05)
    assert [(one.type.value, one.data.get("text")) for one in page.got] == [
        ("llm.token", "abc"),
        ("snapshot", None),
    ]


async def test_more_than_may_wait_is_handed_on_at_once_whatever_its_size():
    feed = Ada()
    page = Page(feed, SharedStreams(feed, Turns()))
    page.join()
    count = 3 * FLUSH_MESSAGES
    for seq in range(1, count + 1):
        feed.tell(event(seq))
    assert len(page.got) >= count - FLUSH_MESSAGES
    large = "x" * (FLUSH_BYTES // 3)
    for seq in range(count + 1, count + 13):
        feed.tell(event(seq, output=large))
    feed.tell(event(count + 13, output=large * 20))  # more than an outbox ever holds
    await asyncio.sleep(0.05)
    assert page.seqs == list(range(1, count + 14))


def test_frames_are_put_together_once_for_all_that_are_sent_the_same():
    joined = Joined()
    messages = [Delivery(event(seq, output="x" * 400)) for seq in (1, 2, 3)]
    first = joined(list(messages), deflated=True)
    assert joined(list(messages), deflated=True) is first
    plain = joined(list(messages), deflated=False)
    assert plain == b"".join(one.frame(deflated=False) for one in messages)
    assert joined(messages[:2], deflated=False) != plain


async def test_what_waits_can_be_looked_at():
    outbox = Outbox()
    for text in "ab":
        outbox.put(Delivery(event(None, EventType.LLM_TOKEN, text=text)))
    outbox.put(Delivery(event(1)))
    waiting = [one.event for one in outbox.waiting()]
    assert [one.data.get("text") for one in waiting] == ["ab", None]
    assert len(outbox) == 2
    assert [one.event.seq for one in outbox.pop_some()] == [None, 1]
    assert (len(outbox), outbox.size) == (0, 0)
