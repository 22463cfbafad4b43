"""Workflows shared with others, and keys for programs."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("workflow_id", sa.Text, sa.ForeignKey("workflows.id"), nullable=False),
        sa.Column("grantee", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "grantee"),
        sa.CheckConstraint("role IN ('viewer', 'runner', 'editor')", name="role"),
    )
    op.create_index("ix_shares_grantee", "shares", ["grantee"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sa.CheckConstraint("role IN ('viewer', 'runner', 'editor', 'admin')", name="role"),
    )
    op.create_index("ix_api_keys_owner_created_at_id", "api_keys", ["owner", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("api_keys")
    op.drop_table("shares")
