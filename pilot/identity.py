"""A worker's identity in Temporal: its process, and what confines its sandbox.

Temporal shows it at each task and gives it to whoever asks for a task queue's pollers, so the
API reads there what only a worker can know. It is written into the history of every run four
times a node, hence the letters.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable

LAYERS = {"r": "rlimits", "p": "no_new_privs", "l": "landlock", "s": "seccomp"}
"""The layers of the sandbox's confinement by their letters."""

_SUFFIX = re.compile(r" sandbox=([a-z]*)$")


def worker_identity(layers: Iterable[str]) -> str:
    """`<pid>@<host> sandbox=<letters of the layers>`"""
    present = set(layers)
    letters = "".join(letter for letter, name in LAYERS.items() if name in present)
    return f"{os.getpid()}@{socket.gethostname()} sandbox={letters}"


def layers_of(identity: str) -> tuple[str, ...] | None:
    """The layers that an identity tells of; None where it is not one of ours."""
    found = _SUFFIX.search(identity)
    if found is None:
        return None
    return tuple(name for letter, name in LAYERS.items() if letter in found[1])
