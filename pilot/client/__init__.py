"""A client of πlot's API, `AsyncClient` and `Client`, for Python programs.

    with Client("http://127.0.0.1:8000", token) as pilot:
        execution = pilot.execute(workflow_id, {"message": "Hi"})
        for event in pilot.watch(execution.id):
            print(event.type, event.node_id)

Calls that are safe to repeat are repeated where the server is away for a moment; a watch connects
again and goes on where it was, each `seq` once. What the server refuses is an `ApiError`.
"""

from pilot.client.approvals import Approval
from pilot.client.asynchronous import AsyncClient
from pilot.client.problem import ApiError
from pilot.client.resources import (
    Error,
    Execution,
    Node,
    Page,
    Parent,
    Trigger,
    Usage,
    Wait,
    Waiting,
    Workflow,
)
from pilot.client.synchronous import Client
from pilot.client.versions import Publication, Version, VersionsDiff
from pilot.events.model import Event, EventType

__all__ = [
    "ApiError",
    "Approval",
    "AsyncClient",
    "Client",
    "Error",
    "Event",
    "EventType",
    "Execution",
    "Node",
    "Page",
    "Parent",
    "Publication",
    "Trigger",
    "Usage",
    "Version",
    "VersionsDiff",
    "Wait",
    "Waiting",
    "Workflow",
]
