"""Usage of models: calls, their daily sums, reservations, budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)
SUMS = ("prompt_tokens", "completion_tokens", "cost", "calls", "unpriced", "estimated")


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("call", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("estimated", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "execution_id", "node_id", "path", "run_id", "attempt", "call", name="pk_usage"
        ),
    )
    op.create_table(
        "usage_days",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint("owner", "day", "workflow_id", "model", name="pk_usage_days"),
    )
    op.create_table(
        "usage_reservations",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("call_key", sa.Text, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "owner", "day", "workflow_id", "call_key", name="pk_usage_reservations"
        ),
    )
    op.create_table(
        "budgets",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("tokens_per_day", sa.BigInteger),
        sa.Column("cost_per_day", sa.BigInteger),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("owner", "workflow_id", name="pk_budgets"),
    )


def downgrade() -> None:
    for table in ("budgets", "usage_reservations", "usage_days", "usage"):
        op.drop_table(table)
