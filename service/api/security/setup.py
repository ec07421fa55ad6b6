"""Keys before the first request: stores the admin key from a file, and refuses to serve other hosts without a key."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

from service.api.security.errors import AdminKeyError, KeyRequiredError, NotMigratedError
from service.api.security.tokens import hash_of, prefix_of, weakness_of
from worker.errors import DatabaseUnavailableError, KeyNameTakenError
from worker.registry import Engine, Scope, reading, unit_of_work
from worker.registry.schema import is_current

ADMIN_NAME = "admin"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this host; names other than `localhost` may be any machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def require_key_for(engine: Engine, host: str) -> None:
    """Refuses to listen where other hosts can reach the service while no active key exists.

    A database that does not answer yet is not a reason to refuse: every request then needs a key, and gets 503.

    Raises:
        KeyRequiredError: the database answers, and has no active key.
    """
    if is_loopback(host):
        return
    try:
        if not is_current(engine):
            return
        with reading(engine) as registry:
            if registry.keys.any_active():
                return
    except DatabaseUnavailableError:
        return
    raise KeyRequiredError(host)


def require_current(engine: Engine) -> None:
    """Refuses to read or create keys in a database that is not migrated.

    Raises:
        NotMigratedError: the database does not exist, or has another schema.
    """
    try:
        current = is_current(engine)
    except DatabaseUnavailableError as error:
        # SQLite reports a missing file in the same way as one that cannot be opened.
        if engine.dialect.name != "sqlite" or Path(engine.url.database or "").exists():
            raise
        raise NotMigratedError from error
    if not current:
        raise NotMigratedError


def keep_admin_key(engine: Engine, path: Path, say: Callable[[str], None]) -> None:
    """Stores the key in the file as an admin key; only once, even if several processes do it at the same time.

    A revoked key remains revoked: a restart must not restore it.

    Raises:
        AdminKeyError: the file cannot be read, or its key can be guessed.
    """
    key = _read(path)
    for name in (ADMIN_NAME, f"{ADMIN_NAME} {prefix_of(key)}"):
        with unit_of_work(engine) as registry:
            known = registry.keys.find_hash(hash_of(key))
            if known is None:
                try:
                    registry.keys.insert(name=name, prefix=prefix_of(key), hash=hash_of(key), scope=Scope.ADMIN)
                except (
                    KeyNameTakenError
                ):  # an earlier admin key, or this one, stored by another process at the same time
                    continue
                say(f"stored the key in {path} as {name!r} with scope admin")
            elif known.revoked_at is not None:
                say(f"the key in {path} was revoked; replace it")
            return


def _read(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has characters other than ASCII"
        raise AdminKeyError(path, f"cannot be read ({reason})") from error
    weakness = weakness_of(key)
    if weakness is not None:
        raise AdminKeyError(path, weakness)
    return key
