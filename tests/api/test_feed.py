"""The feed and what stands behind it: order, doubles, gaps, quiet losses; outbox and watch."""

import asyncio
import contextlib
import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from api.live import comparison, mending, tracks
from api.live import feed as feed_module
from api.live import outbox as outbox_module
from api.live import watch as watch_module
from api.live.delivery import Delivery
from api.live.feed import Feed
from api.live.outbox import Outbox
from api.live.watch import Watch
from pilot.errors import UnavailableError
from pilot.events.bus import InProcessBus, NoBus
from pilot.events.model import Envelope, Event, EventType
from pilot.events.redis import RedisBus
from pilot.graph.status import ExecutionStatus
from pilot.store import Progress

RUNNING = ExecutionStatus.RUNNING


def event(seq, kind=None, execution="e1", **data):
    kind = kind or (EventType.NODE_STARTED if seq else EventType.LLM_TOKEN)
    return Event(kind, execution, "w1", "t", seq=seq, node_id="n", data=data)


class Truth:
    """Stands in for `History`: a run's list of events, readable up to `known`."""

    def __init__(self, count=0, execution="e1"):
        self.events = [event(n, execution=execution) for n in range(1, count + 1)]
        self.known = count
        self.questions = 0
        self.execution = execution
        self.edition = ""
        self.created_at = datetime(2020, 1, 1, tzinfo=UTC)

    async def after(self, owner, execution_id, seq, status=None, edition=""):
        self.questions += 1
        await asyncio.sleep(0)
        for one in self.events[seq : self.known]:
            yield one

    async def snapshot(self, owner, execution_id, edition, *, retells_end):
        self.questions += 1
        if self.edition < edition:
            return None
        return Delivery(event(self.known, EventType.SNAPSHOT, self.execution))

    async def stored(self, owner, execution_id, seq):
        self.questions += 1
        return self.events[seq : self.known]

    async def asked(self, execution_id, seq):
        return [], False

    async def has_between(self, execution_id, after_seq, before_seq):
        return self.known >= before_seq - 1

    async def progress(self, execution_ids):
        return [each for each in self._progress() if each.execution_id in execution_ids]

    async def begun(self, owners, since):
        return [each for each in self._progress() if each.owner in owners]

    def _progress(self):
        if self.known:
            yield Progress(self.execution, "ada", self.created_at, self.known, self.edition)


class Listening:
    def __init__(self):
        self.got = []

    def deliver(self, delivery):
        self.got.append(delivery.event)

    @property
    def seqs(self):
        return [one.seq for one in self.got if one.seq is not None]

    async def until(self, count, within=3.0):
        async with asyncio.timeout(within):
            while len(self.got) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
def quick(monkeypatch):
    """Comparisons follow one another quickly."""
    for module in (comparison, tracks):
        monkeypatch.setattr(module, "FIRST_CHECK_S", 0.05)
    monkeypatch.setattr(tracks, "FIRST_ASK_S", 0.1)
    monkeypatch.setattr(comparison, "MAX_CHECK_S", 0.2)
    monkeypatch.setattr(comparison, "TICK_S", 0.02)


@pytest.fixture
async def bus():
    return InProcessBus()


async def publish(bus, *seqs, user="ada", execution="e1", edition=""):
    told = [event(seq, execution=execution) for seq in seqs]
    await bus.publish([Envelope(user, one, edition if one.seq else "") for one in told])


async def test_events_come_once_and_in_order(bus):
    truth, ears = Truth(), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 2, 1, 3, None, 3, 4)
            await ears.until(5)
            await asyncio.sleep(0.05)
    assert [one.seq for one in ears.got] == [1, 2, 3, None, 4]
    assert truth.questions == 0


