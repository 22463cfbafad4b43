"""Places at models under the operator's limits, and when the buckets of those by the minute are
full."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "model_places",
        sa.Column("limit_key", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("whose", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("held", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("ticket", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("limit_key", "holder", name="pk_model_places"),
    )
    op.create_index("ix_model_places_holder", "model_places", ["holder"])
    op.create_table(
        "model_rates",
        sa.Column("limit_key", sa.Text, nullable=False),
        sa.Column("full_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("limit_key", name="pk_model_rates"),
    )


def downgrade() -> None:
    op.drop_table("model_rates")
    op.drop_table("model_places")
