"""Finds, when it is imported, whether a module of the program's hides one of πlot's.

πlot's rooms are top-level packages, and `activities` is what many a Temporal project calls its own
module. In one process only the first on the path can be imported.
"""

from __future__ import annotations

from importlib.util import find_spec

from pilot.errors import ModuleHiddenError

OURS = {"activities": "activities.registry", "workflows_def": "workflows_def.interpreter"}
"""Each room that the plugin imports, with a module that only ours has."""


def check() -> None:
    """Raises `ModuleHiddenError`."""
    for room, module in OURS.items():
        try:
            found = find_spec(module)
        except ModuleNotFoundError:  # the room is a plain module, or not there
            found = None
        if found is not None:
            continue
        other = find_spec(room)
        raise ModuleHiddenError(
            f"the module {room!r} of πlot is hidden by "
            f"{other.origin if other is not None else 'nothing: it is not installed'}. Put your "
            f"own {room!r} into a package, or run πlot's worker as a process of its own and call "
            "its graphs by pilot.caller."
        )


check()