async def test_only_the_users_own_events_come(bus):
    ada, eve = Listening(), Listening()
    async with Feed(bus, Truth()) as feed:
        with feed.listening("ada", ada), feed.listening("eve", eve):
            await publish(bus, 1, user="ada", execution="a")
            await publish(bus, 1, user="eve", execution="b")
            await ada.until(1)
            await eve.until(1)
    assert [one.execution_id for one in ada.got] == ["a"]
    assert [one.execution_id for one in eve.got] == ["b"]


async def test_what_came_swapped_is_put_in_order_without_asking(bus):
    truth, ears = Truth(10), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 3, None, 2, 4)
            await ears.until(5)
    assert [one.seq for one in ears.got] == [1, 2, 3, None, 4]
    assert truth.questions == 0


async def test_a_gap_is_filled_from_the_run(bus):
    truth, ears = Truth(8), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 6, None, 7)
            await ears.until(8)
            await publish(bus, 8, 9)
            await ears.until(10)
    assert ears.seqs == list(range(1, 10))


async def test_a_gap_that_nobody_can_fill_is_told_and_the_execution_shown(bus, monkeypatch):
    monkeypatch.setattr(feed_module, "REPAIR_DELAYS_S", (0.01, 0.01))
    ears = Listening()
    async with Feed(bus, Truth()) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 5, 9)
            await ears.until(7)
    assert [(one.type, one.seq) for one in ears.got] == [
        (EventType.NODE_STARTED, 1),
        (EventType.GAP, None),
        (EventType.SNAPSHOT, 4),
        (EventType.NODE_STARTED, 5),
        (EventType.GAP, None),
        (EventType.SNAPSHOT, 8),
        (EventType.NODE_STARTED, 9),
    ]
    assert [one.data for one in ears.got if one.type is EventType.GAP] == [
        {"after_seq": 1, "before_seq": 5},
        {"after_seq": 5, "before_seq": 9},
    ]


async def test_what_was_missing_comes_at_last_and_the_execution_is_shown_anew(bus, monkeypatch):
    monkeypatch.setattr(feed_module, "REPAIR_DELAYS_S", (0.01,))
    monkeypatch.setattr(mending, "FIRST_LOOK_S", 0.02)
    monkeypatch.setattr(mending, "MAX_LOOK_S", 0.02)
    truth, ears = Truth(), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 4)
            await ears.until(4)
            await asyncio.sleep(0.1)
            assert len(ears.got) == 4  # nobody can give them yet
            truth.events = [event(n) for n in range(1, 6)]
            truth.known = 4
            await ears.until(5)
            await publish(bus, 5)
            await ears.until(6)
            await asyncio.sleep(0.1)
    assert [(one.type, one.seq) for one in ears.got[1:]] == [
        (EventType.GAP, None),
        (EventType.SNAPSHOT, 3),
        (EventType.NODE_STARTED, 4),
        (EventType.SNAPSHOT, 4),  # with what was missing
        (EventType.NODE_STARTED, 5),
    ]


async def test_of_a_run_that_has_ended_what_is_missing_is_not_waited_for_for_ever(bus, monkeypatch):
    monkeypatch.setattr(feed_module, "REPAIR_DELAYS_S", (0.01,))
    monkeypatch.setattr(mending, "FIRST_LOOK_S", 0.001)
    truth, ears = Truth(), Listening()
    truth.looks = 0

    async def has_between(*_):
        truth.looks += 1
        return False

    truth.has_between = has_between
    monkeypatch.setattr(mending, "MAX_LOOK_S", 0.001)
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1)
            ended = event(4, EventType.EXECUTION_SUCCEEDED)
            await bus.publish([Envelope("ada", ended)])
            await ears.until(4)
            async with asyncio.timeout(10):
                while next(iter(feed.tracks())).mending is not None:
                    await asyncio.sleep(0.01)
    assert truth.looks >= mending.LOOKS_AT_ENDED


