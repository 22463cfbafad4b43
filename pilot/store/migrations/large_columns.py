"""Where the large columns of `executions` stand on SQLite, which reads past them for whatever
follows and adds columns at the end."""

from alembic import op

LARGE = ("input", "output")


def keep_last() -> None:
    """Puts them behind the columns that a migration has just added."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in LARGE:
        op.execute(f"ALTER TABLE executions RENAME COLUMN {name} TO old_{name}")
        op.execute(f"ALTER TABLE executions ADD COLUMN {name} TEXT")
        op.execute(f"UPDATE executions SET {name} = old_{name}")  # noqa: S608 (our names)
        op.execute(f"ALTER TABLE executions DROP COLUMN old_{name}")
