"""What a node adds to a Temporal history, at about most, with the workflow tasks that it takes."""

from __future__ import annotations

ORDINARY_EVENTS, LOCAL_EVENTS, CHILD_EVENTS = 6, 2, 12
"""A node that is an ordinary activity, one that is a local one, and what a child workflow adds."""

MAX_BODY_EVENTS = 4_700
"""Of one iteration: it runs in one history, which is to stay below 5,000 events."""


def node_events(*, is_local: bool, has_body: bool) -> int:
    return (LOCAL_EVENTS if is_local else ORDINARY_EVENTS) + (CHILD_EVENTS if has_body else 0)
