"""Counting what happens to jobs, in the transaction in which it happens."""

from enum import StrEnum

from sqlalchemy.orm import Session

from worker.registry.first_wins import insert_into
from worker.registry.tally_models import Tally

_TABLE = Tally.__table__
LONGEST_LABEL = 64
_COUNTED = "what the transaction counted"


class Happening(StrEnum):
    """What is counted; the label says more."""

    END = "end"
    """A job ended; the label is its state."""
    FAILURE = "failure"
    """A job failed for good; the label is the code of its error."""
    LOST_LEASE = "lost_lease"
    """A worker gave no sign of life for a whole lease."""
    FAILED_ATTEMPT = "failed_attempt"
    """An attempt ended without a result and counts against the job's attempts; a lost lease is one."""
    STAGE = "stage"
    """A stage came to its end; the label is its name, and the seconds are those that it took."""
    WEBHOOK = "webhook"
    """An attempt to tell of a job's end is over; the label says how: delivered, failed (others follow) or given_up."""


def count(session: Session, happening: Happening, kind: str, label: str = "", *, seconds: float = 0.0) -> None:
    """Count one more when the transaction commits."""
    counted = session.info.setdefault(_COUNTED, {})
    key = (happening.value, kind, label[:LONGEST_LABEL])
    occurrences, so_far = counted.get(key, (0, 0.0))
    counted[key] = (occurrences + 1, so_far + seconds)


def write_counts(session: Session) -> None:
    """Store what this transaction counted. To be called at the end of a transaction, before the revision.

    At the end and in the order of their keys: transactions that count the same things wait for each other shortly, and
    never in a circle.
    """
    for (name, kind, label), (occurrences, seconds) in sorted(session.info.pop(_COUNTED, {}).items()):
        row = {"name": name, "kind": kind, "label": label, "occurrences": occurrences, "seconds": seconds}
        more = {"occurrences": _TABLE.c.occurrences + occurrences, "seconds": _TABLE.c.seconds + seconds}
        insert = insert_into(session, Tally).values(row)
        session.execute(insert.on_conflict_do_update(index_elements=["name", "kind", "label"], set_=more))
