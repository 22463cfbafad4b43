"""Every error that πlot raises, each with a stable `code`.

PilotError
├── SettingsError            a configuration variable is missing or contradictory
├── GraphError               a graph cannot be run; carries all its issues
├── RefusedError             a run may not begin: its input, its size, or a budget
├── ExpressionError          a CEL expression does not compile or fails on its data
│   └── TemplateError        the same, inside a template
├── NodeError                an attempt of a node failed; says whether to try again
├── CiphertextError          what was sealed does not open: altered, cut, or moved
│   └── UnknownKeyError      it was sealed by a key that is not configured here
└── StoreError
    ├── NotFoundError        no such object, or another user's
    ├── StaleVersionError    somebody else saved in between
    ├── ConflictError        the request contradicts the object's state
    ├── PayloadGoneError     the payload store has not what a history refers to
    └── UnavailableError     the database does not answer; trying later is right
        ├── StorageFullError it answers, but its disk is full: nothing can be saved
        └── PayloadStoreError it is the payload store that does not answer
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilot.graph.issues import Issue


class PilotError(Exception):
    """The root of the tree. `code` is stable, `message` is for people."""

    code = "pilot_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class SettingsError(PilotError):
    code = "invalid_settings"


class ModuleHiddenError(PilotError, ImportError):
    """A module of the program's is in the place of one of πlot's rooms."""

    code = "module_hidden"


class GraphError(PilotError):
    """A graph with issues of severity `error`."""

    code = "invalid_graph"

    def __init__(self, issues: list[Issue]) -> None:
        self.issues = issues
        errors = [issue for issue in issues if issue.severity == "error"]
        first = errors[0].message if errors else "the graph has issues"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first}{more}")


class RefusedError(PilotError):
    """A run may not begin. `issues` say what is wrong with its input, `retry_after_s` when it
    may (seconds), where time alone will do."""

    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        issues: list[Issue] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.issues = issues
        self.retry_after_s = retry_after_s


class ExpressionError(PilotError):
    """A CEL expression that does not compile or fails on its data.

    `line` and `column` count from 1 inside the text that was given, in characters;
    both are None for an error that only its data brought out.
    """

    code = "expression_failed"

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.line = line
        self.column = column


class TemplateError(ExpressionError):
    code = "template_failed"


class NodeError(PilotError):
    """One attempt of a node failed.

    `retryable` says whether another attempt can help, `retry_after_s` how long the other
    side asked to be left alone (seconds), `meta` what is worth keeping (usage, HTTP status).
    """

    code = "node_failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.meta = meta or {}


class CiphertextError(PilotError):
    code = "cannot_decrypt"


class UnknownKeyError(CiphertextError):
    code = "unknown_key"


class StoreError(PilotError):
    code = "store_failed"


class NotFoundError(StoreError):
    code = "not_found"


class StaleVersionError(StoreError):
    code = "stale_version"


class ConflictError(StoreError):
    code = "conflict"


class UnavailableError(StoreError):
    code = "store_unavailable"


class StorageFullError(UnavailableError):
    code = "storage_full"


class PayloadStoreError(UnavailableError):
    code = "payload_store_unavailable"


class PayloadGoneError(StoreError):
    code = "payload_gone"
