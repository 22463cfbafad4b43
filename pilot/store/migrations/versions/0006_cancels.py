"""Who started an execution, its time limit, and when it was first asked to cancel."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)
IS_CANCELLING = sa.text(
    "status IN ('queued', 'running', 'waiting', 'paused') AND cancel_requested_at IS NOT NULL"
)


def upgrade() -> None:
    op.add_column("executions", sa.Column("started_by", sa.Text))
    op.add_column("executions", sa.Column("timeout_s", sa.Float))
    op.add_column("executions", sa.Column("cancel_requested_at", TIME))
    keep_last()
    op.create_index(
        "ix_executions_cancelling",
        "executions",
        ["cancel_requested_at"],
        postgresql_where=IS_CANCELLING,
        sqlite_where=IS_CANCELLING,
    )


def downgrade() -> None:
    op.drop_index("ix_executions_cancelling", "executions")
    op.drop_column("executions", "cancel_requested_at")
    op.drop_column("executions", "timeout_s")
    op.drop_column("executions", "started_by")
