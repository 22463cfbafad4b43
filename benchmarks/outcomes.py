"""What came of runs written by hand: an activity that inserts a row into a table of its own, in the
database of πlot's store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, MetaData, String, Table, Text, insert
from temporalio import activity

from pilot.store.database import Database


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the table."""

    id: str
    status: str
    output: Any


class Outcomes:
    """The activity, with the database of πlot's store and a table of its own there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self) -> None:
        async with self._database.writing() as connection:
            await connection.run_sync(TABLE.metadata.create_all)

    @activity.defn(name="write_outcome")
    async def write(self, outcome: Outcome) -> None:
        row = {**asdict(outcome), "output": json.dumps(outcome.output), "at": datetime.now(UTC)}
        async with self._database.writing() as connection:
            await connection.execute(insert(TABLE).values(row))


TABLE = Table(
    "outcomes_by_hand",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("status", String),
    Column("output", Text),
    Column("at", DateTime),
)
