"""Approvals, as a program lists and answers them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

from pilot.client.resources import Page, maybe_time, read_time
from pilot.client.transport import Transport

Decision = Literal["approved", "rejected"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A node that asks people; `form` is a JSON Schema of the values that an approval brings."""

    execution_id: str
    node_id: str
    path: str
    title: str
    description: str | None
    form: Any
    required: int
    approvals: int
    created_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None = None
    workflow_name: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Approval:
        return cls(
            execution_id=body["execution_id"],
            node_id=body["node_id"],
            path=body.get("path", ""),
            title=body["title"],
            description=body.get("description"),
            form=body.get("form"),
            required=body["required"],
            approvals=body["approvals"],
            created_at=read_time(body["created_at"]),
            expires_at=maybe_time(body.get("expires_at")),
            closed_at=maybe_time(body.get("closed_at")),
            workflow_name=body.get("workflow_name"),
        )


class AsyncApprovals:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> AsyncIterator[Approval]:
        """What waits for the caller, newest first."""
        cursor: str | None = None
        while True:
            answer = await self._transport.request("GET", "/approvals", query={"cursor": cursor})
            page = Page.of(Approval.from_json)(answer)
            for approval in page.items:
                yield approval
            if (cursor := page.next_cursor) is None:
                return

    async def answer(
        self,
        execution_id: str,
        node_id: str,
        decision: Decision,
        *,
        values: Any = None,
        comment: str | None = None,
        path: str = "",
    ) -> str:
        """What it came to: `approved`, `rejected`, or `waiting` for others. `ApiError` (409) where
        it is decided already."""
        answered = await self._transport.request(
            "POST",
            f"/executions/{quote(execution_id, safe='')}/approvals/{quote(node_id, safe='')}",
            {"decision": decision, "values": values, "comment": comment, "path": path},
            headers={"Idempotency-Key": str(uuid4())},
            repeat=True,
        )
        return str(answered["status"])
