"""The tables, the same on SQLite and PostgreSQL.

JSON is kept as text (`json` on PostgreSQL, which keeps the text as it is; see
`pilot.store.json_text`), is bound as text and read as a value. Times are bound and read as
aware datetimes and kept in UTC. An index serves each query of the protocol.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from pilot.graph.status import FINAL_EXECUTION_STATUSES, ExecutionStatus, NodeStatus
from pilot.roles import SHARED_ROLES, Role
from pilot.store import json_text
from pilot.store.values import owner_id, plain, utc

MAX_INTEGER = 2**31 - 1


class JsonText(TypeDecorator[Any]):
    """JSON. Bind it with `json_text.dumps`, so that what cannot be stored fails early."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSON(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json_text.loads(value)


class PlainText(TypeDecorator[str]):
    """Text that people wrote (`pilot.store.values.plain`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else plain(value)


class Owner(TypeDecorator[str]):
    """The id of a user (`pilot.store.values.owner_id`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else owner_id(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC to the microsecond."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class utc_date(FunctionElement[date]):  # noqa: N801 (as SQLAlchemy's own functions)
    """The day (UTC) of a `UtcDateTime`."""

    inherit_cache = True
    type = Date()


@compiles(utc_date, "sqlite")
def _utc_date_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"date({compiler.process(element.clauses, **options)})"


@compiles(utc_date, "postgresql")
def _utc_date_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"(({compiler.process(element.clauses, **options)}) AT TIME ZONE 'UTC')::date"


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


_OPEN = [status for status in ExecutionStatus if status not in FINAL_EXECUTION_STATUSES]
# Written out, not bound: an index over some of the rows serves only queries that say the same.
IS_OPEN = text(_one_of("status", [status.value for status in _OPEN]))
IS_ENDED = text(_one_of("status", sorted(status.value for status in FINAL_EXECUTION_STATUSES)))
IS_CANCELLING = text(f"{IS_OPEN.text} AND cancel_requested_at IS NOT NULL")
IS_HELD = text(f"{IS_OPEN.text} AND held_at IS NOT NULL AND released_at IS NULL")
IS_FREE = text(f"{IS_OPEN.text} AND (held_at IS NULL OR released_at IS NOT NULL)")
IS_COMPARED = text(
    f"{IS_OPEN.text} AND (held_at IS NULL OR released_at IS NOT NULL"
    " OR cancel_requested_at IS NOT NULL)"
)
HAS_SLOT = text(f"{IS_FREE.text} AND parent_execution_id IS NULL")
IS_ALIVE = text("deleted_at IS NULL")
IS_UNAPPLIED = text("kind = 'schedule' AND applied <> revision")
IS_TRIGGERED = text("triggered_by IS NOT NULL")
IS_DELETED = text("deleted_at IS NOT NULL")
KEEPS_EVENTS = text(f"{IS_ENDED.text} AND events_pruned_at IS NULL")
IS_PRUNED = text("pruned_by IS NOT NULL")
HAS_RETENTION = text("retention_days IS NOT NULL")
HAS_STARTER = text("started_by IS NOT NULL")
IS_ROOT = text("parent_execution_id IS NULL")
IS_CHILD = text("parent_execution_id IS NOT NULL")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The newest version's name, number and hash stand here too, so that a save compares and a list
# reads without touching a graph; and the number of the newest publication, with its version.
# `retention_days` is how long its executions are kept at most.
workflows = Table(
    "workflows",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("owner", Owner, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("description", PlainText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("published_version", Integer),
    Column("publication", Integer, nullable=False, server_default=text("0")),
    Column("retention_days", Float),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("published_version BETWEEN 1 AND version", name="published_version"),
    Index(
        "ix_workflows_owner_created_at_id",
        "owner",
        "created_at",
        "id",
        postgresql_where=IS_ALIVE,
        sqlite_where=IS_ALIVE,
    ),
    Index(
        "ix_workflows_deleted", "deleted_at", postgresql_where=IS_DELETED, sqlite_where=IS_DELETED
    ),
    Index(
        "ix_workflows_retention", "id", postgresql_where=HAS_RETENTION, sqlite_where=HAS_RETENTION
    ),
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workflow_id", PlainText, ForeignKey("workflows.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", PlainText, nullable=False),
    Column("graph", JsonText, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("description", PlainText, nullable=False, server_default=text("''")),
    Column("created_by", Owner),
    CheckConstraint("version >= 1", name="version"),
)

# What was published when: the last one of a workflow holds. Without a version: nothing any more.
publications = Table(
    "publications",
    metadata,
    Column("workflow_id", PlainText, ForeignKey("workflows.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer),
    Column("published_at", UtcDateTime, nullable=False),
    Column("published_by", Owner),
    Column("note", PlainText),
    ForeignKeyConstraint(
        ["workflow_id", "version"],
        ["workflow_versions.workflow_id", "workflow_versions.version"],
    ),
    CheckConstraint("number >= 1", name="number"),
    Index("ix_publications_workflow_id_version_number", "workflow_id", "version", "number"),
)

# `status_seq` is the seq of the event that set `status`; 0 for the status that the row was
# created with; `started_by` is the user, where it is not the owner, `timeout_s` the execution's own
# time limit, in seconds, and
# `cancel_requested_at` when it was first cancelled; `edition` is the newest one that told of it
# (`pilot.events.edition`). It waits for a slot from `held_at` to `released_at`: from
# `start_at` on, where it is to begin later. `triggered_by` is what began it, at the time
# `triggered_at`. `pruned_by` is the batch of the retention that has it on its list
# (`pilot.store.retention`), `events_pruned_at` when its events were deleted before itself. `mode`
# says what kind of run it is, `source_id` which execution it goes on from, and `resume` what it
# takes from there (`pilot.store.Execution`). A child was begun by `parent_execution_id`, by its
# node `parent_node_id` at `parent_path`, `depth` steps below `root_execution_id`, and takes no
# slot. The large columns stand last: SQLite reads past them for whatever follows.
executions = Table(
    "executions",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("owner", Owner, nullable=False),
    Column("workflow_id", PlainText, nullable=False),
    Column("workflow_version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("temporal_run_id", PlainText),
    Column("started_by", Owner),
    Column("timeout_s", Float),
    Column("cancel_requested_at", UtcDateTime),
    Column("edition", Text, nullable=False, server_default=text("''")),
    Column("held_at", UtcDateTime),
    Column("released_at", UtcDateTime),
    Column("start_at", UtcDateTime),
    Column("triggered_by", PlainText),
    Column("triggered_at", UtcDateTime),
    Column("pruned_by", Text),
    Column("events_pruned_at", UtcDateTime),
    Column("mode", Text, nullable=False, server_default=text("'run'")),
    Column("source_id", PlainText),
    Column("parent_execution_id", PlainText),
    Column("parent_node_id", PlainText),
    Column("parent_path", PlainText),
    Column("root_execution_id", PlainText),
    Column("depth", Integer),
    Column("usage", JsonText, nullable=False),
    Column("error", JsonText),
    Column("resume", JsonText),
    Column("input", JsonText),
    Column("output", JsonText),
    ForeignKeyConstraint(
        ["workflow_id", "workflow_version"],
        ["workflow_versions.workflow_id", "workflow_versions.version"],
    ),
    CheckConstraint(_one_of("status", [status.value for status in ExecutionStatus]), name="status"),
    Index("ix_executions_owner_created_at_id", "owner", "created_at", "id"),
    Index("ix_executions_owner_status_created_at_id", "owner", "status", "created_at", "id"),
    Index("ix_executions_workflow_id_created_at_id", "workflow_id", "created_at", "id"),
    Index(
        "ix_executions_open",
        "workflow_id",
        postgresql_where=IS_OPEN,
        sqlite_where=IS_OPEN,
    ),
    Index(
        "ix_executions_compared",
        "created_at",
        "id",
        postgresql_where=IS_COMPARED,
        sqlite_where=IS_COMPARED,
    ),
    Index(
        "ix_executions_cancelling",
        "cancel_requested_at",
        postgresql_where=IS_CANCELLING,
        sqlite_where=IS_CANCELLING,
    ),
    Index(
        "ix_executions_held",
        "owner",
        "held_at",
        "id",
        postgresql_where=IS_HELD,
        sqlite_where=IS_HELD,
    ),
    Index("ix_executions_slots", "owner", postgresql_where=HAS_SLOT, sqlite_where=HAS_SLOT),
    Index(
        "ix_executions_roots",
        "owner",
        "created_at",
        "id",
        postgresql_where=IS_ROOT,
        sqlite_where=IS_ROOT,
    ),
    Index(
        "ix_executions_parent_execution_id_created_at_id",
        "parent_execution_id",
        "created_at",
        "id",
        postgresql_where=IS_CHILD,
        sqlite_where=IS_CHILD,
    ),
    Index(
        "ix_executions_triggered_by_created_at_id",
        "triggered_by",
        "created_at",
        "id",
        postgresql_where=IS_TRIGGERED,
        sqlite_where=IS_TRIGGERED,
    ),
    Index(
        "ix_executions_ended",
        "status",
        "finished_at",
        postgresql_where=IS_ENDED,
        sqlite_where=IS_ENDED,
    ),
    Index(
        "ix_executions_events_kept",
        "finished_at",
        postgresql_where=KEEPS_EVENTS,
        sqlite_where=KEEPS_EVENTS,
    ),
    Index("ix_executions_pruned", "pruned_by", postgresql_where=IS_PRUNED, sqlite_where=IS_PRUNED),
    Index(
        "ix_executions_started_by",
        "started_by",
        postgresql_where=HAS_STARTER,
        sqlite_where=HAS_STARTER,
    ),
)

# `first_seq` orders the nodes; `last_seq` is the seq of the event that the row's state is from,
# `started_seq` that of the event that `started_at` is from. A type is NULL until an event says it.
node_runs = Table(
    "node_runs",
    metadata,
    Column("execution_id", PlainText, ForeignKey("executions.id"), primary_key=True),
    Column("node_id", PlainText, primary_key=True),
    Column("path", PlainText, primary_key=True),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("started_seq", Integer, nullable=False),
    Column("type", PlainText),
    Column("status", Text, nullable=False),
    Column("reason", PlainText),
    Column("attempt", Integer),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error", JsonText),
    Column("meta", JsonText, nullable=False),
    Column("output", JsonText),
    CheckConstraint(_one_of("status", [status.value for status in NodeStatus]), name="status"),
    Index("ix_node_runs_execution_id_first_seq", "execution_id", "first_seq"),
)

# The iterations of loops and maps that have ended; `path` is that of the loop or map.
iterations = Table(
    "iterations",
    metadata,
    Column(
        "execution_id",
        PlainText,
        ForeignKey("executions.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("node_id", PlainText, primary_key=True),
    Column("path", PlainText, primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error", JsonText),
    Column("nodes", JsonText, nullable=False),
    Column("output", JsonText),
    CheckConstraint(_one_of("status", ["succeeded", "failed", "cancelled"]), name="status"),
)

# `at` is the event's own text: what is given back is what was said.
events = Table(
    "events",
    metadata,
    Column("execution_id", PlainText, ForeignKey("executions.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("at", PlainText, nullable=False),
    Column("node_id", PlainText),
    Column("path", PlainText, nullable=False),
    Column("status", PlainText),
    Column("attempt", Integer),
    Column("data", JsonText, nullable=False),
    CheckConstraint("seq >= 1", name="seq"),
)

# `key_id` stands in the ciphertext too; here it tells what a rotation has left to do.
secrets = Table(
    "secrets",
    metadata,
    Column("owner", Owner, primary_key=True),
    Column("name", PlainText, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
)

# What a workflow's owner lets a user or an organisation do with it.
shares = Table(
    "shares",
    metadata,
    Column("workflow_id", PlainText, ForeignKey("workflows.id"), primary_key=True),
    Column("grantee", Owner, primary_key=True),
    Column("role", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint(_one_of("role", [role.value for role in SHARED_ROLES]), name="role"),
    Index("ix_shares_grantee", "grantee"),
)

# A program's key acts for its owner. Of the key itself there is the SHA-256, and its last
# characters for people to tell keys apart.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("owner", Owner, nullable=False),
    Column("created_by", Owner, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("role", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    CheckConstraint(_one_of("role", [role.value for role in Role]), name="role"),
    Index("ix_api_keys_owner_created_at_id", "owner", "created_at", "id"),
)

# Schedules and webhooks. Of a webhook's token there is the SHA-256, and its last characters.
triggers = Table(
    "triggers",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column("owner", Owner, nullable=False),
    Column("workflow_id", PlainText, ForeignKey("workflows.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_by", Owner, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("timeout_s", Float),
    Column("paused", Boolean(create_constraint=False), nullable=False),
    Column("note", PlainText, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("applied", Integer, nullable=False),
    Column("token_hash", Text, unique=True),
    Column("hint", Text),
    Column("failure", JsonText),
    Column("definition", JsonText, nullable=False),
    Column("input", JsonText),
    CheckConstraint(_one_of("kind", ["schedule", "webhook"]), name="kind"),
    Index("ix_triggers_owner_created_at_id", "owner", "created_at", "id"),
    Index("ix_triggers_workflow_id_created_at_id", "workflow_id", "created_at", "id"),
    Index("ix_triggers_kind_id", "kind", "id"),
    Index("ix_triggers_unapplied", "id", postgresql_where=IS_UNAPPLIED, sqlite_where=IS_UNAPPLIED),
)

# One row a model call; its key leads with what is summed by. `cost` is in nanodollars here and
# below. No foreign key: a run that was not started through the API uses models too.
usage = Table(
    "usage",
    metadata,
    Column("execution_id", PlainText, primary_key=True),
    Column("node_id", PlainText, primary_key=True),
    Column("path", PlainText, primary_key=True),
    Column("run_id", PlainText, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("call", Integer, primary_key=True, autoincrement=False),
    Column("owner", Owner, nullable=False),
    Column("workflow_id", PlainText, nullable=False),
    Column("day", Date, nullable=False),
    Column("model", PlainText, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cost", BigInteger),
    Column("estimated", Boolean(create_constraint=False), nullable=False),
    Column("error", PlainText),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_usage_day", "day"),
    Index("ix_usage_owner", "owner"),
)

# The sum of a day's calls, written with each of them: what budgets and reports read. `called_…` is
# what runs took that runs of the workflow began: it counts for its budget, and stands in no report.
usage_days = Table(
    "usage_days",
    metadata,
    Column("owner", Owner, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("workflow_id", PlainText, primary_key=True),
    Column("model", PlainText, primary_key=True),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("estimated", BigInteger, nullable=False),
    Column("called_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("called_cost", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_usage_days_day", "day"),
)

# Calls of budgeted users that are under way; once more, as `called`, for each workflow above the
# call's.
usage_reservations = Table(
    "usage_reservations",
    metadata,
    Column("owner", Owner, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("workflow_id", PlainText, primary_key=True),
    Column("call_key", PlainText, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("called", Boolean(create_constraint=False), nullable=False, server_default=false()),
)

# What may be used a day, NULL for no limit; `workflow_id` is empty for all of a user's.
budgets = Table(
    "budgets",
    metadata,
    Column("owner", Owner, primary_key=True),
    Column("workflow_id", PlainText, primary_key=True),
    Column("tokens_per_day", BigInteger),
    Column("cost_per_day", BigInteger),
    Column("updated_at", UtcDateTime, nullable=False),
)

# A call of a model that was sent, and its answer once it arrived: what the next attempt knows of
# one whose worker died. `step` tells an attempt's calls apart (fallbacks, repairs).
llm_calls = Table(
    "llm_calls",
    metadata,
    Column("call_key", PlainText, primary_key=True),
    Column("step", PlainText, primary_key=True),
    Column("execution_id", PlainText, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", PlainText, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("answer", JsonText),
    CheckConstraint(_one_of("state", ["sent", "answered"]), name="state"),
    Index("ix_llm_calls_execution_id", "execution_id"),
    Index("ix_llm_calls_expires_at", "expires_at"),
)

# Answers that nodes with a `cache` share, by owner and the hash of all that was asked.
llm_answers = Table(
    "llm_answers",
    metadata,
    Column("owner", Owner, primary_key=True),
    Column("question", Text, primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("answer", JsonText, nullable=False),
    Index("ix_llm_answers_expires_at", "expires_at"),
)

# Places at models, under the operator's limits: held, or waited for (`pilot.store.places`).
model_places = Table(
    "model_places",
    metadata,
    Column("limit_key", PlainText, primary_key=True),
    Column("holder", PlainText, primary_key=True),
    Column("whose", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("held", Boolean(create_constraint=False), nullable=False),
    Column("ticket", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Index("ix_model_places_holder", "holder"),
)

# When the bucket of a limit by the minute is full again.
model_rates = Table(
    "model_rates",
    metadata,
    Column("limit_key", PlainText, primary_key=True),
    Column("full_at", UtcDateTime, nullable=False),
)

# Nodes that wait for people or programs, and who may answer, or did (`pilot.store.waits`).
waits = Table(
    "waits",
    metadata,
    Column("id", PlainText, primary_key=True),
    Column(
        "execution_id", PlainText, ForeignKey("executions.id", ondelete="CASCADE"), nullable=False
    ),
    Column("node_id", PlainText, nullable=False),
    Column("path", PlainText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("temporal_id", PlainText, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("role", Text),
    Column("allow_self", Boolean(create_constraint=False), nullable=False),
    Column("data", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    CheckConstraint(_one_of("kind", ["approval", "signal", "webhook"]), name="kind"),
    CheckConstraint(_one_of("role", [role.value for role in Role]), name="role"),
    Index("ix_waits_execution_id", "execution_id"),
    Index(
        "ix_waits_open",
        "created_at",
        "id",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)
wait_people = Table(
    "wait_people",
    metadata,
    Column("wait_id", PlainText, ForeignKey("waits.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Owner, primary_key=True),
    Column("may_answer", Boolean(create_constraint=False), nullable=False),
    Column("has_answered", Boolean(create_constraint=False), nullable=False),
    Index("ix_wait_people_user_id", "user_id"),
)
