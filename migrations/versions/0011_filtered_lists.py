"""Indexes for the filters of lists: the cost of a page depends on its own rows, not on the rows filtered out."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_jobs_newest_by_kind", "jobs", ["kind", "created_at", "id"])
    op.create_index("ix_jobs_newest_by_state", "jobs", ["state", "created_at", "id"])
    op.create_index("ix_jobs_newest_by_kind_and_state", "jobs", ["kind", "state", "created_at", "id"])
    op.create_index("ix_tasks_newest_by_role", "tasks", ["role", "created_at", "id"])
    # The first two columns of the index above serve the same queries.
    op.drop_index("ix_jobs_counted", "jobs")


def downgrade() -> None:
    op.create_index("ix_jobs_counted", "jobs", ["kind", "state"])
    op.drop_index("ix_tasks_newest_by_role", "tasks")
    op.drop_index("ix_jobs_newest_by_kind_and_state", "jobs")
    op.drop_index("ix_jobs_newest_by_state", "jobs")
    op.drop_index("ix_jobs_newest_by_kind", "jobs")
