"""Which execution began another, and by which of its nodes. Children take no slot."""

import sqlalchemy as sa
from alembic import op

from pilot.store.migrations.large_columns import keep_last

revision = "0015"
down_revision = "0014"

IS_ROOT = sa.text("parent_execution_id IS NULL")
IS_CHILD = sa.text("parent_execution_id IS NOT NULL")
_OPEN = "status IN ('queued', 'running', 'waiting', 'paused')"
_FREE = f"{_OPEN} AND (held_at IS NULL OR released_at IS NOT NULL)"
HAD_SLOT = sa.text(_FREE)
HAS_SLOT = sa.text(f"{_FREE} AND parent_execution_id IS NULL")
TEXTS = ("parent_execution_id", "parent_node_id", "parent_path", "root_execution_id")
SLOTS, ROOTS, CHILDREN = (
    "ix_executions_slots",
    "ix_executions_roots",
    "ix_executions_parent_execution_id_created_at_id",
)


def upgrade() -> None:
    for name in TEXTS:
        op.add_column("executions", sa.Column(name, sa.Text()))
    op.add_column("executions", sa.Column("depth", sa.Integer()))
    keep_last()
    _index(ROOTS, ["owner", "created_at", "id"], IS_ROOT)
    _index(CHILDREN, ["parent_execution_id", "created_at", "id"], IS_CHILD)
    op.drop_index(SLOTS, "executions")
    _index(SLOTS, ["owner"], HAS_SLOT)


def downgrade() -> None:
    op.drop_index(SLOTS, "executions")
    op.drop_index(CHILDREN, "executions")
    op.drop_index(ROOTS, "executions")
    for name in ("depth", *reversed(TEXTS)):
        op.drop_column("executions", name)
    _index(SLOTS, ["owner"], HAD_SLOT)


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "executions", columns, postgresql_where=where, sqlite_where=where)
