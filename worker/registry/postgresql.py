"""How a connection to PostgreSQL is made, whoever makes it."""

from typing import Any

from sqlalchemy import URL, Engine

POSTGRESQL_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds, where all others are seconds or numbers
}
"""What libpq is told unless the URL says otherwise (PostgreSQL's manual, section 34.1.2).

A server that vanishes (power, a cable, a firewall that forgets) says no goodbye, and Linux by itself would wait two
hours for it. So it is noticed within 25 s, while a lease still holds: idle for 10 s, then three probes 5 s apart; what
was sent and is not acknowledged gets as long.
"""


def defaults_beside(url: URL) -> dict[str, Any]:
    """Those defaults that the URL says nothing of: SQLAlchemy would let them go before what it says."""
    return {name: value for name, value in POSTGRESQL_DEFAULTS.items() if name not in url.query}


def connect_arguments(engine: Engine) -> dict[str, Any]:
    """What psycopg is told to connect as the engine does."""
    _, parameters = engine.dialect.create_connect_args(engine.url)
    return {**parameters, **defaults_beside(engine.url)}
