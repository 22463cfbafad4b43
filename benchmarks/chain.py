"""Chains of 10 and 100 nodes: a stored graph against the workflow written by hand.

`python -m benchmarks.chain [--rounds N]`. Both sides run the same activities on the same
worker and server. πlot's side also has its start and output node, writes the run to the store
and keeps its events: that is the overhead which is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import uuid
from typing import Any

from benchmarks.by_hand import Chain, ChainByHand
from benchmarks.paired import HEADER, Comparison, compare, keep, timed
from benchmarks.stack import Stack, history_bytes, stack
from pilot.graph.model import Graph

CODE = {"source": "def main(input):\n    return input + 1"}


def graph_of(type: str, config: dict[str, Any], size: int) -> Graph:
    nodes: list[dict[str, Any]] = [{"id": "start", "type": "start"}]
    nodes += [{"id": f"n{index}", "type": type, "config": config} for index in range(size)]
    nodes.append({"id": "output", "type": "output"})
    edges = [
        {"source": one["id"], "target": other["id"]} for one, other in itertools.pairwise(nodes)
    ]
    return Graph.model_validate({"nodes": nodes, "edges": edges})


async def chain(bench: Stack, size: int, rounds: int, *, local: bool) -> list[Comparison]:
    """Wall time and history of one chain; local activities are `variable` nodes, ordinary
    ones `code` nodes."""
    type, config = ("variable", {"assignments": {"v": "{input}"}}) if local else ("code", CODE)
    graph = graph_of(type, config, size)
    by_hand = Chain(type, local, [config] * size, 0)
    handles: dict[str, Any] = {}

    async def ours() -> None:
        handles["ours"] = await bench.start_graph(graph, 0)
        await handles["ours"].result()

    async def theirs() -> None:
        handles["theirs"] = await bench.client.start_workflow(
            ChainByHand.run, by_hand, id=str(uuid.uuid4()), task_queue=bench.task_queue
        )
        await handles["theirs"].result()

    name = f"chain of {size}, {'local' if local else 'ordinary'} activities"
    wall = await compare(name, lambda: timed(ours), lambda: timed(theirs), rounds=rounds)
    our_events, our_bytes = await history_bytes(handles["ours"])
    their_events, their_bytes = await history_bytes(handles["theirs"])
    return [
        wall,
        Comparison(f"{name}: history", "events", [our_events], [their_events]),
        Comparison(f"{name}: history", "bytes", [our_bytes], [their_bytes]),
    ]


async def main(rounds: int) -> None:
    comparisons: list[Comparison] = []
    print(HEADER)
    async with stack([ChainByHand]) as bench:
        for local in (False, True):
            for size in (10, 100):
                found = await chain(bench, size, rounds, local=local)
                comparisons += found
                print("\n".join(one.line() for one in found), flush=True)
    print(f"kept in {keep('chain', comparisons).name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    asyncio.run(main(parser.parse_args().rounds))
