"""What the routes share, opened with the app and closed with it."""

from __future__ import annotations

from asyncio import Event
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.auth import Verifier
from api.directory import Directory
from api.executions.backlog import Backlog
from api.executions.finished import Finished
from api.keysets import KeySource
from api.limits import Limits
from api.live.connections import Connections
from api.live.feed import Feed
from api.live.history import History
from api.live.outbox import Outbox
from api.live.shared import SharedStreams
from api.live.tickets import Tickets
from api.live.turns import Turns
from api.pending import PendingRuns
from api.runs import Runs
from api.workflows.checked import Checked
from pilot.budget import ceiling
from pilot.codec import EncryptionCodec
from pilot.compiled import Plans
from pilot.crypto import Keyring
from pilot.events.bus import Bus
from pilot.graph.spec import Specs
from pilot.payloads.objects import Objects
from pilot.payloads.place import sizes_of
from pilot.preparation import Preparation
from pilot.settings import Settings
from pilot.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """`keys` are those that the issuer of tokens signs by. `connections` counts who watches,
    `streams` are what the open server-sent streams read from: closed when the process is to
    end, which it says by `draining` first. `turns` are when WebSockets write, `shared` what
    those of one user are sent alike. `checked` is what validation said of graphs. `keyring` seals
    secrets, `codec` encrypts Temporal's payloads; None without a key. `objects` is the payload
    store, where there is one."""

    settings: Settings
    verifier: Verifier
    keys: KeySource
    store: Store
    runs: Runs
    bus: Bus
    history: History
    feed: Feed
    pending: PendingRuns
    specs: Specs
    connections: Connections
    limits: Limits
    tickets: Tickets
    finished: Finished
    turns: Turns
    shared: SharedStreams
    backlog: Backlog
    streams: set[Outbox] = field(default_factory=set)
    draining: Event = field(default_factory=Event)
    checked: Checked = field(default_factory=Checked)
    plans: Plans = field(default_factory=Plans)
    keyring: Keyring | None = None
    codec: EncryptionCodec | None = None
    directory: Directory | None = None
    objects: Objects | None = None

    @property
    def preparation(self) -> Preparation:
        settings = self.settings
        return Preparation(
            self.store, self.specs, ceiling(settings), sizes_of(settings), self.plans
        )


def parts_of(connection: HTTPConnection) -> Parts:
    parts: Parts = connection.app.state.parts
    return parts


async def _parts(connection: HTTPConnection) -> Parts:
    # as all dependencies here: one that is not async is run in a thread, at 0.2 ms a request
    return parts_of(connection)


PartsDep = Annotated[Parts, Depends(_parts)]
