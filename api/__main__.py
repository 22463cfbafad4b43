"""The API process: `python -m api`."""

from __future__ import annotations

import sys

from api import supervisor
from api.server import server
from pilot import logs, sentry, tracing
from pilot.errors import PilotError
from pilot.settings import get_settings


def main() -> int:
    try:
        settings = get_settings()
        settings.check()
        if supervisor.is_wanted(settings):
            return supervisor.supervise(settings)
        logs.configure(settings)
        sentry.init(settings, "api")
        tracing.init(settings, "api")
        running = server(settings)
    except PilotError as error:
        print(f"api: {error}", file=sys.stderr)
        return 2
    running.run(supervisor.inherited())
    return 0 if running.started else 1


if __name__ == "__main__":
    sys.exit(main())
