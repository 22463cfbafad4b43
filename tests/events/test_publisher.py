"""The publisher: order, batching, isolation of bus and store, bounds, flush."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from pilot.errors import NotFoundError, UnavailableError
from pilot.events import outbox
from pilot.events import publisher as publisher_module
from pilot.events.bus import InProcessBus
from pilot.events.model import Envelope, Event, EventType
from pilot.events.publisher import Publisher
from pilot.store import Told


def envelope(seq: int | None, execution: str = "e1", **data: object) -> Envelope:
    kind = EventType.NODE_SUCCEEDED if seq else EventType.LLM_TOKEN
    return Envelope("ada", Event(kind, execution, "w1", "t", seq, "n", data=data))


class RecordingStore:
    """The two methods of the store that the publisher calls, with a delay or a failure."""

    def __init__(self, delay: float = 0.0, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, list[int | None]]] = []
        self.editions: list[tuple[str, list[int | None]]] = []
        self.transactions = 0
        self.refused: dict[str, Exception] = {}
        self.delay, self.error = delay, error

    async def append_events(self, execution_id, events, *, edition=""):
        await self._write([Told(execution_id, events, edition)])

    async def append_round(self, told):
        await self._write(told)
        return {one.execution_id for one in told}

    async def _write(self, told):
        self.transactions += 1
        await asyncio.sleep(self.delay)
        for one in told:
            if error := self.error or self.refused.get(one.execution_id):
                raise error
        for one in told:
            seqs = [event.seq for event in one.events]
            self.editions.append((one.edition, seqs))
            self.calls.append((one.execution_id, seqs))

    def seqs(self, execution_id: str) -> list[int | None]:
        return [seq for who, seqs in self.calls if who == execution_id for seq in seqs]


async def drain(events, count: int) -> list[Envelope]:
    async with asyncio.timeout(5):
        return [await anext(events) for _ in range(count)]


async def test_threads_emit_in_order_and_only_durable_events_are_stored(hearing):
    bus, store = InProcessBus(), RecordingStore()

    def emit_all(publisher: Publisher, execution: str) -> None:
        for seq in range(1, 501):
            publisher.emit(envelope(seq, execution))
            publisher.emit(envelope(None, execution, text="t"))

    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        threads = [threading.Thread(target=emit_all, args=(publisher, f"e{n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        got = await drain(events, 4000)
        for thread in threads:
            thread.join()
        await publisher.flush()
    for n in range(4):
        seqs = [e.event.seq for e in got if e.event.execution_id == f"e{n}" and e.event.seq]
        assert seqs == list(range(1, 501))
        assert store.seqs(f"e{n}") == list(range(1, 501))
    assert len(store.calls) < 400
    assert publisher.counters.published == 4000
    assert publisher.counters.stored == 2000
    assert publisher.counters.dropped == publisher.counters.unstored == 0


async def test_a_slow_store_does_not_delay_the_bus(hearing):
    bus, store = InProcessBus(), RecordingStore(delay=0.5)
    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        for seq in range(1, 6):
            before = time.perf_counter()
            publisher.emit(envelope(seq))
            await drain(events, 1)
            assert time.perf_counter() - before < 0.2
            await asyncio.sleep(0.03)


@pytest.mark.parametrize("error", [NotFoundError("no row"), KeyError()])
async def test_a_failing_store_loses_neither_bus_nor_loop(hearing, error):
    bus, store = InProcessBus(), RecordingStore(error=error)
    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        publisher.emit(envelope(1))
        await publisher.flush()
        store.error = None
        publisher.emit(envelope(2))
        await publisher.flush()
        assert [e.event.seq for e in await drain(events, 2)] == [1, 2]
    assert store.seqs("e1") == [2]
    assert publisher.counters.unstored == (0 if isinstance(error, NotFoundError) else 1)


async def test_events_wait_for_a_store_that_is_away_and_come_in_order():
    store = RecordingStore(error=UnavailableError("down"))
    async with Publisher(InProcessBus(), store) as publisher:
        for seq in range(1, 4):
            publisher.emit(envelope(seq))
            publisher.emit(envelope(seq, "e2"))
            async with asyncio.timeout(5):  # whoever records a run is not kept waiting
                await publisher.flush("e1")
        assert store.calls == []
        store.error = None
        async with asyncio.timeout(5):
            while publisher.counters.stored < 6:
                await asyncio.sleep(0.02)
        assert store.seqs("e1") == store.seqs("e2") == [1, 2, 3]
        assert publisher.counters.unstored == 0


async def test_what_waits_for_a_store_that_is_away_is_bounded(monkeypatch):
    monkeypatch.setattr(outbox, "MAX_DURABLE_BYTES", 100_000)
    store = RecordingStore(error=UnavailableError("down"))
    async with Publisher(InProcessBus(), store) as publisher:
        for seq in range(1, 1001):
            publisher.emit(envelope(seq))
        await publisher.flush()
        kept = 1000 - publisher.counters.unstored
        assert 100 < kept < 250
        store.error = None
        await publisher.flush()
        assert store.seqs("e1") == list(range(1, kept + 1))
        publisher.emit(envelope(1001))
        await publisher.flush()
        assert store.seqs("e1")[-1] == 1001


async def test_flush_of_one_execution_overtakes_the_others():
    store = RecordingStore(delay=0.05)
    async with Publisher(InProcessBus(), store) as publisher:
        for n in range(20):
            publisher.emit(envelope(1, f"e{n}"))
        await publisher.flush("e19")
        assert store.seqs("e19") == [1]
        assert len(store.calls) <= 2
        await publisher.flush()
        assert len(store.calls) == 20


async def test_each_edition_goes_to_the_store_by_itself_and_with_each_event_to_the_bus(hearing):
    """Also where the store was away while the next one began."""
    store = RecordingStore(error=UnavailableError("away"))
    bus = InProcessBus()
    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        for seq, edition in ((1, "1"), (2, "1"), (3, "1"), (2, "2.1"), (3, "2.1")):
            publisher.emit(replace(envelope(seq), edition=edition))
        got = await drain(events, 5)
        await publisher.flush("e1")
        store.error = None
        await publisher.flush("e1")
    assert [(one.edition, one.event.seq) for one in got[2:4]] == [("1", 3), ("2.1", 2)]
    assert store.editions == [("1", [1, 2, 3]), ("2.1", [2, 3])]


async def test_a_round_writes_many_executions_in_one_transaction():
    store = RecordingStore()
    async with Publisher(InProcessBus(), store) as publisher:
        for seq in range(1, 4):
            for n in range(100):
                publisher.emit(envelope(seq, f"e{n}"))
        await publisher.flush()
    assert all(store.seqs(f"e{n}") == [1, 2, 3] for n in range(100))
    assert store.transactions <= 3
    assert publisher.counters.stored == 300


async def test_what_is_written_together_is_bounded(monkeypatch):
    monkeypatch.setattr(outbox, "MAX_TOGETHER", 10)
    monkeypatch.setattr(outbox, "MAX_TOGETHER_EVENTS", 15)
    monkeypatch.setattr(outbox, "MAX_TOGETHER_BYTES", 20_000)
    largest = 0

    class Watching(RecordingStore):
        async def append_round(self, told):
            nonlocal largest
            events = sum(len(one.events) for one in told)
            size = sum(len(event.data["output"]) for one in told for event in one.events)
            largest = max(largest, len(told))
            assert events <= 15
            assert size <= 20_000
            return await super().append_round(told)

    store = Watching()
    async with Publisher(InProcessBus(), store) as publisher:
        for n in range(40):
            publisher.emit(envelope(1, f"e{n}", output="x"))
            if n % 4 == 0:
                publisher.emit(envelope(2, f"e{n}", output="x" * 9_000))
        for seq in range(1, 31):  # more than go together, and so by itself
            publisher.emit(envelope(seq, "many", output="x"))
        await publisher.flush()
    assert store.seqs("many") == list(range(1, 31))
    assert all(store.seqs(f"e{n}") == ([1, 2] if n % 4 == 0 else [1]) for n in range(40))
    assert 1 < largest <= 10
    assert publisher.counters.unstored == 0


async def test_an_execution_whose_events_are_refused_is_not_in_the_others_way():
    store = RecordingStore()
    store.refused = {"e3": KeyError()}
    async with Publisher(InProcessBus(), store) as publisher:
        for n in range(10):
            publisher.emit(envelope(1, f"e{n}"))
        await publisher.flush()
        assert [store.seqs(f"e{n}") for n in range(10)] == [[1]] * 3 + [[]] + [[1]] * 6
        assert (publisher.counters.stored, publisher.counters.unstored) == (9, 1)
        store.refused.clear()
        publisher.emit(envelope(2, "e3"))
        await publisher.flush("e3")
    assert store.seqs("e3") == [2]


async def test_what_a_round_leaves_is_written_one_by_one():
    class Reluctant(RecordingStore):
        async def append_round(self, told):
            return await super().append_round(told[::2])

    store = Reluctant()
    async with Publisher(InProcessBus(), store) as publisher:
        for n in range(9):
            publisher.emit(envelope(1, f"e{n}"))
        await publisher.flush()
    assert sorted(store.calls) == [(f"e{n}", [1]) for n in range(9)]
    assert publisher.counters.stored == 9


async def test_a_store_that_goes_away_within_a_round_gets_each_event_once_when_it_is_back():
    class Leaving(RecordingStore):
        """Takes none together, and is away after the third alone."""

        async def append_round(self, told):
            return set()

        async def append_events(self, execution_id, events, *, edition=""):
            if len(self.calls) == 3 and self.transactions < 10:
                self.transactions += 1
                raise UnavailableError("gone")
            await super().append_events(execution_id, events, edition=edition)

    store = Leaving()
    async with Publisher(InProcessBus(), store) as publisher:
        for seq in (1, 2):
            for n in range(9):
                publisher.emit(envelope(seq, f"e{n}"))
            await publisher.flush()
        async with asyncio.timeout(10):
            while publisher.counters.stored < 18:
                await asyncio.sleep(0.02)
    assert all(store.seqs(f"e{n}") == [1, 2] for n in range(9))
    assert publisher.counters.unstored == 0


async def test_flushes_that_wait_at_once_are_answered_together():
    store = RecordingStore(delay=0.05)
    async with Publisher(InProcessBus(), store) as publisher:
        for n in range(100):
            publisher.emit(envelope(1, f"e{n}"))
        async with asyncio.timeout(5):
            await asyncio.gather(*(publisher.flush(f"e{n}") for n in range(50, 100)))
        assert all(store.seqs(f"e{n}") == [1] for n in range(50, 100))
        assert store.transactions <= 3


async def test_flush_of_nothing_and_of_a_publisher_that_does_not_run():
    publisher = Publisher(InProcessBus(), RecordingStore())
    await publisher.flush()
    async with publisher:
        async with asyncio.timeout(1):
            await publisher.flush("unknown")
            await publisher.flush()
    await publisher.flush()


async def test_leaving_flushes_and_what_was_emitted_before_entering_goes_out():
    store = RecordingStore()
    publisher = Publisher(InProcessBus(), store)
    publisher.emit(envelope(1))
    async with publisher:
        publisher.emit(envelope(2))
    publisher.emit(envelope(3))
    assert store.seqs("e1") == [1, 2]


async def test_a_full_queue_drops_live_events_first(monkeypatch):
    monkeypatch.setattr(publisher_module, "MAX_PENDING", 10)
    store = RecordingStore()
    publisher = Publisher(InProcessBus(), store)
    for _ in range(8):
        publisher.emit(envelope(None))
    for seq in range(1, 8):
        publisher.emit(envelope(seq))
    assert publisher.counters.dropped == 3 + 2
    async with publisher:
        await publisher.flush()
    assert store.seqs("e1") == [1, 2, 3, 4, 5]


async def test_a_backlog_for_a_store_that_hangs_is_bounded(hearing, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_DURABLE_BYTES", 100_000)
    bus, store = InProcessBus(), RecordingStore(delay=0.3)
    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        for seq in range(1, 101):
            publisher.emit(envelope(seq, output="x" * 10_000))
        await drain(events, 100)
        assert publisher.counters.unstored >= 80


async def test_a_large_event_is_stored_whole_and_published_trimmed(hearing):
    bus = InProcessBus()
    kept: list[Event] = []

    class Keeping(RecordingStore):
        async def _write(self, told):
            kept.extend(told[0].events)

    async with hearing(bus) as events, Publisher(bus, Keeping()) as publisher:
        publisher.emit(envelope(1, output="x" * 100_000))
        (got,) = await drain(events, 1)
        await publisher.flush()
    assert got.event.data["truncated"]
    assert kept[0].data == {"output": "x" * 100_000}


async def test_ten_thousand_events_a_second(hearing):
    bus, store = InProcessBus(), RecordingStore()
    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        before = time.perf_counter()
        for seq in range(1, 10_001):
            publisher.emit(envelope(seq, output="x" * 100))
        await drain(events, 10_000)
        assert time.perf_counter() - before < 2.0


def final(execution: str, seq: int = 9, text: str = "") -> Envelope:
    data = {"output": text}
    return Envelope(
        "ada", Event(EventType.EXECUTION_SUCCEEDED, execution, "w1", "t", seq, data=data), "1"
    )


async def test_the_last_event_waits_for_whoever_records_the_run(hearing):
    """In the store it would make an execution final that may still lack events; and watchers
    who were told of an end that becomes void would be gone."""
    bus, store = InProcessBus(), RecordingStore()
    async with hearing(bus) as events, Publisher(bus, store) as publisher:
        publisher.emit(envelope(8))
        publisher.emit(final("e1"))
        await publisher.flush("e1")
        assert publisher.counters.published == 1
        assert store.seqs("e1") == [8]
        taken = publisher.take_final("e1")
        assert taken == final("e1")
        assert publisher.take_final("e1") is None
        publisher.tell_end(taken)
        assert [one.event.seq for one in await drain(events, 2)] == [8, 9]
        await publisher.flush("e1")
        assert store.seqs("e1") == [8]


async def test_a_flush_has_the_end_written_with_what_is_before_it():
    store = RecordingStore()
    ends = {name: final(name) for name in ("e1", "e2", "e3")}
    async with Publisher(InProcessBus(), store) as publisher:
        for name, end in ends.items():
            publisher.emit(replace(envelope(8, name), edition="1"))
            publisher.emit(end)
        assert await publisher.flush("e1", last_seq=9)
        assert store.seqs("e1") == [8, 9]
        # that one is not the event asked for, which somebody else has
        assert not await publisher.flush("e2", last_seq=10)
        assert not await publisher.flush("e3")
        await publisher.flush()
        assert (store.seqs("e2"), store.seqs("e3")) == ([8], [8])
        # nothing else of it waits
        assert await publisher.flush("e2", last_seq=9)
        assert store.seqs("e2") == [8, 9]
        assert publisher.take_final("e1") == ends["e1"]


async def test_ends_that_come_at_once_are_written_together_and_each_is_told_so():
    store = RecordingStore(delay=0.05)
    async with Publisher(InProcessBus(), store) as publisher:
        for n in range(20):
            publisher.emit(final(f"e{n}"))
        told = await asyncio.gather(*(publisher.flush(f"e{n}", last_seq=9) for n in range(20)))
        assert told == [True] * 20
        assert store.transactions <= 2


async def test_an_end_that_the_store_does_not_take_is_left_to_whoever_records_the_run():
    class Short(RecordingStore):
        async def append_round(self, told):
            await super().append_round([one for one in told if not one.ends])
            return {one.execution_id for one in told if not one.ends}

    store = Short()
    async with Publisher(InProcessBus(), store) as publisher:
        publisher.emit(replace(envelope(8), edition="1"))
        publisher.emit(final("e1"))
        assert not await publisher.flush("e1", last_seq=9)
        assert store.seqs("e1") == [8]
        store.error = UnavailableError("away")
        publisher.emit(replace(envelope(8, "e2"), edition="1"))
        publisher.emit(final("e2"))
        assert not await publisher.flush("e2", last_seq=9)
        store.error = None
        await publisher.flush()
        assert store.seqs("e2") == [8]


async def test_the_end_of_a_run_that_was_closed_from_outside_is_told_at_once(hearing):
    bus = InProcessBus()
    async with hearing(bus) as events, Publisher(bus, RecordingStore()) as publisher:
        publisher.emit(replace(final("e1"), edition=""))
        assert [one.event.seq for one in await drain(events, 1)] == [9]
        assert publisher.take_final("e1") is None


async def test_last_events_that_nobody_takes_stay_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publisher_module, "MAX_FINALS", 3)
    async with Publisher(InProcessBus(), RecordingStore()) as publisher:
        for number in range(5):
            publisher.emit(final(f"e{number}"))
        publisher.emit(final("large", text="x" * publisher_module.MAX_FINAL_BYTES))
        await publisher.flush()
        held = [name for name in ("e0", "e1", "e2", "e3", "e4") if publisher.take_final(name)]
        assert held == ["e2", "e3", "e4"]
        assert publisher.take_final("large") is None


async def test_under_a_steady_load_the_store_is_given_rests_and_a_flush_does_not_wait_for_them():
    """Otherwise a transaction an execution, over and over, would take the worker's time."""
    store = RecordingStore(delay=0.005)
    seq, began = 0, time.monotonic()
    async with Publisher(InProcessBus(), store) as publisher:
        while time.monotonic() < began + 1.5:
            seq += 1
            for n in range(20):
                publisher.emit(envelope(seq, f"e{n}"))
            await asyncio.sleep(0.01)
        busy = store.transactions * store.delay
        assert busy < (time.monotonic() - began) * 0.6
        publisher.emit(envelope(1, "ended"))
        before = store.transactions
        await publisher.flush("ended")
        assert store.seqs("ended") == [1]
        assert store.transactions <= before + 2  # its own, and one that was under way
    assert all(store.seqs(f"e{n}") == list(range(1, seq + 1)) for n in range(20))


async def test_a_flush_does_not_wait_for_the_pause_after_a_batch(monkeypatch: pytest.MonkeyPatch):
    """A run's end would be late by it."""
    monkeypatch.setattr(publisher_module, "BUS_INTERVAL_S", 30)
    store = RecordingStore()
    async with Publisher(InProcessBus(), store) as publisher:
        for seq in (1, 2):
            publisher.emit(envelope(seq))
            async with asyncio.timeout(5):
                await publisher.flush("e1")
            assert store.seqs("e1")[-1] == seq
