"""A node's configuration, typed, and the issues of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from pilot.graph.issues import Issue
from pilot.graph.model import Node
from pilot.graph.spec import BODY, ERROR_HANDLE, Joining, NodeConfig, NodeSpec, Specs

MAX_CONFIG_DEPTH = 64


def typed_config(
    node: Node, spec: NodeSpec | None, specs: Specs, issues: list[Issue]
) -> NodeConfig | None:
    """The node's typed configuration, or None where it has issues."""
    if spec is None:
        known = ", ".join(sorted(specs))
        issues.append(
            Issue(
                "unknown_node_type",
                f"there is no node type {node.type!r}; there are {known}",
                node_id=node.id,
                field="type",
            )
        )
        return None
    own = node.config
    if spec.has_body:  # whose nodes are looked at one by one
        own = {name: value for name, value in own.items() if name != BODY}
    if _deeper_than(own, MAX_CONFIG_DEPTH):
        issues.append(
            Issue(
                "config_too_deep",
                f"the configuration is nested deeper than {MAX_CONFIG_DEPTH} levels",
                node_id=node.id,
                field="config",
            )
        )
        return None
    try:
        config = spec.config.model_validate(node.config)
    except ValidationError as error:
        issues.extend(config_issues(error, node.id, spec.config))
        return None
    issues.extend(
        replace(
            issue,
            node_id=node.id,
            field=f"config.{issue.field}" if issue.field else "config",
        )
        for issue in spec.check(config)
    )
    return config


def config_issues(
    error: ValidationError, node_id: str, config: type[NodeConfig]
) -> Iterator[Issue]:
    for detail in error.errors(include_url=False, include_context=False):
        field = _path("config", detail["loc"])
        message = _config_message(detail)
        if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
            message += f"; {_instead(str(detail['loc'][0]), config)}"
        yield Issue("invalid_config", message, node_id=node_id, field=field)


def _instead(name: str, config: type[NodeConfig]) -> str:
    """What may have been meant by a field that there is not."""
    known = sorted(field.alias or own for own, field in config.model_fields.items())
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"


def _config_message(detail: Any) -> str:
    kind = detail["type"]
    if kind == "missing":
        return f"{detail['loc'][-1]} is required"
    if kind == "extra_forbidden":
        return f"there is no field {detail['loc'][-1]!r}"
    return str(detail["msg"])


def _path(root: str, location: Sequence[int | str]) -> str:
    path = root
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def _deeper_than(value: Any, limit: int) -> bool:
    """Whether a JSON value is nested deeper than `limit`; scans level by level."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def handles_of(
    node: Node, spec: NodeSpec | None, config: NodeConfig | None
) -> tuple[str, ...] | None:
    """The node's out-handles; None where they cannot be known."""
    if spec is None or config is None:
        return None
    handles = spec.handles(config)
    return (*handles, ERROR_HANDLE) if node.on_error == "branch" else handles


def joining_of(spec: NodeSpec | None, config: NodeConfig | None) -> Joining | None:
    """How the node joins, where its configuration says so."""
    if spec is None or config is None or spec.joining is None:
        return None
    return spec.joining(config)