async def test_a_gap_is_told_while_the_store_is_away(bus, monkeypatch):
    class Away(Truth):
        async def snapshot(self, *_, **__):
            raise UnavailableError("the store is away")

    monkeypatch.setattr(feed_module, "REPAIR_DELAYS_S", (0.01,))
    ears = Listening()
    async with Feed(bus, Away()) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 4)
            await ears.until(3)
    assert [one.type for one in ears.got] == [
        EventType.NODE_STARTED,
        EventType.GAP,
        EventType.NODE_STARTED,
    ]


async def test_a_lost_last_event_is_found_in_the_store(bus, quick):
    truth, ears = Truth(4), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 3)
            await ears.until(4)
    assert ears.seqs == [1, 2, 3, 4]


@pytest.mark.parametrize("store", ["behind", "away"])
async def test_what_neither_bus_nor_store_told_is_asked_of_the_run(bus, quick, store):
    class Run(Truth):
        async def progress(self, execution_ids):
            if store == "away":
                raise UnavailableError("the store is away")
            return await super().progress(execution_ids)

        async def asked(self, execution_id, seq):
            return self.events[seq:], False

    truth, ears = Run(4), Listening()
    truth.known = 3
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 3)
            await ears.until(4)
    assert ears.seqs == [1, 2, 3, 4]


async def test_without_a_bus_watchers_are_kept_up_to_date_from_the_store(quick):
    """An execution that began while its user was watched comes from its first event on."""
    truth, ears = Truth(), Listening()
    truth.events = [event(n) for n in range(1, 31)]
    async with Feed(NoBus(), truth) as feed:
        with feed.listening("ada", ears):
            truth.created_at = datetime.now(UTC)
            for truth.known in range(1, 31):
                await asyncio.sleep(0.01)
            await ears.until(30)
    assert ears.seqs == list(range(1, 31))


async def test_an_execution_first_heard_of_in_its_midst(bus):
    """What began under its watchers' eyes is given whole, what is older from now on."""
    for created_at, expected in (
        (datetime.now(UTC) + timedelta(minutes=1), [1, 2, 3, 4, 5]),
        (datetime(2020, 1, 1, tzinfo=UTC), [4, 5]),
    ):
        truth, ears = Truth(5), Listening()
        truth.created_at = created_at
        async with Feed(bus, truth) as feed:
            with feed.listening("ada", ears):
                await publish(bus, 4, 5)
                await ears.until(len(expected))
        assert ears.seqs == expected


async def test_a_watcher_who_has_less_than_a_run_is_first_heard_of_with_gets_the_rest(bus):
    """He read the past before the run's first events were stored, and while what is heard now is
    held: it was taken for the first that anybody here may expect."""
    truth, ears = Truth(4), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 3)
            async with asyncio.timeout(3):
                while feed.last_seq("e1") != 2:
                    await asyncio.sleep(0.001)
            assert ears.got == []
            feed.expect("ada", "e1", 0)
            await publish(bus, 4)
            await ears.until(4)
    assert ears.seqs == [1, 2, 3, 4]


async def test_a_hundred_watchers_cost_one_subscription_and_one_repair(redis_url):
    truth, bus = Truth(16), RedisBus(redis_url)
    everybody = [Listening() for _ in range(100)]
    async with Feed(bus, truth) as feed, contextlib.AsyncExitStack() as stack:
        for ears in everybody:
            stack.enter_context(feed.listening("ada", ears))
        await feed.ready("ada")
        assert bus.condition == "Redis, 1 streams read"
        await publish(bus, 1, 2, 15, 16)
        for ears in everybody:
            await ears.until(16)
        assert truth.questions == 1
    assert all(ears.seqs == list(range(1, 17)) for ears in everybody)
    await bus.close()


