"""The call that creates a trigger for an imported workflow, as a report words it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def creating(name: str, kind: Mapping[str, Any]) -> str:
    """`kind` has the trigger's `schedule` or `webhook`. The workflow has an id once it is saved."""
    body = {"name": name[:200] or "trigger", "workflow_id": "<its id>", **kind}
    return f"POST /api/v1/triggers {json.dumps(body, ensure_ascii=False)}"
