"""Counters and the matrix's revision as rows that are only inserted, so that no two jobs wait for one row.

`tallies` holds the folded sums, and `revisions` the earlier token. Programs of the previous version still write both
during a rolling upgrade, and these writes count. An API process of the previous version does not see the new marks:
until it is replaced it may show a matrix that it rendered earlier.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tally_deltas",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_deltas")),
    )
    op.create_table(
        "revision_marks",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision_marks")),
    )
    # A covering index for the sum of one part's marks.
    op.create_index("ix_revision_marks_sum", "revision_marks", ["name", "number"])
    op.add_column("jobs", sa.Column("furthest", sa.Double(), nullable=True))


def downgrade() -> None:
    # The deltas that are not folded yet must not be lost.
    op.execute(
        "INSERT INTO tallies (name, kind, label, occurrences, seconds) "
        "SELECT name, kind, label, sum(occurrences), sum(seconds) FROM tally_deltas WHERE true "
        "GROUP BY name, kind, label "
        "ON CONFLICT (name, kind, label) DO UPDATE SET "
        "occurrences = tallies.occurrences + excluded.occurrences, seconds = tallies.seconds + excluded.seconds"
    )
    op.execute("DELETE FROM revisions")  # the next change draws a token that no process has seen
    op.drop_column("jobs", "furthest")
    op.drop_table("revision_marks")
    op.drop_table("tally_deltas")