async def test_without_watchers_nothing_is_read_or_asked(redis_url, monkeypatch):
    monkeypatch.setattr(feed_module, "LINGER_S", 0.05)
    monkeypatch.setattr(feed_module, "LET_GO_TICK_S", 0.02)
    truth, bus, ears = Truth(50), RedisBus(redis_url), Listening()
    async with Feed(bus, truth) as feed:
        await publish(bus, 1, 9, 20)
        assert bus.condition == "Redis, 0 streams read"
        with feed.listening("ada", ears):
            await feed.ready("ada")
            await publish(bus, 21)
            await ears.until(1)
        async with asyncio.timeout(5):
            while bus.condition != "Redis, 0 streams read":
                await asyncio.sleep(0.01)
        assert feed.last_seq("e1") == 0
        with feed.listening("ada", ears):  # and it can come back
            await feed.ready("ada")
            await publish(bus, 30)
            await ears.until(2)
    assert ears.seqs == [21, 30]
    assert truth.questions == 0
    await bus.close()


async def test_tracks_are_bounded(bus, monkeypatch):
    monkeypatch.setattr(feed_module, "MAX_TRACKS", 10)
    async with Feed(bus, Truth()) as feed:
        with feed.listening("ada", Listening()):
            for n in range(50):
                await publish(bus, 1, execution=f"e{n}")
            while not feed.last_seq("e49"):
                await asyncio.sleep(0.005)
            assert feed.last_seq("e0") == 0
            assert len(list(feed.tracks())) == 10


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_the_bus_does_a_watcher_gets_each_event_once_in_order(seed, quick):
    """Random loss, doubling and swapping on the bus, a subscription at a random moment."""
    random_ = random.Random(seed)
    truth, bus, outbox = Truth(60), InProcessBus(), Outbox()
    truth.known = 0
    join_at, last_seen = random_.randrange(60), 0

    async def run():
        swapped = None
        for seq in range(1, 61):
            truth.known = seq
            fate = random_.random()
            if fate < 0.15:
                continue
            if fate < 0.3 and swapped is None:
                swapped = seq
                continue
            await publish(bus, seq, *([seq] if fate > 0.9 else []))
            if swapped is not None:
                await publish(bus, swapped)
                swapped = None
            if fate > 0.6:
                await asyncio.sleep(0.001)

    async with Feed(bus, truth) as feed:
        running = asyncio.create_task(run())
        while truth.known < join_at:
            await asyncio.sleep(0)
        last_seen = random_.randrange(truth.known + 1)
        watch = Watch(feed, truth, outbox, "ada", "e1")
        with feed.listening("ada", watch):
            await watch.replay(last_seen, RUNNING)
            got = []
            async with asyncio.timeout(10):
                while not got or got[-1] < 60:
                    got.append((await outbox.take()).event.seq)
        await running
    assert got == list(range(last_seen + 1, 61))


# outbox


async def test_waiting_tokens_of_one_node_are_joined_and_keep_their_place():
    outbox = Outbox()
    for one in (
        event(1),
        event(None, text="a"),
        event(None, text="b"),
        event(None, execution="e2", text="x"),
        event(None, text="c"),
        event(2),
        event(None, text="d"),
    ):
        outbox.put(Delivery(one))
    outbox.close()
    got = [one.event async for one in _all(outbox)]
    assert [(one.seq, one.data.get("text")) for one in got] == [
        (1, None),
        (None, "abc"),
        (None, "x"),
        (2, None),
        (None, "d"),
    ]


async def test_a_joined_token_is_this_watchers_alone():
    one, two = Outbox(), Outbox()
    shared = Delivery(event(None, text="a"))
    one.put(shared)
    two.put(shared)
    one.put(Delivery(event(None, text="b")))
    assert (await two.take()).event.data["text"] == "a"
    assert (await one.take()).event.data["text"] == "ab"


async def test_a_full_outbox_overflows_but_tokens_do_not_fill_it(monkeypatch):
    monkeypatch.setattr(outbox_module, "MAX_MESSAGES", 100)
    outbox = Outbox()
    for _ in range(10_000):
        outbox.put(Delivery(event(None, text="t")))
    assert not outbox.overflowed
    for seq in range(1, 102):
        outbox.put(Delivery(event(seq)))
    assert outbox.overflowed


