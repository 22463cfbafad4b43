"""What Dify's names stand for: `{{#node.field#}}`, `sys`, `env`, `conversation`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilot.convert.cel import Place, braced, literal, slot, untranslated
from pilot.convert.draft import Certainty
from pilot.convert.report import Account, Source

_REFERENCE = re.compile(r"\{\{#([A-Za-z0-9_\-]{1,64}(?:\.[^#{}\s.]{1,128}){0,10})#\}\}")

HISTORY, CONVERSATION_ID, QUERY, FILES = "history", "conversation_id", "query", "files"
"""What a chatflow's run is given besides its variables."""


@dataclass(slots=True)
class Scope:
    """The places of a document's values. `outputs[node][field]` are those of the nodes."""

    account: Account
    start: str = "start"
    chat: bool = False
    outputs: dict[str, dict[str, Place]] = field(default_factory=dict)
    whole: dict[str, Place] = field(default_factory=dict)
    """Of nodes with fields of their own naming, such as code: the place of all of them."""
    env: dict[str, Place] = field(default_factory=dict)
    conversation: dict[str, Place] = field(default_factory=dict)
    certainty: Certainty = field(default_factory=Certainty)

    def place(self, selector: Sequence[Any]) -> Place | None:
        """Where the value of a selector (`["node", "field", ...]`) stands; None: nowhere."""
        match [str(part) for part in selector]:
            case ["sys", name]:
                return self._system(name)
            case ["env", name]:
                return self.env.get(name)
            case ["conversation", name, *rest]:
                place = self.conversation.get(name)
                return place.under(*rest) if place and rest else place
            case [node, name, *rest]:
                found = self.outputs.get(node, {}).get(name)
                if found is not None:
                    return found.under(*rest) if rest else found
                whole = self.whole.get(node)
                return whole.under(name, *rest) if whole else None
        return None

    def _system(self, name: str) -> Place | None:
        start = Place(("nodes", self.start, "output"), self.start)
        match name:
            case "query" if self.chat:
                return start.under(QUERY)
            case "files":
                return start.under(FILES)
            case "conversation_id" if self.chat:
                return start.under(CONVERSATION_ID)
            case "workflow_run_id":
                return Place(("execution", "id"))
        return None

    def value(
        self, selector: Sequence[Any], source: Source, field: str, default: str = '""'
    ) -> str:
        """CEL of a selector's value; `default` where its node was skipped, as Dify has it."""
        place = self.place(selector)
        if place is None:
            original = "{{#" + ".".join(str(part) for part in selector) + "#}}"
            self.account.dropped(
                f"πlot has nothing for {original}",
                source,
                field,
                original=original,
                severity="error",
                action="give it by an input, a variable or a secret",
            )
            return untranslated(original)
        if place.path[0] == "secrets" and source.type not in ("http-request", "llm"):
            self.account.dropped(
                "a secret may stand only in http and llm nodes",
                source,
                field,
                original=place.cel,
                severity="error",
                action="refer to it where it is used, in an http or llm node",
            )
        if self.certainty.sure(source.node_id, place.setter):
            return place.cel
        return f"({place.present} ? {place.cel} : {default})"

    def template(self, text: Any, source: Source, field: str) -> str:
        """A text with `{{#...#}}` in it as a template. What is no reference stays as it stands,
        as in Dify."""
        parts: list[str] = []
        for piece, is_reference in _pieces(str(text or "")):
            if not is_reference:
                parts.append(braced(piece))
            elif piece in ("context", "histories"):
                parts.append(slot(self._special(piece, source, field)))
            else:
                parts.append(slot(self.value(piece.split("."), source, field)))
        return "".join(parts)

    def _special(self, name: str, source: Source, field: str) -> str:
        context = self.outputs.get(source.id, {}).get("#context")
        if name == "context" and context is not None:
            return context.cel
        self.account.dropped(
            f"πlot has nothing for {{{{#{name}#}}}}",
            source,
            field,
            original=f"{{{{#{name}#}}}}",
            severity="error",
            action="give it by an input, a variable or a secret",
        )
        return untranslated(f"{{{{#{name}#}}}}")


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for match in _REFERENCE.finditer(text):
        if match.start() > at:
            yield text[at : match.start()], False
        yield match[1], True
        at = match.end()
    if at < len(text):
        yield text[at:], False


def rows_of(given: Any) -> list[Mapping[str, Any]]:
    """The objects of what should be a list of them."""
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def number(text: Any) -> str | None:
    """A number as CEL, however it is written; None for no number."""
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(value):
        return None
    return literal(int(value)) if value.is_integer() and abs(value) < 2**53 else literal(value)
