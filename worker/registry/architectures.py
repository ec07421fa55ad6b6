"""Finished architectures."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import NotFoundError
from worker.registry.base import new_id
from worker.registry.pages import newest_first
from worker.registry.tables import ArchitectureRow
from worker.registry.upsert import insert_missing


class Architectures:
    """The rows of `architectures`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert_once(self, **columns: Any) -> ArchitectureRow:
        """Store the architecture of a recommendation, unless it has one; return the stored row.

        Without a recommendation, an architecture with the given `id`, if any, counts as stored already.
        """
        fresh = new_id()
        insert_missing(self._session, ArchitectureRow, [{"id": fresh, **columns}])
        recommendation_id = columns.get("recommendation_id")
        if recommendation_id is None:
            return self.get(columns.get("id", fresh))
        return self._session.scalars(
            select(ArchitectureRow).where(ArchitectureRow.recommendation_id == recommendation_id)
        ).one()

    def get(self, architecture_id: str) -> ArchitectureRow:
        """The architecture.

        Raises:
            NotFoundError: no such architecture.
        """
        architecture = self._session.get(ArchitectureRow, architecture_id)
        if architecture is None:
            raise NotFoundError("architecture", architecture_id)
        return architecture

    def of_recommendation(self, recommendation_id: str) -> ArchitectureRow | None:
        """The architecture that the recommendation ended with, or None."""
        return self._session.scalar(
            select(ArchitectureRow).where(ArchitectureRow.recommendation_id == recommendation_id)
        )

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[ArchitectureRow]:
        """Architectures, newest first; the page after the one with the id `after`."""
        page = newest_first(select(ArchitectureRow), ArchitectureRow, limit=limit, after=after)
        return self._session.scalars(page).all()
