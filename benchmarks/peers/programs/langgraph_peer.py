"""LangGraph with its SQLite checkpointer, each step's checkpoint written before the next begins."""

from __future__ import annotations

import sqlite3
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.peers.programs.work import add, serve, timed


class State(TypedDict):
    value: int
    log: str | None


saver = SqliteSaver(sqlite3.connect(f"{sys.argv[1]}/langgraph.db", check_same_thread=False))


def step(state: State) -> dict[str, int]:
    return {"value": add(state["value"], state["log"])}


@cache
def graph(steps: int) -> Any:
    builder = StateGraph(State)
    names = [f"n{index}" for index in range(steps)]
    for name in names:
        builder.add_node(name, step)
    for one, other in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(one, other)
    return builder.compile(checkpointer=saver)


def run(steps: int, id: str | None = None, log: str | None = None, resume: bool = False) -> int:
    config = {"configurable": {"thread_id": id or uuid.uuid4().hex}, "recursion_limit": steps + 10}
    given = None if resume else {"value": 0, "log": log}
    result = graph(steps).invoke(given, config, durability="sync")
    return int(result["value"])


def many(steps: int, runs: int) -> float:
    graph(steps)
    with ThreadPoolExecutor(min(runs, 32)) as pool:
        return timed(lambda: list(pool.map(run, [steps] * runs)))


serve(
    {
        "chain": lambda steps: timed(lambda: run(steps)),
        "many": many,
        "keep": lambda id, steps, log: run(steps, id, log),
        "resume": lambda id, steps, log: run(steps, id, log, resume=True),
    }
)
