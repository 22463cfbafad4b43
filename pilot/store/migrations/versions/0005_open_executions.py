"""An index for the reconciler: open executions of every owner, newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# spelled out: what the tables say today may change, this migration may not
IS_OPEN = sa.text("status IN ('queued', 'running', 'waiting', 'paused')")


def upgrade() -> None:
    op.create_index(
        "ix_executions_open_created_at_id",
        "executions",
        ["created_at", "id"],
        postgresql_where=IS_OPEN,
        sqlite_where=IS_OPEN,
    )


def downgrade() -> None:
    op.drop_index("ix_executions_open_created_at_id", "executions")
