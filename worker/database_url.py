"""Inserts the password from a file into a database URL, and removes it for an environment."""

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from worker.errors import SettingsError

VARIABLE = "LDNAS_DATABASE_PASSWORD_FILE"


def with_password_from(file: Path, url: str) -> str:
    """The URL with the password that is the file's only line.

    Raises:
        SettingsError: the file cannot be read or is empty, or the URL has no place for a password.
    """
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    if not parts.scheme.startswith("postgresql") or not at or ":" in user:
        raise SettingsError(
            VARIABLE, str(file), "a file, together with a PostgreSQL URL that has a user and no password"
        )
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(_only_line(file), safe='')}@{place}"))


def without_password(url: str) -> str:
    """The same URL without the password; the user's name stays."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{place}"))


def _only_line(file: Path) -> str:
    try:
        line = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        line = ""
    if not line or "\n" in line:
        raise SettingsError(
            VARIABLE, str(file), "a file that this process can read, with the password as its only line"
        )
    return line
