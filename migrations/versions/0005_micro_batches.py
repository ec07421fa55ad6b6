"""The micro-batch size after memory ran out, and the stage in which a runner was killed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # All may be null, so that programs of the previous schema can still write during an upgrade.
    op.add_column("jobs", sa.Column("micro_batch", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("killed_in", sa.String(length=32), nullable=True))
    op.add_column("networks", sa.Column("micro_batch", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("networks", "micro_batch")
    op.drop_column("jobs", "killed_in")
    op.drop_column("jobs", "micro_batch")
