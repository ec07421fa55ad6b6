"""The images of each class of a task in each split.

Null for tasks whose images were read by a program of the previous version.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("class_counts", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "class_counts")
