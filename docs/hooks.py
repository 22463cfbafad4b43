"""What the site adds to the pages: each node type's reference, made from its spec.

Links that leave `docs/` lead to files of the repository, which the site has not: their text stays.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pilot.graph.spec import NodeSpec, Policy
from pilot.nodes import BUILT_IN

LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+)[^)]*\)")
MARKED = re.compile(r"^(```\w+) (?:graph|node|elsewhere)$", re.M)
PAGES = {f"nodes/{spec.type}.md": spec for spec in BUILT_IN}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    path: str = page.file.src_uri
    up = path.count("/")
    text = LINK.sub(lambda link: link[0] if link[2].count("../") <= up else link[1], markdown)
    # marks for the tests, of which the highlighter knows nothing
    text = MARKED.sub(r"\1", text)
    spec = PAGES.get(path)
    return text if spec is None else f"{text}\n\n{reference(spec)}"


def reference(spec: NodeSpec) -> str:
    """The section of a type: its fields with their types, defaults and bounds, and its policy."""
    schema = spec.config.model_json_schema()
    required = set(schema.get("required", ()))
    lines = ["## Reference", "", "Made from the type's definition.", ""]
    lines += ["| field | type | default | what it is |", "| --- | --- | --- | --- |"]
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{_json(field.get('default'))}`"
        says = _cell(field.get("description", ""))
        lines.append(f"| `{name}` | {_cell(_type(field))} | {_cell(default)} | {says} |")
    return "\n".join([*lines, "", *_policy(spec.policy)])


def _policy(policy: Policy) -> list[str]:
    retry = policy.retry
    where = "in the workflow's own task (a local activity)" if policy.local else "as an activity"
    beat = f", heartbeat {policy.heartbeat_s:g} s" if policy.heartbeat_s else ""
    return [
        f"Runs {where}: at most {policy.timeout_s:g} s an attempt{beat}; {retry.max_attempts} "
        f"attempts, the first pause {retry.initial_s:g} s, then {retry.backoff:g} times as long "
        f"each, at most {retry.max_s:g} s. [A node may say otherwise](policy.md).",
    ]


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        kinds = [_type(one) for one in field["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{_json(one)}`" for one in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    bounds = [
        f"{sign} {field[key]:g}"
        for key, sign in (
            ("exclusiveMinimum", ">"),
            ("minimum", "≥"),
            ("exclusiveMaximum", "<"),
            ("maximum", "≤"),
        )
        if key in field
    ]
    return " ".join([str(field.get("type", "any JSON")), *bounds])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
