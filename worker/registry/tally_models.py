"""The tables of tallies: what has happened so far, in numbers that only grow."""

from sqlalchemy import BigInteger, Double, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base


class Tally(Base):
    """How often something happened to jobs of a kind, and the seconds that it took, as far as it was folded.

    Apart from the jobs and their events, because those are removed one day and a counter must never fall.
    """

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    occurrences: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)


class TallyDelta(Base):
    """What one transaction adds to a tally: inserted, never updated, so that no two transactions wait for each other.

    The cleaner folds old ones into `tallies`; a tally is the sum of both.
    """

    __tablename__ = "tally_deltas"

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(String(64))
    occurrences: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)
