"""The tables of tallies: counts of events, which only grow."""

from sqlalchemy import BigInteger, Double, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base


class Tally(Base):
    """The number of events of jobs of a kind, and their seconds, as far as they are folded.

    Stored separately from the jobs and their events, because these are removed eventually and a counter must never
    decrease.
    """

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    occurrences: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)


class TallyDelta(Base):
    """The increment of a tally by one transaction: inserted, never updated, so that no two transactions wait for each
    other.

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
