"""The open executions that the reconciler looks at: no longer those that wait for a slot."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

IS_OPEN = sa.text("status IN ('queued', 'running', 'waiting', 'paused')")
IS_COMPARED = sa.text(
    f"{IS_OPEN.text} AND (held_at IS NULL OR released_at IS NOT NULL"
    " OR cancel_requested_at IS NOT NULL)"
)


def upgrade() -> None:
    _replace("ix_executions_open_created_at_id", "ix_executions_compared", IS_COMPARED)


def downgrade() -> None:
    _replace("ix_executions_compared", "ix_executions_open_created_at_id", IS_OPEN)


def _replace(old: str, new: str, rows: sa.TextClause) -> None:
    op.drop_index(old, "executions")  # first, so that SQLite uses its pages again
    op.create_index(
        new, "executions", ["created_at", "id"], postgresql_where=rows, sqlite_where=rows
    )
