"""Connection parameters and time limits for PostgreSQL; all of these limits are defined here.

A frozen process (a swap storm, a paused machine, a hung file system) must not hold a lock that others wait for, and
every wait needs a limit. PostgreSQL itself ends an idle transaction, a wait for a lock, a statement, and a long
transaction. If the server is frozen, the connection ends the wait (`limited_connection`).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Engine

CONNECTION_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # in milliseconds; all others are seconds or counts
}
"""libpq's parameters unless the URL sets them (PostgreSQL's manual, section 34.1.2).

A server that vanishes (a power cut, a cable, a firewall that loses its state) does not close its connections, and by
default Linux would wait two hours for it. These parameters detect it within 25 s, while a lease is still valid: after
10 s without traffic, three probes 5 s apart; unacknowledged data has the same limit.
"""

POOL_SECONDS = 5.0
"""How long a transaction waits for a connection of the pool."""

ANSWER_RESERVE_SECONDS = 2.0
"""How much later than its own limit on statements a working server may answer."""


@dataclass(frozen=True)
class Limits:
    """Time limits of one connection, in seconds; each is the setting of PostgreSQL that its comment names.

    `lock` is longer than `idle`: a statement that waits for a frozen client's lock gets it when that client's
    transaction is ended, and does not have to fail.
    """

    idle: float  # idle_in_transaction_session_timeout
    lock: float  # lock_timeout
    statement: float  # statement_timeout
    transaction: float  # transaction_timeout, which PostgreSQL has from version 17 on

    def settings(self) -> dict[str, str]:
        """The settings by their names, in milliseconds."""
        seconds = {
            "idle_in_transaction_session_timeout": self.idle,
            "lock_timeout": self.lock,
            "statement_timeout": self.statement,
            "transaction_timeout": self.transaction,
        }
        return {name: str(round(1000 * value)) for name, value in seconds.items()}


LIMITS = Limits(idle=10.0, lock=12.0, statement=15.0, transaction=20.0)
"""The limits of the service: a third of a lease at most, so that a lease can be renewed after any single wait."""

LONG_LIMITS = Limits(idle=300.0, lock=30.0, statement=3600.0, transaction=7200.0)
"""The limits of migrations, `ldnas registry export` and `ldnas registry import`: they read or change whole tables.

Their wait for a lock is still short: every other process that needs the table queues behind a waiting migration.
"""


CLEANER_LIMITS = Limits(idle=10.0, lock=12.0, statement=300.0, transaction=600.0)
"""Of the cleaner: to find nothing left to remove, it may have to read whole tables. It skips locked rows."""


def defaults_missing_from(url: URL) -> dict[str, Any]:
    """The defaults that the URL does not set: in SQLAlchemy they would take precedence over the URL."""
    return {name: value for name, value in CONNECTION_DEFAULTS.items() if name not in url.query}


def connect_arguments(engine: Engine) -> dict[str, Any]:
    """The arguments with which psycopg connects as the engine does."""
    _, parameters = engine.dialect.create_connect_args(engine.url)
    return {**parameters, **defaults_missing_from(engine.url)}
