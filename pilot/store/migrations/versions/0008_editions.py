"""Which edition of its run an execution's events are of."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column(
        "executions", sa.Column("edition", sa.Text, nullable=False, server_default=sa.text("''"))
    )
    keep_last()


def downgrade() -> None:
    op.drop_column("executions", "edition")
