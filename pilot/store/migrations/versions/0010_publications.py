"""Which version of a workflow is published, and which ones were; who saved a version, and the
description that it had. Versions that are there already are given the workflow's own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute(  # with its check in one statement, which SQLite adds in no other
        "ALTER TABLE workflows ADD COLUMN published_version INTEGER"
        " CONSTRAINT ck_workflows_published_version"
        " CHECK (published_version BETWEEN 1 AND version)"
    )
    op.add_column(
        "workflows", sa.Column("publication", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column(
        "workflow_versions",
        sa.Column("description", sa.Text, nullable=False, server_default=sa.text("''")),
    )
    op.add_column("workflow_versions", sa.Column("created_by", sa.Text))
    op.execute(
        "UPDATE workflow_versions SET description = (SELECT description FROM workflows"
        " WHERE workflows.id = workflow_versions.workflow_id)"
    )
    op.create_table(
        "publications",
        sa.Column("workflow_id", sa.Text, sa.ForeignKey("workflows.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("version", sa.Integer),
        sa.Column("published_at", TIME, nullable=False),
        sa.Column("published_by", sa.Text),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("workflow_id", "number"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "version"],
            ["workflow_versions.workflow_id", "workflow_versions.version"],
        ),
        sa.CheckConstraint("number >= 1", name="number"),
    )
    op.create_index(
        "ix_publications_workflow_id_version_number",
        "publications",
        ["workflow_id", "version", "number"],
    )


def downgrade() -> None:
    op.drop_table("publications")
    op.drop_column("workflow_versions", "created_by")
    op.drop_column("workflow_versions", "description")
    op.drop_column("workflows", "publication")
    op.drop_column("workflows", "published_version")
