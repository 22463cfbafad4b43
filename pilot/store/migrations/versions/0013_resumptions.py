"""What kind of run an execution is, which one it goes on from, and what it takes from there."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column(
        "executions", sa.Column("mode", sa.Text(), nullable=False, server_default=sa.text("'run'"))
    )
    op.add_column("executions", sa.Column("source_id", sa.Text()))
    json = sa.JSON() if op.get_bind().dialect.name == "postgresql" else sa.Text()
    op.add_column("executions", sa.Column("resume", json))
    keep_last()


def downgrade() -> None:
    for name in ("resume", "source_id", "mode"):
        op.drop_column("executions", name)
