"""Alembic's entry: runs on the connection that `pilot.store.migrate` hands in."""

from alembic import context

from pilot.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
