"""Uploaded datasets, and tasks with uploaded network weights."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No program has ever written to the table of the first migration.
    op.drop_index(op.f("ix_datasets_digest"), "datasets")
    op.drop_table("datasets")
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("classes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("left_out", sa.Integer(), nullable=True),
        sa.Column("samples", sa.String(length=64), nullable=True),
        sa.Column("tensors", sa.Integer(), nullable=True),
        sa.Column("parameters", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["samples"], ["artifacts.digest"], name=op.f("fk_datasets_samples_artifacts")),
        sa.ForeignKeyConstraint(["sha256"], ["artifacts.digest"], name=op.f("fk_datasets_sha256_artifacts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
    )
    op.create_index(op.f("ix_datasets_sha256"), "datasets", ["sha256"], unique=False)
    op.create_index(op.f("ix_datasets_samples"), "datasets", ["samples"], unique=False)
    op.create_index("ix_datasets_newest", "datasets", ["created_at", "id"], unique=False)
    op.add_column("tasks", sa.Column("weights", sa.String(length=255), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "weights")
    op.drop_index("ix_datasets_newest", "datasets")
    op.drop_index(op.f("ix_datasets_samples"), "datasets")
    op.drop_index(op.f("ix_datasets_sha256"), "datasets")
    op.drop_table("datasets")
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("reference", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("class_names", sa.JSON(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
    )
    op.create_index(op.f("ix_datasets_digest"), "datasets", ["digest"], unique=False)
