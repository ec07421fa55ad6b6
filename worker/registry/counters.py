"""Counts events of jobs, in the transaction in which they happen.

A transaction inserts its increments. It never updates a shared counter: the other transactions would wait until its
commit, and a frozen process would stop all of them. Sums are computed on request, and the cleaner folds the deltas
(`folding`).
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, cast, func, insert, select, union_all
from sqlalchemy.orm import Session

from worker.registry.tables import TallyDeltaRow, TallyRow

LONGEST_LABEL = 64
_COUNTED = "what the transaction counted"


class Happening(StrEnum):
    """The counted events; the label adds detail."""

    END = "end"
    """A job ended; the label is its state."""
    FAILURE = "failure"
    """A job failed for good; the label is the code of its error."""
    LOST_LEASE = "lost_lease"
    """A worker did not renew a lease before it expired."""
    FAILED_ATTEMPT = "failed_attempt"
    """An attempt ended without a result and counts against the job's attempts."""
    STAGE = "stage"
    """A stage finished; the label is its name, and the seconds are its duration."""
    WEBHOOK = "webhook"
    """An attempt to deliver a webhook ended; the label is `delivered`, `failed` (others follow) or `given_up`."""


def count(session: Session, happening: Happening, kind: str, label: str = "", *, seconds: float = 0.0) -> None:
    """Count one more when the transaction commits."""
    counted = session.info.setdefault(_COUNTED, {})
    key = (happening.value, kind, label[:LONGEST_LABEL])
    occurrences, so_far = counted.get(key, (0, 0.0))
    counted[key] = (occurrences + 1, so_far + seconds)


def write_counts(session: Session) -> None:
    """Store the counts of this transaction. Call it at the end of a transaction."""
    counted: dict[tuple[str, str, str], tuple[int, float]] = session.info.pop(_COUNTED, {})
    rows = [
        {"name": name, "kind": kind, "label": label, "occurrences": occurrences, "seconds": seconds}
        for (name, kind, label), (occurrences, seconds) in counted.items()
    ]
    if rows:
        session.execute(insert(TallyDeltaRow), rows)


@dataclass(frozen=True)
class TallyFigure:
    """One tally; see `Happening` for the meaning of the label."""

    name: str
    kind: str
    label: str
    occurrences: int
    seconds: float


def tallies(session: Session) -> list[TallyFigure]:
    """Every tally, in the order of names, kinds and labels."""
    parts = union_all(
        *(select(of.name, of.kind, of.label, of.occurrences, of.seconds) for of in (TallyRow, TallyDeltaRow))
    ).subquery("counted")
    key = (parts.c.name, parts.c.kind, parts.c.label)
    sums = select(*key, cast(func.sum(parts.c.occurrences), BigInteger), func.sum(parts.c.seconds))
    return [TallyFigure(*row) for row in session.execute(sums.group_by(*key).order_by(*key)).all()]
