"""Workflows, their versions, executions, node runs and events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

JSON = sa.Text().with_variant(postgresql.JSON(), "postgresql")
TIME = sa.DateTime(timezone=True)
EXECUTION_STATUSES = (
    "status IN ('queued', 'running', 'waiting', 'paused', "
    "'succeeded', 'failed', 'cancelled', 'timed_out')"
)
OPEN_STATUSES = "status IN ('queued', 'running', 'waiting', 'paused')"
NODE_STATUSES = (
    "status IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled')"
)


def upgrade() -> None:
    create_workflows()
    create_executions()
    create_node_runs_and_events()


def create_workflows() -> None:
    op.create_table(
        "workflows",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
        sa.CheckConstraint("version >= 1", name=op.f("ck_workflows_version")),
    )
    is_alive = sa.text("deleted_at IS NULL")
    op.create_index(
        "ix_workflows_owner_created_at_id",
        "workflows",
        ["owner", "created_at", "id"],
        postgresql_where=is_alive,
        sqlite_where=is_alive,
    )
    op.create_table(
        "workflow_versions",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("graph", JSON, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "version", name="pk_workflow_versions"),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name="fk_workflow_versions_workflows"
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_workflow_versions_version")),
    )


def create_executions() -> None:
    op.create_table(
        "executions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("workflow_version", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("status_seq", sa.Integer, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("temporal_run_id", sa.Text),
        sa.Column("usage", JSON, nullable=False),
        sa.Column("error", JSON),
        sa.Column("input", JSON),
        sa.Column("output", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_executions"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "workflow_version"],
            ["workflow_versions.workflow_id", "workflow_versions.version"],
            name="fk_executions_workflow_versions",
        ),
        sa.CheckConstraint(EXECUTION_STATUSES, name=op.f("ck_executions_status")),
    )
    for columns in (
        ["owner", "created_at", "id"],
        ["owner", "status", "created_at", "id"],
        ["workflow_id", "created_at", "id"],
    ):
        op.create_index(f"ix_executions_{'_'.join(columns)}", "executions", columns)
    is_open = sa.text(OPEN_STATUSES)
    op.create_index(
        "ix_executions_open",
        "executions",
        ["workflow_id"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )


def create_node_runs_and_events() -> None:
    op.create_table(
        "node_runs",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("first_seq", sa.Integer, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("started_seq", sa.Integer, nullable=False),
        sa.Column("type", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("attempt", sa.Integer),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("error", JSON),
        sa.Column("meta", JSON, nullable=False),
        sa.Column("output", JSON),
        sa.PrimaryKeyConstraint("execution_id", "node_id", "path", name="pk_node_runs"),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name="fk_node_runs_executions"
        ),
        sa.CheckConstraint(NODE_STATUSES, name=op.f("ck_node_runs_status")),
    )
    op.create_index(
        "ix_node_runs_execution_id_first_seq", "node_runs", ["execution_id", "first_seq"]
    )
    op.create_table(
        "events",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("attempt", sa.Integer),
        sa.Column("data", JSON, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "seq", name="pk_events"),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name="fk_events_executions"),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_events_seq")),
    )


def downgrade() -> None:
    for table in ("events", "node_runs", "executions", "workflow_versions", "workflows"):
        op.drop_table(table)
