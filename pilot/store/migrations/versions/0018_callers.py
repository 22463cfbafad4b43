"""What runs take that other runs began counts for the budgets of those runs' workflows, too."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

ZERO = sa.text("0")


def upgrade() -> None:
    for name in ("called_tokens", "called_cost"):
        op.add_column(
            "usage_days", sa.Column(name, sa.BigInteger, nullable=False, server_default=ZERO)
        )
    op.add_column(
        "usage_reservations",
        sa.Column(
            "called",
            sa.Boolean(create_constraint=False),
            nullable=False,
            server_default=sa.false(),
        ),
    )


def downgrade() -> None:
    op.drop_column("usage_reservations", "called")
    for name in ("called_cost", "called_tokens"):
        op.drop_column("usage_days", name)
