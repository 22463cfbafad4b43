"""n8n's nodes that leave the workflow: Execute Workflow, Stop And Error."""

from __future__ import annotations

import json
from typing import Any

from pilot.convert.cel import slot
from pilot.convert.n8n.build import Build, N8nNode, chosen, rows_of


def execute_workflow(node: N8nNode, build: Build) -> None:
    """Another workflow of the database. It is in a file of its own, so its id is to be seen to."""
    given = node.parameters
    source = given.get("source", "database")
    workflow_id = chosen(given.get("workflowId"))
    if source != "database":
        build.placeholder(
            node,
            f"a workflow that comes from {source} is not carried",
            "import that workflow, and call it by a workflow node",
        )
        return
    if not workflow_id or workflow_id.startswith("="):
        build.placeholder(
            node,
            "which workflow is run is known only as it runs",
            "branch by a switch, with a workflow node for each workflow",
        )
        return
    locator = given.get("workflowId")
    name = locator.get("cachedResultName") if isinstance(locator, dict) else None
    build.account.dropped(
        f"n8n's workflow {name or workflow_id} is a file of its own",
        node.source,
        "workflowId",
        original=workflow_id,
        severity="error",
        action="import that workflow too, and set `workflow_id` to the id that it is given",
    )
    waits = bool(node.options.get("waitForSubWorkflow", True))
    config: dict[str, Any] = {"workflow_id": workflow_id[:200], "input": _input(node, build)}
    if not waits:
        config["wait"] = False
    build.add(node, "workflow", config)
    if not waits:
        build.pass_on(node)


def _input(node: N8nNode, build: Build) -> Any:
    """The fields that the called workflow declares: as they are set here, else the item's. Where
    it declares none, the whole item."""
    outer = node.parameters.get("workflowInputs")
    outer = outer if isinstance(outer, dict) else {}
    mapped = outer.get("value")
    mapped = mapped if isinstance(mapped, dict) else {}
    schema = [one for one in rows_of(outer, "schema") if not one.get("removed")]
    if not schema and not mapped:
        return slot(build.whole(build.through(node), node))
    if not schema:
        build.account.approximated(
            "the item's other fields are not handed on",
            node.source,
            "workflowInputs",
            original=json.dumps(mapped),
            action="add those that the called workflow reads",
        )
    names = [str(one.get("displayName") or one.get("id")) for one in schema] or list(mapped)
    fields: dict[str, Any] = {}
    for name in names:
        at = f"workflowInputs.{name}"
        if name in mapped:
            fields[name] = build.template(mapped[name], node, at)
        else:
            found = build.expression(f"$json[{json.dumps(name)}] ?? null", node, at)
            fields[name] = slot(found.text)
    return fields


def stop_and_error(node: N8nNode, build: Build) -> None:
    """The run fails with its message, as code that raises it."""
    given = node.parameters
    kind = given.get("errorType", "errorMessage")
    text = given.get("errorObject" if kind == "errorObject" else "errorMessage", "")
    message = build.template(text, node, str(kind))
    name = node.node_id
    if isinstance(text, str) and text.startswith("="):
        message_of = f'str(vars["{name}"])'
        build.add(node, "variable", {"assignments": {name: message}})
        source = f"def main(vars):\n    raise Exception({message_of})\n"
        build.after(node, "stop", "code", {"name": node.name[:200], "source": source})
        return
    written = text if isinstance(text, str) else json.dumps(text)
    build.add(node, "code", {"source": f"def main(input):\n    raise Exception({written!r})\n"})
