"""The artifact with some training images of each class of a task."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for tasks that were read earlier, and for those that programs of the previous schema read during an upgrade.
    op.add_column("tasks", sa.Column("samples", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "samples")
