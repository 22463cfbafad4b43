"""What is sent to waiting nodes: by a signal's name, or to a webhook's address.

Both go to Temporal as an update. Its id is made from the sender's key, so a repetition is
answered with what came of the first, and an answer means that the delivery is in the history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

from api.executions.start import canonical, key_of
from api.parts import Parts
from api.problems import Problem, unavailable
from api.runs import UpdateRefusedError
from pilot.graph.issues import Issue
from pilot.store import Execution, temporal_workflow_id
from workflows_def.messages import (
    UPDATE_CLAIM,
    UPDATE_DELIVER,
    UPDATE_SETTLE,
    Claim,
    Delivery,
    Receipt,
    Settled,
)

MAX_PAYLOAD_BYTES = 256 * 1024
"""It is kept in the run's history, once for each delivery."""
MAX_WORKFLOWS_ASKED = 200
"""Of a run's loops and maps, for nodes that wait in them."""


async def deliver(
    parts: Parts,
    workflow_id: str,
    nodes: Sequence[tuple[str, str]],
    payload: Any,
    key: str | None,
    *,
    closed: Problem,
    digest: str = "",
) -> list[Receipt]:
    """What came of a payload at each node of one Temporal workflow. Raises `closed` where none
    of them waits or will, and `Problem` (422, 429, 503). With a `digest` the key may not come
    again with another one."""
    delivery = Delivery(list(nodes), payload, digest)
    try:
        receipts = await parts.runs.update(
            workflow_id,
            UPDATE_DELIVER,
            delivery,
            id=update_id("deliver", key, *(part for node in nodes for part in node)),
            result_type=list[Receipt],
        )
    except UpdateRefusedError as error:
        if error.code == "not_waiting":
            raise closed from None
        if error.code == "too_many_early":
            raise Problem(429, error.code, error.message, headers={"Retry-After": "30"}) from None
        raise unavailable("delivery_failed", "The delivery failed. Try again shortly.") from error
    if receipts is None or all(one.status == "closed" for one in receipts):
        raise closed
    require_same(digest, receipts[0].digest)
    invalid = [one for one in receipts if one.status == "invalid"]
    if len(invalid) == len(receipts):
        raise Problem(
            422,
            "invalid_payload",
            "The payload is not as the node's schema says.",
            issues=payload_issues(invalid[0].problems, invalid[0].node_id),
        )
    return receipts


def update_id(kind: str, key: str | None, *about: str) -> str:
    """The same for the same key about the same thing. Raises `Problem` (400)."""
    if key is None:
        return f"{kind}-{uuid4()}"
    digest = hashlib.sha256("\0".join((*about, key_of(key))).encode()).hexdigest()
    return f"{kind}-{digest}"


def digest_of(body: Any, key: str | None) -> str:
    """By which a body is known again where its key comes again; empty without a key."""
    return "" if key is None else hashlib.sha256(canonical(body)).hexdigest()


def require_same(digest: str, first: str) -> None:
    """A repetition is answered with what came of the first request of its key, which says what
    that one's body was (empty: nobody knows). Raises `Problem` (422)."""
    if digest and first and digest != first:
        raise Problem(
            422,
            "idempotency_key_reused",
            "The Idempotency-Key belongs to a request with another body.",
        )


def payload_issues(
    problems: Sequence[dict[str, str]], node_id: str, root: str = "payload"
) -> list[Issue]:
    return [
        Issue(
            "invalid_value",
            one["message"],
            node_id=node_id,
            field=root + one["path"].removeprefix("$"),
        )
        for one in problems
    ]


async def signal(
    parts: Parts, row: Execution, name: str, payload: Any, key: str | None
) -> list[Receipt]:
    """What came of a signal at the nodes that wait for it, or will. Raises `Problem` (404
    `unknown_signal`, 409 `not_waiting`)."""
    version = await parts.store.get_version(row.owner, row.workflow_id, row.workflow_version)
    nodes = [(node_id, "") for node_id in _waits(version.graph, name)]
    inside = list(_waits_inside(version.graph, name))
    if not nodes and not inside:
        raise Problem(404, "unknown_signal", f"No node of the graph waits for a signal {name!r}.")
    places = {temporal_workflow_id(row.id): nodes} if nodes else {}
    if inside:  # those wait in child workflows, and only those that do so now can be found
        places |= await parts.runs.waiters(row.id, inside, most=MAX_WORKFLOWS_ASKED)
    closed = Problem(409, "not_waiting", f"Nothing waits for the signal {name!r}, or will.")
    digest = digest_of(payload, key)
    if inside and key is not None:
        places = await _claimed(parts, row, name, key, Claim(digest, places))
    receipts: list[Receipt] = []
    refusals: list[Problem] = []
    for workflow_id, found in places.items():
        try:
            receipts += await deliver(
                parts, workflow_id, found, payload, key, closed=closed, digest=digest
            )
        except Problem as problem:
            refusals.append(problem)
    if inside and key is not None and all(one is closed for one in refusals):
        receipts = await _settled(parts, row, name, key, receipts)
    if not receipts:
        raise refusals[-1] if refusals else closed
    return receipts


async def _claimed(
    parts: Parts, row: Execution, name: str, key: str, claim: Claim
) -> dict[str, list[tuple[str, str]]]:
    """Where a signal of this key goes: where it went when it came first. Meanwhile other
    iterations may wait. Raises `Problem` (422, 503)."""
    try:
        first = await parts.runs.update(
            temporal_workflow_id(row.id),
            UPDATE_CLAIM,
            claim,
            id=update_id("claim", key, name),
            result_type=Claim,
        )
    except UpdateRefusedError as error:
        if error.code == "not_waiting":
            return {}
        raise unavailable("delivery_failed", "The delivery failed. Try again shortly.") from error
    if first is None:  # the run has ended
        return claim.places
    require_same(claim.digest, first.digest)
    return first.places


async def _settled(
    parts: Parts, row: Execution, name: str, key: str, receipts: list[Receipt]
) -> list[Receipt]:
    """What came of a signal of this key when it came first. A loop that has gone on in a new
    history since then does not know it any more. Raises `Problem` (503)."""
    try:
        first = await parts.runs.update(
            temporal_workflow_id(row.id),
            UPDATE_SETTLE,
            Settled(receipts),
            id=update_id("settle", key, name),
            result_type=Settled,
        )
    except UpdateRefusedError:  # it came to nothing, or an older worker does not keep it
        return receipts
    return receipts if first is None else first.receipts


def _waits(graph: dict[str, Any], name: str) -> Iterator[str]:
    """The ids of the nodes of one graph that wait for a signal."""
    for node in graph.get("nodes", []):
        if node.get("type") == "wait" and node.get("config", {}).get("signal") == name:
            yield node["id"]


def _waits_inside(graph: dict[str, Any], name: str) -> Iterator[str]:
    """The same of all loops and maps in it."""
    for node in graph.get("nodes", []):
        body = node.get("config", {}).get("body")
        if isinstance(body, dict):
            yield from _waits(body, name)
            yield from _waits_inside(body, name)
