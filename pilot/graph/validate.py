"""Validation: everything that is wrong with a graph, at once."""

from __future__ import annotations

from pilot.graph.analysis import analyse
from pilot.graph.issues import Issue
from pilot.graph.model import Graph
from pilot.graph.spec import Specs


def validate(graph: Graph, specs: Specs, secrets: frozenset[str] | None = None) -> list[Issue]:
    """All issues of a graph, errors and warnings, in the order of structure, configuration,
    references. Those of severity `error` stop execution.

    `secrets` are the names of the owner's stored secrets; None: they are not known, and a
    reference to any of them is taken as good.
    """
    return analyse(graph, specs, secrets).issues
