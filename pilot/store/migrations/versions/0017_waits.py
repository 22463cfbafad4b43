"""Nodes that wait for people or programs: where they are reached, and whom an approval waits
for."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "waits",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column(
            "execution_id",
            sa.Text,
            sa.ForeignKey("executions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("temporal_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("role", sa.Text),
        sa.Column("allow_self", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("data", sa.JSON().with_variant(sa.Text, "sqlite"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("closed_at", TIME),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("kind IN ('approval', 'signal', 'webhook')", name="kind"),
        sa.CheckConstraint("role IN ('viewer', 'runner', 'editor', 'admin')", name="role"),
    )
    op.create_index("ix_waits_execution_id", "waits", ["execution_id"])
    op.create_index(
        "ix_waits_open",
        "waits",
        ["created_at", "id"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "wait_people",
        sa.Column(
            "wait_id", sa.Text, sa.ForeignKey("waits.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("may_answer", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("has_answered", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("wait_id", "user_id"),
    )
    op.create_index("ix_wait_people_user_id", "wait_people", ["user_id"])


def downgrade() -> None:
    op.drop_table("wait_people")
    op.drop_table("waits")
