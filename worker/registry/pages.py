"""Keyset pagination, newest first: a page begins after the last row of the previous page."""

from typing import Any, TypeVar

from sqlalchemy import BindParameter, Select, select, tuple_

Selection = TypeVar("Selection", bound=Select[*tuple[Any, ...]])


def newest_first(
    statement: Selection, table: Any, *, limit: int | BindParameter[int], after: str | BindParameter[str] | None
) -> Selection:
    """Order the statement by creation, newest first, starting after the row `after`; empty if `after` is unknown."""
    ordered = statement.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    if after is None:
        return ordered
    last = select(table.created_at, table.id).where(table.id == after).scalar_subquery()
    return ordered.where(tuple_(table.created_at, table.id) < last)
