"""The schema's history. `HEAD` is the newest revision: a database that has it is left alone
without loading Alembic."""

HEAD = "0020"
