"""Columns of a table as a `QuickReader` reads them: JSON and states as text, so equal rows give equal documents."""

import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import JSON, Enum, Text, cast

from worker.registry.base import Base

Row = Sequence[Any]
RowT = TypeVar("RowT", bound=Base)


class Columns(Generic[RowT]):
    """Columns of one table, for a query and for the rows that it returns. Fewer columns make a faster query."""

    def __init__(self, table: type[RowT], *names: str) -> None:
        self._table = table
        self._names = names
        columns = [getattr(table, name) for name in names]
        self._json = frozenset(column.name for column in columns if isinstance(column.type, JSON))
        self.selected: Sequence[Any] = [
            cast(column, Text) if isinstance(column.type, JSON | Enum) else column for column in columns
        ]
        """The columns for `select`."""

    def __len__(self) -> int:
        return len(self._names)

    def values(self, row: Row) -> dict[str, Any]:
        """The values of a row of exactly these columns, by name."""
        return {
            name: json.loads(value) if name in self._json and value is not None else value
            for name, value in zip(self._names, row, strict=True)
        }

    def entity(self, row: Row) -> RowT:
        """The row as an object outside of any session, without the table's other columns."""
        return self._table(**self.values(row))
