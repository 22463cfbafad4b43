"""A worker whose loops and maps go on in a new history after a few events.

`python -m tests.faults.short_worker`
"""

from __future__ import annotations

import sys

import worker
from workflows_def import containers

MAX_EVENTS = 15

if __name__ == "__main__":
    containers.MAX_EVENTS = MAX_EVENTS
    sys.exit(worker.main())
