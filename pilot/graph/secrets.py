"""Which secrets a configuration refers to: the only ones that its node's attempts are given."""

from __future__ import annotations

from pydantic import BaseModel

from pilot.graph.scope import is_optional
from pilot.graph.spec import TemplateText
from pilot.graph.templates import parse_template, texts

HOOK = "hook:"
"""Before a node's id: the name of its webhook's address among the secrets that an attempt is
given. No secret's own name has a colon."""


def hook_nodes(config: BaseModel) -> set[str]:
    """The nodes whose webhooks a configuration refers to, as `hooks.<node>`. Raises
    `TemplateError`."""
    return {
        str(reference.segments[0])
        for field in texts(config)
        if isinstance(field.kind, TemplateText) and field.kind.secrets and "hooks" in field.text
        for slot in parse_template(field.text).slots
        for reference in slot.expression.references
        if reference.root == "hooks" and reference.segments
    }


def secret_names(config: BaseModel) -> dict[str, bool]:
    """The names in the fields where secrets may stand, and whether each must be there: not
    where `has(secrets.NAME)` or `secrets.?NAME` asks first. Raises `TemplateError`."""
    names: dict[str, bool] = {}
    for field in texts(config):
        if not isinstance(field.kind, TemplateText) or not field.kind.secrets:
            continue
        if "secrets" not in field.text:
            continue
        for slot in parse_template(field.text).slots:
            references = [
                reference
                for reference in slot.expression.references
                if reference.root == "secrets" and reference.segments
            ]
            tested = {str(r.segments[0]) for r in references if is_optional(r)}
            for name in (str(reference.segments[0]) for reference in references):
                names[name] = names.get(name, False) or name not in tested
    return names
