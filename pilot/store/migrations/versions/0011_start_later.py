"""When an execution is to begin, and what began it."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0011"
down_revision = "0010"

TIME = sa.DateTime(timezone=True)
IS_TRIGGERED = sa.text("triggered_by IS NOT NULL")
COLUMNS = (("start_at", TIME), ("triggered_by", sa.Text()), ("triggered_at", TIME))


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("executions", sa.Column(name, kind))
    keep_last()
    op.create_index(
        "ix_executions_triggered_by_created_at_id",
        "executions",
        ["triggered_by", "created_at", "id"],
        postgresql_where=IS_TRIGGERED,
        sqlite_where=IS_TRIGGERED,
    )


def downgrade() -> None:
    op.drop_index("ix_executions_triggered_by_created_at_id", "executions")
    for name, _ in reversed(COLUMNS):
        op.drop_column("executions", name)
