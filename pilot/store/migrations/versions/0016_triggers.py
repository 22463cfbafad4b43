"""Schedules and webhooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

TIME = sa.DateTime(timezone=True)
IS_UNAPPLIED = sa.text("kind = 'schedule' AND applied <> revision")


def upgrade() -> None:
    json = sa.Text().with_variant(postgresql.JSON(), "postgresql")
    op.create_table(
        "triggers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, sa.ForeignKey("workflows.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("timeout_s", sa.Float),
        sa.Column("paused", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("applied", sa.Integer, nullable=False),
        sa.Column("token_hash", sa.Text),
        sa.Column("hint", sa.Text),
        sa.Column("failure", json),
        sa.Column("definition", json, nullable=False),
        sa.Column("input", json),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
        sa.CheckConstraint("kind IN ('schedule', 'webhook')", name="kind"),
    )
    op.create_index("ix_triggers_owner_created_at_id", "triggers", ["owner", "created_at", "id"])
    op.create_index(
        "ix_triggers_workflow_id_created_at_id", "triggers", ["workflow_id", "created_at", "id"]
    )
    op.create_index("ix_triggers_kind_id", "triggers", ["kind", "id"])
    op.create_index(
        "ix_triggers_unapplied",
        "triggers",
        ["id"],
        postgresql_where=IS_UNAPPLIED,
        sqlite_where=IS_UNAPPLIED,
    )


def downgrade() -> None:
    op.drop_table("triggers")
