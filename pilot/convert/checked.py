"""The last step of an import: what the validator refuses is in the report too.

So a report without an error is a graph that runs, whatever the converter has overlooked.
"""

from __future__ import annotations

from dataclasses import replace

from pilot.convert.document import Conversion
from pilot.convert.report import Finding
from pilot.graph.issues import Issue, errors
from pilot.graph.spec import Specs
from pilot.graph.validate import validate

MAX_ADDED = 200


def checked(found: Conversion, specs: Specs) -> Conversion:
    """The conversion, its report completed by the graph's errors that are not yet in it."""
    report = found.report
    known = {one.node_id for one in report.findings if one.severity == "error"}
    carried = {one.node_id: one for one in report.carried}
    added: list[Finding] = []
    for issue in errors(validate(found.graph, specs)):
        node_id = _node_of(issue)
        is_known = node_id in known and issue.code not in ("cycle", "self_loop")
        if is_known or "untranslated" in issue.message:
            continue
        source = carried.get(node_id or "")
        added.append(
            Finding(
                "dropped",
                "error",
                issue.message,
                source_id=source.source_id if source else None,
                name=source.name if source else None,
                node_id=node_id,
                field=issue.field,
                action="mend the node in the graph: it does not run before",
            )
        )
    return replace(found, report=replace(report, findings=(*report.findings, *added[:MAX_ADDED])))


def _node_of(issue: Issue) -> str | None:
    return issue.edge.source if issue.edge is not None else issue.node_id
