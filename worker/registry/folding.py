"""Folds rows that are only inserted (`tally_deltas`, `revision_marks`) into their sums, a batch at a time.

A sum is the same before and after: a reader sees either the rows or their sum. Rows that another process is folding are
skipped. Only folding locks a tally, so no job ever waits for it.
"""

from collections import defaultdict
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from worker.registry.tables import RevisionMarkRow, TallyDeltaRow, TallyRow
from worker.registry.upsert import insert_into

FOLDED_AT_ONCE = 1000


class Folding:
    """The rows of `tally_deltas` and `revision_marks`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def fold_tallies(self) -> int:
        """Add a batch of deltas to their tallies; return the number of deltas."""
        sums: dict[tuple[str, str, str], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        deltas = self._taken(TallyDeltaRow)
        for delta in deltas:
            key = (delta.name, delta.kind, delta.label)
            occurrences, seconds = sums[key]
            sums[key] = (occurrences + delta.occurrences, seconds + delta.seconds)
        # In the order of their keys, so that two processes that fold at once never deadlock.
        for (name, kind, label), (occurrences, seconds) in sorted(sums.items()):
            row = {"name": name, "kind": kind, "label": label, "occurrences": occurrences, "seconds": seconds}
            added = {"occurrences": TallyRow.occurrences + occurrences, "seconds": TallyRow.seconds + seconds}
            upsert = insert_into(self._session, TallyRow).values(row)
            self._session.execute(upsert.on_conflict_do_update(index_elements=["name", "kind", "label"], set_=added))
        return len(deltas)

    def fold_marks(self) -> int:
        """Replace a batch of marks by one with their sum for each name; return by how many rows the table shrank."""
        if len(self._session.scalars(select(RevisionMarkRow.id).limit(2)).all()) < 2:
            return 0
        sums: dict[str, int] = defaultdict(int)
        marks = self._taken(RevisionMarkRow)
        for mark in marks:
            sums[mark.name] += mark.number
        if sums:
            self._session.execute(
                insert(RevisionMarkRow), [{"name": name, "number": number} for name, number in sorted(sums.items())]
            )
        return len(marks) - len(sums)

    def _taken(self, table: Any) -> list[Any]:
        """Remove the oldest rows, and return them."""
        oldest = select(table.id).order_by(table.id).limit(FOLDED_AT_ONCE).with_for_update(skip_locked=True)
        ids = self._session.scalars(oldest).all()
        removed = delete(table).where(table.id.in_(ids)).returning(table)
        return [*self._session.scalars(removed, execution_options={"synchronize_session": False})]
