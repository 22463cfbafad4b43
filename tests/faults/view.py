"""What one watcher knows of one run, by the rules that docs/live.md has for clients."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]
Node = tuple[str, str]


def what(event: Event) -> tuple[str, str, str]:
    """An event without its times and data."""
    return event["type"], event.get("node_id", ""), event.get("path", "")


def node_states(events: list[Event]) -> dict[Node, str]:
    """The nodes' statuses after these events, by id and path."""
    return {
        (event["node_id"], event.get("path", "")): event["status"]
        for event in events
        if event["type"].startswith("node.")
    }


class View:
    """`events` came one by one, the first of them after `begins_after`. A snapshot replaces all
    that was known before it: `shown` are then its nodes' statuses."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.begins_after = 0
        self.snapshots = 0
        self.shown: dict[Node, str] = {}

    @property
    def last_seq(self) -> int:
        return self.begins_after + len(self.events)

    def take(self, event: Event) -> None:
        """Takes a durable event, or a snapshot. Raises where an event is not the next one."""
        if event["type"] == "snapshot":
            self.snapshots += 1
            self.events, self.begins_after = [], event["seq"]
            self.shown = {
                (node["id"], node.get("path") or ""): node["status"]
                for node in event["data"]["nodes"]
                if node["status"] != "pending"
            }
            return
        expected = self.last_seq + 1
        assert event["seq"] == expected, f"{event['seq']} came where {expected} was due"
        self.events.append(event)

    def difference(self, truth: list[Event]) -> str:
        """What of the run the watcher was left to believe otherwise; nothing if it is right."""
        rest = truth[self.begins_after :]
        if [what(event) for event in self.events] != [what(event) for event in rest]:
            return f"after {self.begins_after}: {list(map(what, self.events))}, not {rest}"
        states = self.shown | node_states(self.events)
        return "" if states == node_states(truth) else f"{states} is not {node_states(truth)}"
