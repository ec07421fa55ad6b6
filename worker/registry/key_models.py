"""Tables of access: bearer keys and the browser sessions that they opened, both stored as hashes."""

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import Base, DatabaseNow, new_id


class ApiKey(Base):
    """A bearer key. Its text is not stored; `hash` is the text's SHA-256, `prefix` its start, to recognise it by.

    Only one active key has a name; after the key is revoked, a new key may take the name. `quota` is the number of
    unfinished recommendations that it may have, None for the service's setting. `last_used_at` is coarse.
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
    """A browser session that a key opened; it ends at its expiry, at logout, and when its key is revoked."""

    __tablename__ = "browser_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    expires_at: Mapped[float] = mapped_column(Double)
