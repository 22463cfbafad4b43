"""The API process: `python -m api`."""

from __future__ import annotations

import gc
import sys

from pilot.errors import PilotError


def main() -> int:
    # Of what is imported and made until the app stands nothing is garbage: to look for some takes
    # a fifth of the start, and to look at all of it again at each full collection is of no use.
    gc.disable()
    from api import supervisor  # noqa: PLC0415
    from api.server import server  # noqa: PLC0415
    from pilot import logs, sentry, tracing  # noqa: PLC0415
    from pilot.settings import get_settings  # noqa: PLC0415

    try:
        settings = get_settings()
        settings.check()
        if supervisor.is_wanted(settings):
            gc.enable()
            return supervisor.supervise(settings)
        logs.configure(settings)
        sentry.init(settings, "api")
        tracing.init(settings, "api")
        running = server(settings)
    except PilotError as error:
        print(f"api: {error}", file=sys.stderr)
        return 2
    gc.freeze()
    gc.enable()
    running.run(supervisor.inherited())
    return 0 if running.started else 1


if __name__ == "__main__":
    sys.exit(main())
