"""The design of a finished network that has no cell.

Rows from before have none: they are cells, whose genotype and skeleton say everything. A program of the previous
version cannot read an architecture without a cell, so update the API before a worker finishes one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("architectures") as table:
        table.add_column(sa.Column("design", sa.JSON(), nullable=True))
        table.alter_column("genotype", existing_type=sa.JSON(), nullable=True)
        table.alter_column("skeleton", existing_type=sa.JSON(), nullable=True)


def downgrade() -> None:
    # The previous version has no place for a network without a cell.
    op.execute("DELETE FROM architectures WHERE genotype IS NULL")
    with op.batch_alter_table("architectures") as table:
        table.alter_column("skeleton", existing_type=sa.JSON(), nullable=False)
        table.alter_column("genotype", existing_type=sa.JSON(), nullable=False)
        table.drop_column("design")
