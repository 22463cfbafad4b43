"""`python -m pilot.child MODULE [ARGUMENT...]` runs a module as `python -m MODULE` would, and
ends it when the parent is gone.

Needed where the kernel does not do it: see `pilot.processes`.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
import time

from pilot.processes import PARENT_PIPE

GRACE_S = 5.0


def _follow(pipe: int) -> None:
    """Waits for the end of the pipe, which comes with the end of the parent."""
    with contextlib.suppress(OSError):
        while os.read(pipe, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def main() -> None:
    pipe = os.environ.pop(PARENT_PIPE, None)
    if pipe is not None:
        os.set_inheritable(int(pipe), False)
        threading.Thread(target=_follow, args=(int(pipe),), daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
