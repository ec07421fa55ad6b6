"""The values of an uploaded dataset's images with more than 8 bits, and the range that scales them."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for datasets whose images have 8 bits, and for those that were uploaded before.
    op.add_column("datasets", sa.Column("wide_values", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "wide_values")
