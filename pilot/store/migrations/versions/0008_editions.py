"""Which edition of its run an execution's events are of."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "executions", sa.Column("edition", sa.Text, nullable=False, server_default=sa.text("''"))
    )
    if op.get_bind().dialect.name == "sqlite":
        for name in ("input", "output"):
            _put_last(name)


def downgrade() -> None:
    op.drop_column("executions", "edition")


def _put_last(name: str) -> None:
    """SQLite reads past a large column for whatever follows it, and adds columns at the end."""
    op.execute(f"ALTER TABLE executions RENAME COLUMN {name} TO old_{name}")
    op.execute(f"ALTER TABLE executions ADD COLUMN {name} TEXT")
    op.execute(f"UPDATE executions SET {name} = old_{name}")  # noqa: S608 (our names)
    op.execute(f"ALTER TABLE executions DROP COLUMN old_{name}")
