"""How long things are kept: what the pruning of executions marks, and the indexes it reads by."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0012"
down_revision = "0011"

TIME = sa.DateTime(timezone=True)
_ENDED = "status IN ('cancelled', 'failed', 'succeeded', 'timed_out')"
PARTIAL = {
    "ix_workflows_deleted": ("workflows", ["deleted_at"], "deleted_at IS NOT NULL"),
    "ix_workflows_retention": ("workflows", ["id"], "retention_days IS NOT NULL"),
    "ix_executions_ended": ("executions", ["status", "finished_at"], _ENDED),
    "ix_executions_events_kept": (
        "executions",
        ["finished_at"],
        f"{_ENDED} AND events_pruned_at IS NULL",
    ),
    "ix_executions_pruned": ("executions", ["pruned_by"], "pruned_by IS NOT NULL"),
    "ix_executions_started_by": ("executions", ["started_by"], "started_by IS NOT NULL"),
}
WHOLE = {
    "ix_usage_day": ("usage", ["day"]),
    "ix_usage_owner": ("usage", ["owner"]),
    "ix_usage_days_day": ("usage_days", ["day"]),
}


def upgrade() -> None:
    op.add_column("workflows", sa.Column("retention_days", sa.Float))
    op.add_column("executions", sa.Column("pruned_by", sa.Text))
    op.add_column("executions", sa.Column("events_pruned_at", TIME))
    keep_last()
    for name, (table, columns, where) in PARTIAL.items():
        op.create_index(
            name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where)
        )
    for name, (table, columns) in WHOLE.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _, _) in PARTIAL.items():
        op.drop_index(name, table)
    for name, (table, _) in WHOLE.items():
        op.drop_index(name, table)
    op.drop_column("executions", "events_pruned_at")
    op.drop_column("executions", "pruned_by")
    op.drop_column("workflows", "retention_days")
