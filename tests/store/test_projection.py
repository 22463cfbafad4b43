"""The fold: whatever the order, the batches and the repetitions, the rows are the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store.projection import Projection, fold

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NODE_TYPES = [kind for kind in EventType if kind.startswith("node.")]
OTHER_TYPES = [kind for kind in EventType if not kind.startswith("node.")]


def say(seq, kind, node_id=None, attempt=None, path="", **data):
    at = (NOON + timedelta(seconds=seq)).isoformat()
    return Event(EventType(kind), "e", "w", at, seq, node_id, path, None, attempt, data)


@st.composite
def event_lists(draw):
    """Events with distinct seqs, otherwise in no sensible order at all."""
    events = []
    for seq in draw(st.lists(st.integers(1, 60), unique=True, max_size=14)):
        data = {
            "output": draw(st.sampled_from([None, seq, "text"])),
            "error": draw(st.sampled_from([None, {"code": str(seq), "message": ""}])),
            "usage": {"n": seq},
            "reason": str(seq),
            "meta": draw(
                st.sampled_from([{}, {"attempt": seq}, {"started_at": say(seq * 7 % 60, "log").at}])
            ),
        }
        attempt = draw(st.sampled_from([None, 1, 2, 3]))
        if draw(st.booleans()):
            node = draw(st.sampled_from("abc"))
            # a node's type is fixed, but not every event says it
            data["type"] = draw(st.sampled_from([None, f"type-{node}"]))
            path = draw(st.sampled_from(["", "loop:1"]))
            events.append(say(seq, draw(st.sampled_from(NODE_TYPES)), node, attempt, path, **data))
        else:
            events.append(say(seq, draw(st.sampled_from(OTHER_TYPES)), None, attempt, **data))
    return events


@given(st.data())
def test_any_order_repetition_and_batching_gives_the_same_rows(data):
    events = data.draw(event_lists())
    expected = fold(sorted(events, key=lambda event: event.seq))
    repeated = events + data.draw(
        st.lists(st.sampled_from(events), max_size=10) if events else st.just([])
    )
    shuffled = data.draw(st.permutations(repeated))
    assert fold(shuffled) == expected
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    bounds = zip([0, *cuts], [*cuts, len(shuffled)], strict=True)
    batches = [fold(shuffled[start:end]) for start, end in bounds]
    assert reduce(Projection.merge, batches) == expected


@given(event_lists())
def test_a_final_status_is_the_first_and_every_other_the_last(events):
    execution = fold(events).execution
    said = sorted(
        (event for event in events if event.type.startswith("execution.")),
        key=lambda event: event.seq,
    )
    final = [event for event in said if ExecutionStatus(_status(event)).is_final]
    if final:
        assert execution.status == _status(final[0])
        assert execution.output == final[0].data["output"]
        assert execution.usage == {"n": final[0].seq}
        assert execution.finished_at == datetime.fromisoformat(final[0].at)
    elif said:
        assert execution.status == _status(said[-1])
        assert execution.finished_at is None
    else:
        assert execution.status is None
    assert execution.last_seq == max((event.seq for event in events), default=0)


@given(event_lists())
def test_a_node_is_what_its_newest_event_says(events):
    nodes = fold(events).nodes
    for (node_id, path), node in nodes.items():
        own = sorted(
            (event for event in events if (event.node_id, event.path) == (node_id, path)),
            key=lambda event: event.seq,
        )
        newest = own[-1]
        assert (node.first_seq, node.last_seq) == (own[0].seq, newest.seq)
        assert node.output == newest.data["output"]
        assert node.error == newest.data["error"]
        assert node.reason == newest.data["reason"]
        assert (node.finished_at is not None) == node.status.is_final
        assert node.type in (None, f"type-{node_id}")
    assert len(nodes) == len({(e.node_id, e.path) for e in events if e.node_id})


def test_a_node_from_start_to_end():
    run = [
        say(1, "node.started", "a", type="llm"),
        say(2, "node.retrying", "a", error={"code": "busy"}),
        say(3, "node.succeeded", "a", attempt=2, output=1, meta={"m": 1}),
    ]
    begun, retried, done = (fold(run[: n + 1]).nodes["a", ""] for n in range(3))
    assert (begun.status, begun.started_at) == (NodeStatus.RUNNING, NOON + timedelta(seconds=1))
    assert (retried.status, retried.error) == (NodeStatus.RUNNING, {"code": "busy"})
    assert done == replace(
        begun,
        status=NodeStatus.SUCCEEDED,
        last_seq=3,
        attempt=2,
        output=1,
        meta={"m": 1},
        finished_at=NOON + timedelta(seconds=3),
    )


def test_a_node_started_when_its_event_says_whatever_a_later_attempt_measured():
    run = [
        say(1, "node.started", "a"),
        say(9, "node.succeeded", "a", meta={"started_at": say(8, "log").at, "attempt": 4}),
    ]
    node = fold(run).nodes["a", ""]
    assert node.started_at == NOON + timedelta(seconds=1)
    assert node.attempt == 4


def test_what_an_activity_says_in_a_strange_kind_is_taken_as_unsaid():
    strange = {
        "meta": {"started_at": "yesterday", "attempt": "two"},
        "type": 3,
        "reason": ["r"],
        "error": "e",
    }
    node = fold([say(1, "node.started", "a"), say(2, "node.failed", "a", **strange)]).nodes["a", ""]
    assert node.started_at == NOON + timedelta(seconds=1)
    assert (node.attempt, node.type, node.reason, node.error) == (None, None, None, None)
    for meta in ("text", None, [1]):
        assert fold([say(1, "node.failed", "a", meta=meta)]).nodes["a", ""].meta == {}
    for attempt in (-1, 2**40, 1.5):
        assert fold([say(1, "node.failed", "a", attempt)]).nodes["a", ""].attempt is None


@pytest.mark.parametrize(
    "event",
    [
        replace(say(1, "log"), seq=None),
        replace(say(1, "log"), seq=0),
        say(1, "node.started"),
        replace(say(1, "node.started", "a"), at="noon"),
        replace(say(1, "execution.started"), at=""),
    ],
)
def test_an_event_that_cannot_be_placed_is_refused(event):
    with pytest.raises(ValueError):
        fold([event])


def _status(event):
    name = event.type.removeprefix("execution.")
    return {"started": "running", "resumed": "running"}.get(name, name)
