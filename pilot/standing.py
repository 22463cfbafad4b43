"""Whose work comes first where workers have more to do than they can: shares and priorities of
owners, by Temporal's task queue fairness (docs.temporal.io/develop/task-queue-priority-fairness).

Each owner, a user or an organisation, is a fairness key: a task queue hands out tasks to all who
have some in turn, however many each has. A weight makes an owner's turn larger; a priority puts
them before all that have a lower one, whatever these wait.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

EVERYBODY = "*"
MAX_KEY_BYTES = 64
"""Temporal's limit on a fairness key."""

_STANDING = re.compile(r"(\d+(?:\.\d+)?)(?:@([1-5]))?")


@dataclass(frozen=True, slots=True)
class Standing:
    """`weight` is the owner's share against those of others (0.001 to 1000), `priority` from 1
    (first) to 5; None: the server's default, 3."""

    weight: float = 1.0
    priority: int | None = None


Standings = Mapping[str, Standing]
"""By owner; `EVERYBODY` is who is not named."""


def standings(text: str) -> dict[str, Standing]:
    """Those of `org_acme=4, user_batch=0.5@4, *=1`. Raises `ValueError`."""
    found = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        owner, _, value = part.rpartition("=")
        match = _STANDING.fullmatch(value.strip())
        if not owner.strip() or match is None or not 0.001 <= float(match[1]) <= 1000:
            raise ValueError(
                f"{part!r} is not <owner>=<weight> or <owner>=<weight>@<priority>, with a weight "
                "from 0.001 to 1000 and a priority from 1 to 5"
            )
        found[owner.strip()] = Standing(float(match[1]), int(match[2]) if match[2] else None)
    return found


def standing_of(owner: str, among: Standings) -> Standing:
    return among.get(owner) or among.get(EVERYBODY) or Standing()


def fairness_key(owner: str) -> str:
    """The owner's id, or what stands for one that is too long."""
    if len(owner.encode()) <= MAX_KEY_BYTES:
        return owner
    return hashlib.sha256(owner.encode()).hexdigest()
