"""Validation: everything that is wrong with a graph, at once."""

from __future__ import annotations

from pilot.graph.analysis import analyse
from pilot.graph.issues import Issue
from pilot.graph.model import Graph
from pilot.graph.spec import Specs


def validate(graph: Graph, specs: Specs) -> list[Issue]:
    """All issues of a graph, errors and warnings, in the order of structure, configuration,
    references. Those of severity `error` stop execution."""
    return analyse(graph, specs).issues
