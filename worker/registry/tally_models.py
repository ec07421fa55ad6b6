"""The table of tallies: what has happened so far, in numbers that only grow."""

from sqlalchemy import BigInteger, Double, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base


class Tally(Base):
    """How often something happened to jobs of a kind, and the seconds that it took.

    Apart from the jobs and their events, because those are removed one day and a counter must never fall.
    """

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    occurrences: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)
