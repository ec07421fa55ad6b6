"""Keyset pagination, newest first: a page begins after the row whose id the last page ended with."""

from typing import Any, TypeVar

from sqlalchemy import Select, select, tuple_

Selection = TypeVar("Selection", bound=Select[*tuple[Any, ...]])


def newest_first(statement: Selection, table: Any, *, limit: int, after: str | None) -> Selection:
    """The statement ordered by creation, newest first, from after the row `after`; an unknown `after` ends the list."""
    ordered = statement.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    if after is None:
        return ordered
    last = select(table.created_at, table.id).where(table.id == after).scalar_subquery()
    return ordered.where(tuple_(table.created_at, table.id) < last)
