"""Tables of who may use the service: bearer keys and the browser sessions that they opened, both kept as hashes."""

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base, DatabaseNow, new_id


class ApiKey(Base):
    """A bearer key. Its text is nowhere; `hash` is that text's SHA-256, `prefix` the start of it, to recognise it by.

    A name is one active key's; who revokes a key may give its name to the next. `quota` is how many unfinished
    recommendations it may have, None = as many as the service's setting says. `last_used_at` is coarse.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("scope IN ('read', 'write', 'admin')", name="known_scope"),
        Index(
            "uq_api_keys_active_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(16), index=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(16))
    quota: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    last_used_at: Mapped[float | None] = mapped_column(Double)
    revoked_at: Mapped[float | None] = mapped_column(Double)


class BrowserSession(Base):
    """A browser that showed a key; it ends when it is over, when it is left, and with its key."""

    __tablename__ = "browser_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    expires_at: Mapped[float] = mapped_column(Double)