async def test_large_messages_overflow_too(monkeypatch):
    monkeypatch.setattr(outbox_module, "MAX_BYTES", 50_000)
    outbox = Outbox()
    for seq in range(1, 10):
        outbox.put(Delivery(event(seq, output="x" * 10_000)))
    assert outbox.overflowed


async def test_a_replay_waits_for_room(monkeypatch):
    monkeypatch.setattr(outbox_module, "ROOM_MESSAGES", 10)
    outbox = Outbox()

    async def replay():
        for seq in range(1, 101):
            await outbox.put_patiently(Delivery(event(seq)))
        outbox.close()

    replaying = asyncio.create_task(replay())
    await asyncio.sleep(0.05)
    assert not replaying.done()
    assert [one.event.seq async for one in _all(outbox)] == list(range(1, 101))


async def _all(outbox):
    while (delivery := await outbox.take()) is not None:
        yield delivery


async def test_a_buffer_that_overran_is_read_again_from_the_past(monkeypatch):
    monkeypatch.setattr(watch_module, "MAX_BUFFERED", 5)
    truth, bus, outbox = Truth(30), InProcessBus(), Outbox()
    async with Feed(bus, truth) as feed:
        watch = Watch(feed, truth, outbox, "ada", "e1")
        with feed.listening("ada", watch):
            await publish(bus, *range(1, 31))
            while feed.last_seq("e1") < 30:
                await asyncio.sleep(0.005)
            await watch.replay(0, RUNNING)
    outbox.close()
    assert [one.event.seq async for one in _all(outbox)] == list(range(1, 31))


async def test_what_is_buffered_must_follow_on_the_past():
    """The run's first event was lost on its way: nothing tells of it but the second."""
    truth, outbox = Truth(2), Outbox()
    truth.known = 0
    async with Feed(InProcessBus(), truth) as feed:
        watch = Watch(feed, truth, outbox, "ada", "e1")
        watch.deliver(Delivery(event(2)))
        replaying = asyncio.create_task(watch.replay(0, RUNNING))
        await asyncio.sleep(0.01)
        truth.known = 2
        await replaying
    outbox.close()
    assert [one.event.seq async for one in _all(outbox)] == [1, 2]


async def test_a_last_event_that_others_had_and_the_store_has_late_is_waited_for(monkeypatch):
    """The worker died as its run had ended, before that was stored; a watcher comes meanwhile."""
    monkeypatch.setattr(watch_module, "CATCH_UP_DELAYS_S", (0.01, 0.01))
    monkeypatch.setattr(watch_module, "LATE_CATCH_UP_S", 0.01)
    truth, bus, outbox = Truth(3), InProcessBus(), Outbox()
    truth.events[2] = event(3, EventType.EXECUTION_SUCCEEDED)
    truth.known = 2
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", Listening()):
            for one in truth.events:
                await bus.publish([Envelope("ada", one)])
            while feed.last_seq("e1") < 3:
                await asyncio.sleep(0.005)
            watch = Watch(feed, truth, outbox, "ada", "e1")
            with feed.listening("ada", watch):
                replaying = asyncio.create_task(watch.replay(2, RUNNING))
                await asyncio.sleep(0.2)
                truth.known = 3
                async with asyncio.timeout(5):
                    await replaying
                    last = await outbox.take()
    assert (last.event.seq, last.event.type) == (3, EventType.EXECUTION_SUCCEEDED)


async def test_a_replay_that_waits_for_room_gets_it_when_messages_are_dropped(monkeypatch):
    monkeypatch.setattr(outbox_module, "ROOM_MESSAGES", 1)
    outbox = Outbox()
    outbox.put(Delivery(event(1)))
    waiting = asyncio.create_task(outbox.put_patiently(Delivery(event(1, execution="e2"))))
    await asyncio.sleep(0)
    outbox.drop("e1")
    async with asyncio.timeout(5):
        await waiting
    assert outbox.pop().event.execution_id == "e2"


