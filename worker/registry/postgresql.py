"""How a connection to PostgreSQL is made, and how long anything on it may take: the one place of these limits.

A frozen process (a swap storm, a paused machine, a hung file system) must not hold a lock that others wait for, and
nobody may wait without an end. PostgreSQL itself ends what a client does not: a transaction that stands still, a wait
for a lock, a statement, a whole transaction. What a frozen server cannot end, the connection does
(`limited_connection`).
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
    "tcp_user_timeout": 25_000,  # milliseconds, where all others are seconds or numbers
}
"""libpq's parameters unless the URL sets them (PostgreSQL's manual, section 34.1.2).

A server that vanishes (power, a cable, a firewall that forgets) closes no connection, and Linux by itself would wait
two hours for it. So it is noticed within 25 s, while a lease still holds: idle for 10 s, then three probes 5 s apart;
what was sent and is not acknowledged gets as long.
"""

POOL_SECONDS = 5.0
"""How long a transaction waits for a connection of the pool."""

ANSWER_RESERVE_SECONDS = 2.0
"""How much later than its own limit on statements a server that works may answer."""


@dataclass(frozen=True)
class Limits:
    """Time limits of one connection, in seconds; each is the setting of PostgreSQL that its comment names.

    `lock` is longer than `idle`: a statement that waits for a frozen client's lock gets it when that client's
    transaction is ended, and need not fail.
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
"""Of the service: a third of a lease at the most, so that a lease can be renewed after any one of them."""

LONG_LIMITS = Limits(idle=300.0, lock=30.0, statement=3600.0, transaction=7200.0)
"""Of migrations, `ldnas registry export` and `ldnas registry import`: they read or change whole tables.

Their wait for a lock is short all the same: everyone else who needs the table queues behind a migration that waits.
"""


def defaults_beside(url: URL) -> dict[str, Any]:
    """Those defaults that the URL does not set: SQLAlchemy would let them take precedence over the URL."""
    return {name: value for name, value in CONNECTION_DEFAULTS.items() if name not in url.query}


def connect_arguments(engine: Engine) -> dict[str, Any]:
    """The arguments with which psycopg connects as the engine does."""
    _, parameters = engine.dialect.create_connect_args(engine.url)
    return {**parameters, **defaults_beside(engine.url)}
