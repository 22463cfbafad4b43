"""note_wait: writes to the store that a node waits, and for whom."""

from __future__ import annotations

from datetime import datetime

from temporalio import activity

from pilot.roles import Role
from pilot.store import Store
from pilot.store.waits import Wait
from workflows_def.messages import NOTE_WAIT_ACTIVITY, WaitNote


class WaitNotes:
    """The activity, with the store that it writes to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name=NOTE_WAIT_ACTIVITY)
    async def note(self, note: WaitNote) -> None:
        """Idempotent; what a late attempt says of an earlier state changes nothing."""
        workflow_id = activity.info().workflow_id
        assert workflow_id is not None
        await self._store.waits.put(
            Wait(
                execution_id=note.execution_id,
                node_id=note.node_id,
                path=note.path,
                kind=note.kind,
                temporal_id=workflow_id,
                created_at=datetime.fromisoformat(note.created_at),
                seq=note.seq,
                expires_at=_time(note.expires_at),
                closed_at=_time(note.closed_at),
                role=None if note.role is None else Role(note.role),
                users=tuple(note.users),
                answered=tuple(note.answered),
                allow_self=note.allow_self,
                data=note.data,
            )
        )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
