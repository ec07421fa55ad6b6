"""Counters and the matrix's revision as rows that are only inserted, so that no two jobs wait for one row.

`tallies` keeps what was folded so far, and `revisions` the token of before: programs of the version before still write
both while an upgrade rolls, and what they write counts. An API process of the version before does not see the new
marks: it may show a matrix that it has rendered already until it is replaced.
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
    # All that the sum of one part's marks needs.
    op.create_index("ix_revision_marks_sum", "revision_marks", ["name", "number"])
    op.add_column("jobs", sa.Column("furthest", sa.Double(), nullable=True))


def downgrade() -> None:
    # What was not folded yet must not be lost.
    op.execute(
        "INSERT INTO tallies (name, kind, label, occurrences, seconds) "
        "SELECT name, kind, label, sum(occurrences), sum(seconds) FROM tally_deltas WHERE true "
        "GROUP BY name, kind, label "
        "ON CONFLICT (name, kind, label) DO UPDATE SET "
        "occurrences = tallies.occurrences + excluded.occurrences, seconds = tallies.seconds + excluded.seconds"
    )
    op.execute("DELETE FROM revisions")  # the next change draws a token that nobody has seen
    op.drop_column("jobs", "furthest")
    op.drop_table("revision_marks")
    op.drop_table("tally_deltas")