async def test_tokens_of_an_answer_that_was_replayed_whole_are_left_out():
    truth, outbox = Truth(2), Outbox()
    truth.events[1] = event(2, EventType.NODE_SUCCEEDED)
    async with Feed(InProcessBus(), truth) as feed:
        watch = Watch(feed, truth, outbox, "ada", "e1")
        watch.deliver(Delivery(event(None, text="late")))
        await watch.replay(0, RUNNING)
        watch.deliver(Delivery(event(None, text="new")))
    outbox.close()
    got = [(one.event.seq, one.event.data.get("text")) async for one in _all(outbox)]
    assert got == list(itertools.chain([(1, None), (2, None)], [(None, "new")]))


FIRST, SECOND, THIRD = "0000000000000001", "0000000000000002.3", "0000000000000003.5"


def told(ears):
    """What came: seqs, and snapshots by theirs."""
    return [
        ("snapshot", one.seq) if one.type is EventType.SNAPSHOT else one.seq
        for one in ears.got
        if one.seq is not None
    ]


async def test_what_is_void_is_followed_by_a_snapshot_and_what_follows_on_it(bus):
    truth, ears = Truth(5), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 3, 4, 5, edition=FIRST)
            await ears.until(5)
            await publish(bus, 4, 5, 6, edition=SECOND)
            await publish(bus, 5, 6, 7, 8, 9, edition=FIRST)  # by a worker that was slow
            await asyncio.sleep(0.3)
            assert told(ears) == [1, 2, 3, 4, 5]  # the store has not taken it back
            truth.edition = SECOND
            await ears.until(7)
            await publish(bus, 7, edition=SECOND)
            await ears.until(8)
    assert told(ears) == [1, 2, 3, 4, 5, ("snapshot", 5), 6, 7]


async def test_an_edition_that_makes_nothing_void_disturbs_nobody(bus):
    truth, ears = Truth(), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 3, edition=FIRST)
            await publish(bus, 4, 5, edition=SECOND)
            await publish(bus, 3, edition=FIRST)
            await publish(bus, 6, edition=THIRD)
            await ears.until(6)
            await publish(bus, 7, edition=THIRD)
            await ears.until(7)
    assert told(ears) == [1, 2, 3, 4, 5, 6, 7]
    assert truth.questions == 0


async def test_an_edition_that_only_the_store_has_heard_of_is_found(bus, quick):
    truth, ears = Truth(), Listening()
    async with Feed(bus, truth) as feed:
        with feed.listening("ada", ears):
            await publish(bus, 1, 2, 3, 4, 5, 6, 7, edition=FIRST)
            await ears.until(7)
            truth.events, truth.known, truth.edition = Truth(6).events, 5, SECOND
            await ears.until(8)
            truth.known = 6
            await ears.until(9)
    assert told(ears) == [1, 2, 3, 4, 5, 6, 7, ("snapshot", 5), 6]


async def test_a_watcher_who_had_more_from_the_past_than_the_feed_gave_out_is_shown_anew(bus):
    truth, outbox = Truth(6), Outbox()
    async with Feed(bus, truth) as feed:
        watch = Watch(feed, truth, outbox, "ada", "e1")
        with feed.listening("ada", watch):
            await publish(bus, 1, 2, 3, edition=FIRST)
            await watch.replay(0, RUNNING, FIRST)
            truth.known, truth.edition = 4, SECOND
            await publish(bus, 4, 5, edition=SECOND)
            async with asyncio.timeout(5):
                while watch.last_seq != 5:
                    await asyncio.sleep(0.01)
    outbox.close()
    came = []
    while (delivery := await outbox.take()) is not None:
        came.append((delivery.event.type is EventType.SNAPSHOT, delivery.event.seq))
    # what still waited of the past gave way to the snapshot
    assert came in (
        [(True, 4), (False, 5)],
        [*((False, seq) for seq in range(1, 7)), (True, 4), (False, 5)],
    )
