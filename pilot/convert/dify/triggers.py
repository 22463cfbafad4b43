"""Dify's trigger nodes: the start of the graph, and which trigger to create for it.

Of a webhook Dify gives each header, parameter and field of the body by its name, with `_` for `-`;
a webhook of πlot's gives `{headers, query, body}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pilot.convert.cel import Place
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.scope import rows_of
from pilot.convert.document import whole
from pilot.convert.report import Source
from pilot.convert.trigger_calls import creating

KINDS = ("trigger-webhook", "trigger-schedule", "trigger-plugin")
STARTS = ("start", *KINDS)
_TIME = re.compile(r"\s*(\d{1,2}):(\d{2})\s*([AP]M)?\s*", re.IGNORECASE)
_FIELDS: Mapping[str, Any] = {"type": "object", "required": False, "default": {}}


def outputs(node: DifyNode, start: str) -> dict[str, Place]:
    output = Place(("nodes", start, "output"), start)
    if node.source.type != "trigger-webhook":
        return {}
    found = {"_webhook_raw": output}
    for row in rows_of(node.data.get("headers")):
        name = str(row.get("name"))
        found[name.replace("-", "_")] = output.under("headers", name.lower())
    for kind, field in (("params", "query"), ("body", "body")):
        for row in rows_of(node.data.get(kind)):
            found[str(row.get("name"))] = output.under(field, str(row.get("name")))
    return found


def trigger(node: DifyNode, build: Build) -> None:
    """The start; of several triggers all are the one start."""
    scope, start = build.scope, build.scope.start
    source = Source(node.id, node.source.name, node.source.type, start)
    if node.node_id == start:
        config: dict[str, Any] = {}
        if node.source.type == "trigger-webhook":
            config["inputs"] = [{"name": name, **_FIELDS} for name in ("headers", "query")]
            config["inputs"].append({**_FIELDS, "name": "body", "type": "any"})
        build.add(node, "start", config)
    else:
        build.entries[node.id] = build.exits[node.id] = start
        scope.account.carry(source, "start")
        scope.account.approximated(
            "Dify begins at one of its triggers; here all that follows any of them runs",
            source,
            action="make a workflow for each trigger, where they lead to different nodes",
        )
    match node.source.type:
        case "trigger-webhook":
            _webhook(node, source, build)
        case "trigger-schedule":
            _schedule(node, source, build)
        case _:
            scope.account.dropped(
                "what a plugin of Dify's gives is the run's input here",
                source,
                "type",
                original=str(node.data.get("provider_id") or node.source.type),
                action="have the other side call a webhook: "
                + creating(source.name, {"webhook": {"input_from": "body"}}),
            )


def _webhook(node: DifyNode, source: Source, build: Build) -> None:
    names = [str(one.get("name")) for one in rows_of(node.data.get("headers"))]
    method = str(node.data.get("method") or "get").upper()
    build.scope.account.approximated(
        "a webhook is created beside the workflow, and has an address of its own"
        + ("" if method == "POST" else f"; Dify's answers {method}, and one of πlot's POST"),
        source,
        "method",
        original=method,
        severity="info" if method == "POST" else "warning",
        action=creating(source.name, {"webhook": {"headers": names} if names else {}}),
    )


def _schedule(node: DifyNode, source: Source, build: Build) -> None:
    crons, note = _crons(node.data)
    schedule = {"cron": crons, "timezone": str(node.data.get("timezone") or "UTC")}
    build.scope.account.approximated(
        "a schedule is created beside the workflow",
        source,
        "cron_expression",
        original=str(node.data.get("cron_expression") or node.data.get("frequency") or ""),
        action=creating(source.name, {"schedule": schedule}) + note,
    )


def _crons(data: Mapping[str, Any]) -> tuple[list[str], str]:
    """Cron expressions, and what they leave out."""
    if data.get("mode") == "cron" or not data.get("frequency"):
        return [str(data.get("cron_expression") or "0 0 * * *")], ""
    given = data.get("visual_config")
    given = given if isinstance(given, dict) else {}
    found = _TIME.fullmatch(str(given.get("time") or "12:00 AM"))
    hour, minute = (int(found[1]), int(found[2])) if found else (0, 0)
    if found and found[3]:
        hour = hour % 12 + (12 if found[3].upper() == "PM" else 0)
    match data["frequency"]:
        case "hourly":
            return [f"{whole(given.get('on_minute'), 0)} * * * *"], ""
        case "weekly":
            return [f"{minute} {hour} * * {_listed(given.get('weekdays'), 'sun')}"], ""
        case "monthly":
            days = given.get("monthly_days")
            days = days if isinstance(days, list) else [1]
            plain = [day for day in days if day != "last"]
            note = "; the last day of a month is no cron expression here" if "last" in days else ""
            return [f"{minute} {hour} {_listed(plain, '28')} * *"], note
    return [f"{minute} {hour} * * *"], ""


def _listed(given: Any, default: str) -> str:
    return ",".join(str(one) for one in given) if isinstance(given, list) and given else default
