"""Keys, the browser sessions that they opened, and how many unfinished recommendations a key has.

The text of a key is not stored: rows hold its SHA-256 and its first characters.
"""

from collections.abc import Sequence

from sqlalchemy import Select, bindparam, delete, func, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import KeyNameTakenError, NotFoundError, QuotaExceededError
from worker.registry.base import DatabaseNow
from worker.registry.states import JobKind, JobState, Scope
from worker.registry.tables import ApiKeyRow, BrowserSessionRow, JobRow

COARSE_SECONDS = 600.0
"""The age of `last_used_at` at which a use is recorded again: a write with every request would be a bottleneck."""

_IS_STALE = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < DatabaseNow() - COARSE_SECONDS)

ANY_KEY = select(literal(1)).select_from(ApiKeyRow).limit(1)
"""One row if any key was ever created, including revoked ones; no row otherwise."""

KEYS_OF_PREFIX = select(
    ApiKeyRow.hash, ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.prefix, ApiKeyRow.scope, _IS_STALE
).where(ApiKeyRow.prefix == bindparam("prefix"), ApiKeyRow.revoked_at.is_(None))
"""`hash, key_id, name, prefix, scope, is_stale` of active keys with the prefix; a stale use must be recorded."""

ACTIVE_KEY = (
    select(literal(1)).select_from(ApiKeyRow).where(ApiKeyRow.id == bindparam("id"), ApiKeyRow.revoked_at.is_(None))
)
"""One row if the key of this id is active."""

SESSIONS_OF_ID = (
    select(BrowserSessionRow.hash, ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.prefix, ApiKeyRow.scope, _IS_STALE)
    .join(ApiKeyRow, ApiKeyRow.id == BrowserSessionRow.key_id)
    .where(
        BrowserSessionRow.id == bindparam("id"),
        BrowserSessionRow.expires_at > DatabaseNow(),
        ApiKeyRow.revoked_at.is_(None),
    )
)
"""The same for a session that has not expired and whose key is active; the hash is the session's."""


class Keys:
    """The rows of `api_keys` and `browser_sessions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, *, name: str, prefix: str, hash: str, scope: Scope, quota: int | None = None) -> ApiKeyRow:
        """Store a new key.

        Raises:
            KeyNameTakenError: an active key has the name, or the key itself is stored already.
        """
        key = ApiKeyRow(name=name, prefix=prefix, hash=hash, scope=scope, quota=quota)
        try:
            with self._session.begin_nested():
                self._session.add(key)
        except IntegrityError as error:
            raise KeyNameTakenError(name) from error
        return key

    def list(self) -> Sequence[ApiKeyRow]:
        """Every key, revoked ones included, oldest first."""
        return self._session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)).all()

    def find_hash(self, hash: str) -> ApiKeyRow | None:
        """The key of this hash, revoked or not, or None."""
        return self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.hash == hash))

    def find_active_name(self, name: str) -> ApiKeyRow | None:
        """The active key of this name, or None."""
        return self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.name == name, ApiKeyRow.revoked_at.is_(None)))

    def any_active(self) -> bool:
        """Whether any key is active."""
        return self._session.scalar(select(ApiKeyRow.id).where(ApiKeyRow.revoked_at.is_(None)).limit(1)) is not None

    def revoke(self, name_or_id: str) -> ApiKeyRow:
        """Revoke a key and end its sessions: by its id, else the active one of the name, else the only one of the
        prefix.

        A key that is revoked already does not change.

        Raises:
            NotFoundError: no key matches.
        """
        key = self._session.get(ApiKeyRow, name_or_id) or self.find_active_name(name_or_id) or self._sole(name_or_id)
        if key is None:
            raise NotFoundError("key", name_or_id, by="id, name or prefix")
        self._session.execute(delete(BrowserSessionRow).where(BrowserSessionRow.key_id == key.id))
        if key.revoked_at is None:
            key.revoked_at = self._session.execute(select(DatabaseNow())).scalar_one()
        self._session.flush()
        return key

    def note_use(self, key_id: str) -> None:
        """Record that the key was used, unless a use was recorded within the last ten minutes."""
        self._session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == key_id, _IS_STALE).values(last_used_at=DatabaseNow())
        )

    def open_session(self, *, id: str, key_id: str, hash: str, seconds: float) -> BrowserSessionRow:
        """Open a session for this many seconds, and remove expired sessions."""
        self._session.execute(delete(BrowserSessionRow).where(BrowserSessionRow.expires_at <= DatabaseNow()))
        opened = BrowserSessionRow(id=id, key_id=key_id, hash=hash, expires_at=DatabaseNow() + seconds)
        self._session.add(opened)
        self._session.flush()
        self._session.refresh(opened)
        return opened

    def end_session(self, session_id: str) -> None:
        """End a session; a missing session counts as ended."""
        self._session.execute(delete(BrowserSessionRow).where(BrowserSessionRow.id == session_id))

    def require_room(self, owner: str, default_quota: int) -> None:
        """Refuse another unfinished recommendation of this owner if its quota is used up; no quota without a key.

        The key's row is locked until the transaction ends, so that a concurrent request cannot exceed the quota between
        this count and the insert (SQLite has one writer at a time anyway).

        Raises:
            QuotaExceededError: the owner has reached its quota.
        """
        key = self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.id == owner).with_for_update())
        if key is None:
            return
        quota = default_quota if key.quota is None else key.quota
        if self._session.scalars(_unfinished(owner)).one() >= quota:
            raise QuotaExceededError(key.name, quota)

    def _sole(self, prefix: str) -> ApiKeyRow | None:
        found = self._session.scalars(select(ApiKeyRow).where(ApiKeyRow.prefix == prefix).limit(2)).all()
        return found[0] if len(found) == 1 else None


def _unfinished(owner: str) -> Select[int]:
    return select(func.count()).where(
        JobRow.owner == owner, JobRow.kind == JobKind.RECOMMEND, JobRow.state.in_((JobState.QUEUED, JobState.RUNNING))
    )
