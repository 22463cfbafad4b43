"""Whoever is forgotten stands in no column of any table: not in those that exist, nor in those to
come. The rows are made from the tables themselves, so a new table is in the test by being there."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from pilot.store import Store
from pilot.store.forgetting import FORGOTTEN
from pilot.store.tables import JsonText, Owner, PlainText, UtcDateTime, metadata

ADA = "user_ada’s"
NO_PERSON = {"triggered_by", "pruned_by"}
"""Named as if they held somebody's id."""
SAYS = {
    "answers": [{"by": ADA, "at": "2026-03-01T12:00:00Z"}],
    ADA: 1,
    "preview": json.dumps({"by": ADA}, ensure_ascii=False)[:-1],
    "comment": f"{ADA} is thanked",
}

InDatabase = Callable[[str], Awaitable[Any]]
Row = dict[str, Any]


def value_of(column: Column[Any], row: Row) -> Any:
    """Something that the column may hold."""
    kind = column.type
    for check in column.table.constraints:
        if isinstance(check, CheckConstraint) and column.name in str(check.sqltext):
            known = re.findall(r"'(\w+)'", str(check.sqltext))
            if known:
                return "succeeded" if "succeeded" in known else known[0]
    if isinstance(kind, Owner):
        return "bob"
    if isinstance(kind, JsonText):
        return json.dumps({})
    if isinstance(kind, UtcDateTime):
        return datetime(2026, 3, 1, 12, tzinfo=UTC)
    if isinstance(kind, LargeBinary):
        return b"x"
    if isinstance(kind, PlainText | Text):
        return f"{column.name}-{uuid4().hex[:8]}"
    return {int: 1, float: 1.0, bool: False, date: date(2026, 3, 1)}[kind.python_type]


def row_of(table: Table, parents: dict[str, Row], **given: Any) -> Row:
    """A row that refers to those of the tables before; what may be missing is."""
    row: Row = {}
    for column in table.c:
        if not column.nullable or column.name == "finished_at":
            row[column.name] = value_of(column, row)
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            for key in constraint.elements:
                if key.parent.name in row:
                    row[key.parent.name] = parents[key.column.table.name][key.column.name]
    return row | given


def insert(table: Table, row: Row) -> str:
    names = ", ".join(f'"{name}"' for name in row)
    return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join(map(literal, row.values()))})"


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "'x'"
    if isinstance(value, datetime):
        return f"'{value:%Y-%m-%d %H:%M:%S}.000000'"
    if isinstance(value, bool | int | float):
        return str(value).upper()
    return "'" + str(value).replace("'", "''") + "'"


def owner_columns(table: Table) -> list[str]:
    return [column.name for column in table.c if isinstance(column.type, Owner)]


async def mentions(in_database: InDatabase, text: str) -> dict[str, int]:
    """In how many rows each column of each table has the text."""
    found = {
        f"{table.name}.{column.name}": await in_database(
            f"SELECT count(*) FROM {table.name} "
            f"WHERE CAST(\"{column.name}\" AS TEXT) LIKE '%{text}%'"
        )
        for table in metadata.sorted_tables
        for column in table.c
        if not isinstance(column.type, LargeBinary)
    }
    return {place: count for place, count in found.items() if count}


async def forget(store: Store, owner: str) -> list[str]:
    """The steps of `ForgetOwner` that are the store's. The executions in which the owner was named
    as one who answered."""
    await store.forgetting.close_access(owner)
    for row in (await store.list_executions(owner)).items:
        await store.retention.delete_execution(owner, row.id)
    await store.forgetting.delete_workflows(owner, limit=100)
    await store.forgetting.delete_usage(owner, limit=100)
    while await store.forgetting.unname(owner, limit=1):
        pass
    renamed: list[str] = []
    while some := await store.forgetting.unname_answers(owner, limit=1):
        renamed += some
    return renamed


def test_who_somebody_is_stands_in_columns_of_that_type() -> None:
    people = re.compile(r"(^|_)(owner|user|user_id|grantee|by|starter|author)$")
    for table in metadata.sorted_tables:
        for column in table.c:
            if people.search(column.name) and column.name not in NO_PERSON:
                assert isinstance(column.type, Owner), f"{table.name}.{column.name}"


