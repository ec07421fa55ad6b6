"""Runs migrations: over the connection that `worker.registry.schema` passes, or for the `alembic` command."""

import os

from alembic import context
from sqlalchemy import Connection

from worker.registry import LONG_LIMITS, open_engine
from worker.registry.base import Base
from worker.settings import Settings


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,  # works on SQLite too, because the driver's own transactions are switched off
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(Settings.from_environment(os.environ).database_url, LONG_LIMITS).begin() as opened:
        run(opened)
