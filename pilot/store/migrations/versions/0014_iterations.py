"""The iterations of loops and maps that have ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

JSON = sa.Text().with_variant(postgresql.JSON(), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "iterations",
        sa.Column(
            "execution_id",
            sa.Text,
            sa.ForeignKey("executions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("error", JSON),
        sa.Column("nodes", JSON, nullable=False),
        sa.Column("output", JSON),
        sa.PrimaryKeyConstraint("execution_id", "node_id", "path", "index"),
        sa.CheckConstraint("status IN ('succeeded', 'failed', 'cancelled')", name="status"),
    )


def downgrade() -> None:
    op.drop_table("iterations")
