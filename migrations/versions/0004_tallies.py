"""Counters of job events, and an index that counts jobs without reading them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "kind", "label", name=op.f("pk_tallies")),
    )
    op.create_index("ix_jobs_counted", "jobs", ["kind", "state"])


def downgrade() -> None:
    op.drop_index("ix_jobs_counted", "jobs")
    op.drop_table("tallies")
