"""n8n's triggers: what the start of the graph takes, and which trigger to create for it.

A trigger is no part of a πlot graph: what begins a workflow is created beside it, by
`POST /api/v1/triggers`. The report says by which body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pilot.convert.document import whole
from pilot.convert.n8n.build import Build, N8nNode, rows_of
from pilot.convert.report import Source
from pilot.convert.trigger_calls import creating
from pilot.nodes.start import InputType

HISTORY = "history"
"""What was said before a chat's message: n8n keeps it in a memory node."""
INPUTS: Mapping[str, list[dict[str, Any]]] = {
    "webhook": [
        {"name": "body", "type": "any", "required": False, "default": {}},
        {"name": "headers", "type": "object", "required": False, "default": {}},
        {"name": "query", "type": "object", "required": False, "default": {}},
        {"name": "params", "type": "object", "required": False, "default": {}},
    ],
    "chatTrigger": [
        {"name": "chatInput", "type": "string"},
        {"name": "sessionId", "type": "string", "required": False, "default": ""},
        {"name": HISTORY, "type": "array", "required": False, "default": []},
    ],
}
_TYPES: Mapping[str, InputType] = {
    "string": "string",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
_MAX_WAIT_S = 60
"""How long a webhook of πlot's may have its caller wait."""


def inputs_of(node: N8nNode, kind: str) -> list[dict[str, Any]] | None:
    """The fields of the run's input; None: any input is taken."""
    if kind == "executeWorkflowTrigger":
        return _called(node) or None
    found = INPUTS.get(kind)
    return [dict(one) for one in found] if found else None


def _called(node: N8nNode) -> list[dict[str, Any]]:
    """What a workflow that others call declares: fields, or an example of its input."""
    given = node.parameters
    types = {
        str(one.get("name")): str(one.get("type") or "any")
        for one in rows_of(given, "workflowInputs", "values")
    }
    if not types and given.get("inputSource") == "jsonExample":
        try:
            example = json.loads(str(given.get("jsonExample")))
        except (ValueError, RecursionError):
            example = None
        types = dict.fromkeys(example if isinstance(example, dict) else (), "any")
    return [
        {"name": name, "type": _TYPES.get(kind, "any"), "required": False, "default": None}
        for name, kind in types.items()
        if name.isidentifier() and name.isascii() and len(name) <= 64
    ]


def report(node: N8nNode, kind: str, start: str, timezone: Any, build: Build) -> None:
    """Says what begins the workflow in πlot."""
    source = Source(node.source.id, node.name, node.source.type, start)
    match kind:
        case "start" | "manualTrigger" | "chatTrigger":
            build.account.approximated(
                f"what {kind} gives is the execution's input here", source, severity="info",
                action="run it by `pilot run`, the canvas or POST …/execute",
            )  # fmt: skip
        case "executeWorkflowTrigger":
            build.account.approximated(
                "the workflow that calls it hands it its input", source, severity="info",
                action="put this workflow's id into the `workflow` node that calls it",
            )  # fmt: skip
        case "webhook":
            _webhook(node, source, build)
        case "scheduleTrigger" | "cron" | "interval":
            _schedule(node, source, timezone, build)
        case _:
            build.account.dropped(
                f"nothing in πlot listens as {kind} does: what it gives is the execution's input",
                source, "type", original=node.source.type,
                action="have the other side call a webhook: "
                + creating(source.name, {"webhook": {"input_from": "body"}}),
            )  # fmt: skip


def _webhook(node: N8nNode, source: Source, build: Build) -> None:
    given = node.parameters
    method, way = given.get("httpMethod", "GET"), given.get("responseMode", "onReceived")
    webhook: dict[str, Any] = {"input_from": "request"}
    if way in ("lastNode", "responseNode"):
        webhook["max_wait_s"] = _MAX_WAIT_S
    build.account.approximated(
        "a webhook is created beside the workflow, and has an address of its own",
        source, "parameters", original=json.dumps(dict(given)), severity="info",
        action=creating(source.name, {"webhook": webhook}),
    )  # fmt: skip
    if method != "POST":
        build.account.dropped(
            f"it answers {json.dumps(method)}; a webhook of πlot's answers POST",
            source, "httpMethod", original=json.dumps(method), action="call it by POST",
        )  # fmt: skip
    if given.get("authentication") not in (None, "none"):
        build.account.dropped(
            "how its callers sign in is not carried: whoever knows the address may call",
            source, "authentication", original=str(given["authentication"]),
            action="give the webhook a `signature` with a stored secret",
        )  # fmt: skip


def _schedule(node: N8nNode, source: Source, timezone: Any, build: Build) -> None:
    given = node.parameters
    rules = rows_of(given, "rule", "interval") or rows_of(given, "triggerTimes", "item") or [{}]
    crons, notes = [], []
    every: int | None = None
    for rule in rules:
        cron, seconds, note = _rule(rule, source.type.endswith(".interval"), given)
        if cron is not None:
            crons.append(cron)
        every = seconds or every
        if note:
            notes.append(note)
    schedule: dict[str, Any] = {"cron": crons} if crons else {"every_s": every or 86_400}
    if crons and every:
        notes.append(f"one more trigger is needed, with every_s {every}")
    if isinstance(timezone, str) and timezone not in ("", "DEFAULT"):
        schedule["timezone"] = timezone
    else:
        notes.append("n8n's times are those of its instance's time zone: set `timezone`")
    build.account.approximated(
        "a schedule is created beside the workflow; its runs are given what the schedule says",
        source, "parameters", original=json.dumps(dict(given)), severity="warning",
        action=creating(
            source.name, {"schedule": schedule, "input": {"timestamp": "{scheduled_at}"}}
        )
        + "".join(f"; {note}" for note in notes),
    )  # fmt: skip


def _rule(
    rule: Mapping[str, Any], is_interval: bool, given: Mapping[str, Any]
) -> tuple[str | None, int | None, str | None]:
    """Of one interval: its cron expression or its seconds, and what is not quite the same.

    As `toCronExpression` and `recurrenceCheck` of n8n's ScheduleTrigger have it.
    """
    if is_interval:
        factor = {"seconds": 1, "minutes": 60, "hours": 3600}.get(str(given.get("unit")), 1)
        return None, max(_int(given, "interval", 1) * factor, 1), None
    if "mode" in rule:
        return _old_rule(rule)
    field = str(rule.get("field") or "days")
    minute, hour = _int(rule, "triggerAtMinute", 0), _int(rule, "triggerAtHour", 0)
    match field:
        case "cronExpression":
            return _written(rule.get("expression"))
        case "seconds":
            return None, _int(rule, "secondsInterval", 30), "a server may allow no less than 60"
        case "minutes":
            return f"*/{_int(rule, 'minutesInterval', 5)} * * * *", None, None
        case "hours":
            return f"{minute} */{_int(rule, 'hoursInterval', 1)} * * *", None, None
        case "weeks":
            days = rule.get("triggerAtDay")
            listed = ",".join(str(one) for one in days) if isinstance(days, list) and days else "0"
            weeks = _int(rule, "weeksInterval", 1)
            note = f"n8n skips to every week number {weeks}" if weeks > 1 else None
            return f"{minute} {hour} * * {listed}", None, note
        case "months":
            day, months = _int(rule, "triggerAtDayOfMonth", 1), _int(rule, "monthsInterval", 1)
            return f"{minute} {hour} {day} */{months} *", None, None
    days_between = _int(rule, "daysInterval", 1)
    if days_between > 1:
        return None, days_between * 86_400, "by the hour of the day: set `offset_s`"
    return f"{minute} {hour} * * *", None, None


def _old_rule(rule: Mapping[str, Any]) -> tuple[str | None, int | None, str | None]:
    """One time of the Cron node, which came before the Schedule Trigger."""
    at = f"{_int(rule, 'minute', 0)} {_int(rule, 'hour', 14)}"
    match str(rule["mode"]):
        case "custom":
            return _written(rule.get("cronExpression"))
        case "everyMinute":
            return "* * * * *", None, None
        case "everyHour":
            return f"{_int(rule, 'minute', 0)} * * * *", None, None
        case "everyX":
            factor = 60 if rule.get("unit") == "minutes" else 3600
            return None, _int(rule, "value", 2) * factor, None
        case "everyWeek":
            return f"{at} * * {rule.get('weekday', 1)}", None, None
        case "everyMonth":
            return f"{at} {_int(rule, 'dayOfMonth', 1)} * *", None, None
    return f"{at} * * *", None, None


def _written(expression: Any) -> tuple[str, None, str | None]:
    parts = str(expression or "").removeprefix("=").split()
    if len(parts) == 6:
        return " ".join(parts[1:]), None, "the seconds of its cron expression are left out"
    return " ".join(parts), None, None


def _int(given: Mapping[str, Any], name: str, default: int) -> int:
    return whole(given.get(name), default)
