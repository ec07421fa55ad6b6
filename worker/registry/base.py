"""The basis of all tables: names of constraints, the database's clock, identifiers."""

import uuid
from typing import Any

from sqlalchemy import JSON, Double, MetaData
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.functions import FunctionElement

# Alembic can only change a constraint that has a name, and both databases must agree on it.
_NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

JSON_OR_NULL = JSON(none_as_null=True)
"""A JSON column in which None is SQL's NULL, not JSON's null."""


class Base(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(naming_convention=_NAMES)


class DatabaseNow(FunctionElement[float]):
    """Seconds since the epoch on the database's clock: the hosts' clocks may differ, leases must not."""

    inherit_cache = True
    name = "database_now"
    type = Double()


@compiles(DatabaseNow, "postgresql")
def _postgresql_now(element: DatabaseNow, compiler: Any, **options: Any) -> str:
    # now() would stand still inside a transaction.
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(element: DatabaseNow, compiler: Any, **options: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42; the Julian day is exact to a millisecond everywhere.
    return "((julianday('now') - 2440587.5) * 86400.0)"


def new_id() -> str:
    """A fresh identifier: 32 hexadecimal digits."""
    return uuid.uuid4().hex
