"""Calls of language models that may be under way, and answers kept for whoever asks the same."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

JSON = sa.Text().with_variant(postgresql.JSON(), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "llm_calls",
        sa.Column("call_key", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("answer", JSON),
        sa.PrimaryKeyConstraint("call_key", "step", name="pk_llm_calls"),
        sa.CheckConstraint("state IN ('sent', 'answered')", name=op.f("ck_llm_calls_state")),
    )
    op.create_index("ix_llm_calls_execution_id", "llm_calls", ["execution_id"])
    op.create_index("ix_llm_calls_expires_at", "llm_calls", ["expires_at"])
    op.create_table(
        "llm_answers",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("answer", JSON, nullable=False),
        sa.PrimaryKeyConstraint("owner", "question", name="pk_llm_answers"),
    )
    op.create_index("ix_llm_answers_expires_at", "llm_answers", ["expires_at"])


def downgrade() -> None:
    op.drop_table("llm_answers")
    op.drop_table("llm_calls")
