"""wait: goes on after a while, at a time, by a signal or by a webhook."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from pilot.graph import moments
from pilot.graph.issues import Issue
from pilot.graph.spec import (
    DEFAULT_HANDLE,
    ExpressionText,
    NodeConfig,
    NodeSpec,
    Policy,
    Retry,
    TemplateText,
)
from pilot.nodes.json_schema import schema_issues

TIMEOUT_HANDLE = "timeout"
MAX_COUNT = 1_000
MODES = ("duration", "until", "signal", "webhook")

_SIGNAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class WaitConfig(NodeConfig):
    duration: Annotated[str | float | None, TemplateText()] = Field(
        default=None, description="Seconds, or ISO 8601 such as `PT1H30M` or `P3D`."
    )
    until: Annotated[str | None, TemplateText()] = Field(
        default=None, description="A time in RFC 3339, or a local one where `timezone` is set."
    )
    timezone: str | None = Field(
        default=None, max_length=64, description="Such as `Europe/Berlin`."
    )
    signal: str | None = Field(default=None, description="The name of the signal to wait for.")
    webhook: bool = Field(
        default=False, description="Waits for `POST` to the address `{hooks.<this node's id>}`."
    )
    payload_schema: JsonValue = Field(
        default=None, description="A JSON Schema: what does not fit it is refused (422)."
    )
    condition: Annotated[str | None, ExpressionText(returns="bool", payload=True)] = Field(
        default=None, description="CEL over `payload`; where it does not hold, nothing is counted."
    )
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = Field(
        default=1, description="So many deliveries are waited for."
    )
    done_when: Annotated[str | None, ExpressionText(returns="bool", payload=True)] = Field(
        default=None, description="CEL over `payload`; where it holds, it was the last delivery."
    )
    timeout: Annotated[str | float | None, TemplateText()] = Field(
        default=None, description="How long a signal or a webhook is waited for, as `duration`."
    )
    on_timeout: Literal["branch", "fail"] = Field(
        default="branch", description="Take the handle `timeout`, or fail with `wait_timeout`."
    )

    @property
    def mode(self) -> str:
        """One of `MODES`; of several that are set the first."""
        return next((name for name in MODES if getattr(self, name) not in (None, False)), "")

    @property
    def is_answered(self) -> bool:
        """Whether something from outside ends the wait."""
        return self.mode in ("signal", "webhook")


def handles(config: WaitConfig) -> tuple[str, ...]:
    if config.timeout is not None and config.on_timeout == "branch":
        return (DEFAULT_HANDLE, TIMEOUT_HANDLE)
    return (DEFAULT_HANDLE,)


def check(config: WaitConfig) -> Iterable[Issue]:
    if sum(getattr(config, name) not in (None, False) for name in MODES) != 1:
        yield Issue("invalid_wait", f"a wait has one of {', '.join(MODES)}", field="duration")
        return
    if config.timezone is not None:
        if config.until is None:
            yield Issue("invalid_wait", "timezone belongs to until", field="timezone")
        else:
            yield from problem(lambda: moments.zone(config.timezone or ""), "timezone")
    if not config.is_answered:
        for name in ("payload_schema", "condition", "done_when", "timeout"):
            if getattr(config, name) is not None:
                yield Issue("invalid_wait", f"{name} belongs to signal and webhook", field=name)
        if config.count != 1:
            yield Issue("invalid_wait", "count belongs to signal and webhook", field="count")
    if config.signal is not None and not _SIGNAL.fullmatch(config.signal):
        yield Issue(
            "invalid_signal_name",
            "a signal's name has letters, digits, `.`, `_` and `-`, at most 100",
            field="signal",
        )
    yield from static_duration(config.duration, "duration")
    yield from static_duration(config.timeout, "timeout")
    if config.until is not None and "{" not in config.until:
        yield from problem(lambda: moments.moment(config.until, config.timezone), "until")
    yield from schema_issues(config.payload_schema, "payload_schema")


def static_duration(value: Any, field: str) -> Iterable[Issue]:
    """Of a duration that is no template."""
    if value is not None and not (isinstance(value, str) and "{" in value):
        yield from problem(lambda: moments.seconds(value), field, "invalid_duration")


def problem(read: Any, field: str, code: str = "invalid_time") -> Iterable[Issue]:
    try:
        read()
    except ValueError as error:
        yield Issue(code, str(error), field=field)


SPEC = NodeSpec(
    type="wait",
    title="Wait",
    description="Waits for a while, until a time, for a signal or for a webhook.",
    category="control",
    icon="hourglass",
    config=WaitConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=handles,
    branches=True,
    check=check,
)
