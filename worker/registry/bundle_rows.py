"""Checks the rows of a bundle against the tables of this registry: their fields and the values of each."""

import math
import sys
from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, String
from sqlalchemy.types import TypeEngine

from worker.registry.base import Base

ABSENT = {"tasks": {"job_id"}}
"""Columns that a bundle does not have."""


def fault_of(table: str, row: object) -> str | None:
    """The reason why a JSON value is not a row of the table; None if it is one.

    A column that may be null may be missing: an older bundle does not have it.
    """
    columns = _columns(table)
    required = {name for name, column in columns.items() if not column.nullable}
    if not isinstance(row, dict) or not required <= set(row) <= set(columns):
        return f"a row has the fields {', '.join(sorted(columns))}"
    for name, value in row.items():
        if not _fits(columns[name], value):
            return f"{name} is {str(value)[:40]!r}, not {_accepted(columns[name].type)}"
    return None


def completed(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with null for every column that it leaves out."""
    return {name: row.get(name) for name in _columns(table)}


def _columns(table: str) -> "dict[str, Column[Any]]":
    absent = ABSENT.get(table, set())
    return {column.name: column for column in Base.metadata.tables[table].columns if column.name not in absent}


def _fits(column: "Column[Any]", value: Any) -> bool:
    kind = column.type
    if value is None:
        return bool(column.nullable)
    if isinstance(kind, JSON):
        return isinstance(value, dict | list) and _is_storable(value)
    if kind.python_type is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if isinstance(kind, String):
        return isinstance(value, str) and len(value) <= (kind.length or len(value)) and _is_storable(value)
    if kind.python_type is int:
        return type(value) is int and abs(value) < (2**63 if isinstance(kind, BigInteger) else 2**31)
    return type(value) is kind.python_type


def _is_storable(value: Any) -> bool:
    """Whether both databases take a JSON value: no NUL, no half of a surrogate pair, no number that is not finite."""
    if isinstance(value, str):
        return all(sign != "\0" and not "\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_is_storable(inner) for inner in value)
    return not isinstance(value, float) or math.isfinite(value)


def _accepted(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, JSON):
        return "a JSON object or list"
    length = f" of at most {kind.length} characters" if isinstance(kind, String) and kind.length else ""
    return {str: "a text", int: "a whole number", float: "a finite number"}.get(
        kind.python_type, "a value that fits"
    ) + length
