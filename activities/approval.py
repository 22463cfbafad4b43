"""approval: reads what is asked, and of whom; the workflow waits for the answers."""

from __future__ import annotations

from typing import Any

from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.errors import NodeError
from pilot.graph import moments
from pilot.graph.task import NodeResult
from pilot.graph.values import as_text
from pilot.nodes.approval import MAX_USER_CHARS, MAX_USERS, ApprovalConfig
from pilot.roles import Role

MAX_TITLE_CHARS = 1_000
MAX_DESCRIPTION_CHARS = 20_000


@node_activity("approval", ApprovalConfig)
async def approval(attempt: Attempt[ApprovalConfig]) -> NodeResult:
    config = await render(attempt.config, attempt.task.scope)
    users = _users([] if config.approvers is None else config.approvers.users)
    roles = [Role.RUNNER] if config.approvers is None else config.approvers.roles
    if not roles and len(users) < config.required:
        raise NodeError(
            f"{config.required} have to approve, and {len(users)} may", code="too_few_approvers"
        )
    follow: dict[str, Any] = {
        "title": as_text(config.title)[:MAX_TITLE_CHARS],
        "users": users,
        # of several, whoever has the lowest has enough
        "role": next((role.value for role in Role if role in roles), None),
    }
    if config.description is not None:
        follow["description"] = as_text(config.description)[:MAX_DESCRIPTION_CHARS]
    if config.timeout is not None:
        try:
            follow["timeout_s"] = moments.seconds(config.timeout)
        except ValueError as error:
            raise NodeError(str(error), code="invalid_time") from None
    return NodeResult(follow=follow)


def _users(rendered: list[Any]) -> list[str]:
    """A template may give one user, or a list of them."""
    flat = [one for item in rendered for one in (item if isinstance(item, list) else [item])]
    users = list(dict.fromkeys(flat))
    if len(users) > MAX_USERS or not all(
        isinstance(user, str) and 0 < len(user) <= MAX_USER_CHARS and user.isprintable()
        for user in users
    ):
        raise NodeError(
            f"approvers.users are at most {MAX_USERS} users' ids", code="invalid_approvers"
        )
    return users
