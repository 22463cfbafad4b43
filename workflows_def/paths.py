"""Paths tell the runs of one node apart: `<node>[<index>]` for each loop and map around it, the
outermost first, joined by dots; then `<calling node>#<round>.<call>` for a tool's call. No node's
id holds a bracket. Outside of loops, maps and tools the path is empty."""

from __future__ import annotations


def join(path: str, step: str) -> str:
    return f"{path}.{step}" if path and step else path or step


def iteration(path: str, node_id: str, index: int) -> str:
    """The path of the nodes inside the loop or map `node_id`, which itself has `path`."""
    return join(path, f"{node_id}[{index}]")
