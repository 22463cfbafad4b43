"""What the exit codes of `pilot` mean, and what a person may do about an error.

| code | means |
| --- | --- |
| 0 | done; the run succeeded |
| 1 | the answer is no: the run failed, was cancelled or timed out, a check found something |
| 2 | bad input: the command line, a file, or something that the server refuses |
| 3 | not signed in, or not allowed |
| 4 | no server answers |
| 130 | left by Ctrl-C |
"""

from __future__ import annotations

from enum import IntEnum

from pilot.errors import PilotError


class Exit(IntEnum):
    DONE = 0
    NO = 1
    BAD_INPUT = 2
    NOT_SIGNED_IN = 3
    NO_SERVER = 4
    LEFT = 130


SERVER_VARIABLE = "PILOT_SERVER"
KEY_VARIABLE, TOKEN_VARIABLE = "PILOT_API_KEY", "PILOT_TOKEN"
CLIENT_VARIABLES = (SERVER_VARIABLE, KEY_VARIABLE, TOKEN_VARIABLE)
"""What a person sets for commands that ask a server."""

SIGN_IN = (
    f"set {KEY_VARIABLE} to an API key of that server, or {TOKEN_VARIABLE} to a token; those of a "
    "`pilot dev` on this machine are made by `pilot token`, with the --data-dir it runs on"
)
START = f"`pilot dev` starts one here, --server or {SERVER_VARIABLE} names another"


def exit_of(error: PilotError) -> Exit:
    """The exit code of a command that ended by this error."""
    status = getattr(error, "status", None)
    if status in (401, 403) or error.code == "not_signed_in":
        return Exit.NOT_SIGNED_IN
    if error.code in ("no_server", "unreachable") or (status is not None and status >= 500):
        return Exit.NO_SERVER
    return Exit.BAD_INPUT


def said(error: PilotError) -> str:
    """The error in one line, with what to do about it."""
    if getattr(error, "status", None) == 401:
        return f"{error} Not signed in: {SIGN_IN}"
    return f"{error}: {START}" if error.code == "unreachable" else str(error)
