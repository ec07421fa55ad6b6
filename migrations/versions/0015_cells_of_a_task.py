"""The trained cells of a task, whose weights a race on a near task can start from.

A program of the previous version neither reads nor writes them. Its cleaner cannot remove a network that a cell names,
and postpones its work until it is replaced.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task_cells",
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("network_key", sa.String(length=64), nullable=False),
        sa.Column("design", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["network_key"], ["networks.key"], name=op.f("fk_task_cells_network_key_networks")),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_cells_task_id_tasks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "network_key", name=op.f("pk_task_cells")),
    )
    op.create_index(op.f("ix_task_cells_network_key"), "task_cells", ["network_key"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_task_cells_network_key"), "task_cells")
    op.drop_table("task_cells")
