"""Since when an execution waits for one of its owner's slots, and when it was given one."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0009"
down_revision = "0008"

TIME = sa.DateTime(timezone=True)
_OPEN = "status IN ('queued', 'running', 'waiting', 'paused')"
IS_HELD = sa.text(f"{_OPEN} AND held_at IS NOT NULL AND released_at IS NULL")
HAS_SLOT = sa.text(f"{_OPEN} AND (held_at IS NULL OR released_at IS NOT NULL)")


def upgrade() -> None:
    op.add_column("executions", sa.Column("held_at", TIME))
    op.add_column("executions", sa.Column("released_at", TIME))
    keep_last()
    op.create_index(
        "ix_executions_held",
        "executions",
        ["owner", "held_at", "id"],
        postgresql_where=IS_HELD,
        sqlite_where=IS_HELD,
    )
    op.create_index(
        "ix_executions_slots",
        "executions",
        ["owner"],
        postgresql_where=HAS_SLOT,
        sqlite_where=HAS_SLOT,
    )


def downgrade() -> None:
    op.drop_index("ix_executions_slots", "executions")
    op.drop_index("ix_executions_held", "executions")
    op.drop_column("executions", "released_at")
    op.drop_column("executions", "held_at")
