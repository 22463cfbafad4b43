"""What waits for a connection is bounded, and gives up the dispensable first."""

import pytest

from pilot.events import waiting
from pilot.events.model import Envelope, Event, EventType
from pilot.events.waiting import WaitingLines
from pilot.events.wire import decode


def envelope(seq: int | None, text: str = "") -> Envelope:
    kind = EventType.NODE_SUCCEEDED if seq else EventType.LLM_TOKEN
    return Envelope("ada", Event(kind, "e1", "w1", "t", seq, "n", data={"text": text}))


def seqs(lines: WaitingLines) -> list[int | None]:
    return [decode(line.text).event.seq for line in lines.take(10**9)]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> WaitingLines:
    monkeypatch.setattr(waiting, "MAX_WAITING_BYTES", 20_000)
    return WaitingLines()


def test_lines_are_taken_in_order_by_size(lines):
    lines.add([envelope(n, "x" * 1_000) for n in range(1, 6)])
    assert [decode(line.text).event.seq for line in lines.take(2_500)] == [1, 2]
    assert [decode(line.text).event.seq for line in lines.take(1)] == [3]
    assert seqs(lines) == [4, 5]
    assert not lines


def test_the_oldest_live_ones_go_first_and_the_order_stays(lines):
    for n in range(1, 11):
        lines.add([envelope(None, "x" * 1_000), envelope(n, "x" * 800)])
    left = seqs(lines)
    assert [seq for seq in left if seq] == list(range(1, 11))
    assert 0 < left.count(None) < 10
    assert left[0] == 1
    assert left[-2:] == [None, 10]
    assert lines.dropped == 10 - left.count(None)


def test_without_live_ones_the_oldest_go(lines):
    lines.add([envelope(n, "x" * 1_000) for n in range(1, 101)])
    left = seqs(lines)
    assert left == list(range(101 - len(left), 101))
    assert 10 < len(left) < 20
    assert lines.dropped == 100 - len(left)


def test_what_perhaps_arrived_comes_again_but_not_if_it_is_live(lines):
    lines.add([envelope(1), envelope(None), envelope(2), envelope(3)])
    taken = lines.take(10**9)
    lines.add([envelope(4)])
    lines.put_back(taken)
    assert seqs(lines) == [1, 2, 3, 4]
    assert lines.dropped == 1


def test_live_ones_may_be_given_up_at_once(lines):
    lines.add([envelope(None), envelope(1), envelope(None)])
    lines.drop_live()
    assert seqs(lines) == [1]


def test_a_line_that_no_reader_would_take_is_left_out(lines, monkeypatch):
    monkeypatch.setattr(waiting, "MAX_LINE_BYTES", 300)
    lines.add([envelope(1, "x" * 1_000), envelope(2)])
    assert seqs(lines) == [2]