async def test_nothing_of_a_person_is_left_in_any_table(
    store: Store, in_database: InDatabase
) -> None:
    bobs: dict[str, Row] = {}
    adas: dict[str, Row] = {}
    for table in metadata.sorted_tables:
        names = owner_columns(table)
        bobs[table.name] = row_of(table, bobs)
        await in_database(insert(table, bobs[table.name]))
        if "owner" in names:  # a tenant of their own, with all that refers to it
            mine = row_of(table, {**bobs, **adas}, **dict.fromkeys(names, ADA))
            adas[table.name] = mine
            await in_database(insert(table, mine))
        for name in names:
            if name != "owner":
                # in what is somebody else's, one column at a time
                other = row_of(table, bobs, **{name: ADA})
                if name not in {column.name for column in table.primary_key}:
                    key = next(column.name for column in reversed(list(table.primary_key)))
                    other[key] = 2 if isinstance(other[key], int) else other[key]
                await in_database(insert(table, other))
    before = await mentions(in_database, ADA.replace("'", "''"))
    expected = {
        f"{table.name}.{name}" for table in metadata.sorted_tables for name in owner_columns(table)
    }
    assert set(before) == expected
    # bob's are what is left of it, and none has lost any
    was = await mentions(in_database, "bob")
    await forget(store, ADA)
    assert await mentions(in_database, "ada’s") == {}
    now = await mentions(in_database, "bob")
    assert {place: now.get(place, 0) for place in was if now.get(place, 0) < was[place]} == {
        # what ada made for bob: an API key is not left without who made it, nor a grant to nobody
        "api_keys.owner": 1,
    }


async def test_who_answered_is_named_no_more_in_what_was_recorded(
    store: Store, in_database: InDatabase
) -> None:
    bobs: dict[str, Row] = {}
    for table in metadata.sorted_tables:
        bobs[table.name] = row_of(table, bobs)
        await in_database(insert(table, bobs[table.name]))
    run = bobs["executions"]
    source = {"source_id": run["id"]}
    child = {"parent_execution_id": run["id"], "parent_node_id": "n", "parent_path": "",
             "root_execution_id": run["id"], "depth": 1}  # fmt: skip
    kin = [row_of(metadata.tables["executions"], bobs, **more) for more in (source, child)]
    stranger = row_of(metadata.tables["executions"], bobs, input=json.dumps(SAYS))
    for row in (*kin, stranger):
        await in_database(insert(metadata.tables["executions"], row))
    said = json.dumps(SAYS, ensure_ascii=False)
    recorded = {
        "executions": ("input", "output", "error", "resume"),
        "node_runs": ("output", "meta", "error"),
        "iterations": ("output", "nodes", "error"),
        "events": ("data",),
        "waits": ("data",),
    }
    for table, columns in recorded.items():
        for column in columns:
            which = f"WHERE id <> '{stranger['id']}'" if table == "executions" else ""
            await in_database(
                f"UPDATE {table} SET {column} = '{said.replace(chr(39), chr(39) * 2)}' {which}"
            )
    people = metadata.tables["wait_people"]
    for answered in (True, False):
        wait = row_of(metadata.tables["waits"], bobs)
        await in_database(insert(metadata.tables["waits"], wait))
        asked = {"wait_id": wait["id"], "user_id": ADA, "may_answer": True}
        await in_database(insert(people, row_of(people, bobs, **asked, has_answered=answered)))
    # what is open says it once more as it ends: it is found then
    status = f"UPDATE executions SET status = '%s' WHERE id = '{run['id']}'"
    await in_database(status % "waiting")
    assert await forget(store, ADA) == []
    assert await in_database(f"SELECT count(*) FROM wait_people WHERE user_id = '{ADA}'") == 1
    await in_database(status % "succeeded")
    found = await forget(store, ADA)
    assert sorted(found) == sorted([run["id"], *(row["id"] for row in kin)])
    assert await in_database(f"SELECT count(*) FROM wait_people WHERE user_id = '{ADA}'") == 0
    for id in found:
        row = await store.get_execution("bob", id)
        for value in (row.input, row.output, row.error, row.resume):
            assert value == {
                "answers": [{"by": FORGOTTEN, "at": "2026-03-01T12:00:00Z"}],
                FORGOTTEN: 1,
                "preview": json.dumps({"by": FORGOTTEN})[:-1],
                "comment": f"{ADA} is thanked",  # what people wrote is theirs
            }
    for table, columns in recorded.items():
        for column in columns:
            left = await in_database(
                f"SELECT count(*) FROM {table} WHERE CAST({column} AS TEXT) LIKE '%\"{ADA}\"%'"
            )
            assert left == 0, (table, column)
    # of another execution nothing was changed
    assert (await store.get_execution("bob", stranger["id"])).input == SAYS
