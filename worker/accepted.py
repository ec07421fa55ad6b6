"""Validators of the values that settings accept; see `worker.settings`."""

import re
from pathlib import Path
from typing import Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from worker.s3 import SCHEME, S3Folder

_FILES = ("sqlite:", "filesystem:")
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")


def url_beginning_with(schemes: tuple[str, ...]) -> AfterValidator:
    """Accept a URL with one of these beginnings."""

    def check(value: str) -> str:
        if not value.startswith(schemes):
            raise _refusal("a URL that begins with " + ", ".join(schemes))
        if value.count("@") > 1 and not value.startswith(_FILES):
            # A parser that takes the rest for the host would show a part of the password in its errors.
            raise _refusal("a URL with %40 for an @ in its password")
        return value

    return AfterValidator(check)


def folder_or_bucket(value: str) -> str:
    """The absolute path of a folder, or `s3://BUCKET/PREFIX` without a slash at its end."""
    if value.startswith(SCHEME):
        try:
            return str(S3Folder.of(value))
        except ValueError:
            raise _refusal("s3://BUCKET/PREFIX, with letters, digits and . _ - / in the prefix") from None
    if "://" in value and not value.startswith("file:///"):
        raise _refusal("the path of a folder that all processes share, file:///PATH, or s3://BUCKET/PREFIX")
    return str(absolute(Path(value.removeprefix("file://"))))


def path_prefix(value: str) -> str:
    """A path below which a proxy publishes the service, without a slash at its end."""
    if not _PATH_PREFIX.fullmatch(value):
        raise ValueError("not a path prefix")
    return value.rstrip("/")


def absolute(path: Path) -> Path:
    """The absolute path; `~` is a home folder."""
    return path.expanduser().absolute()


def _refusal(accepted: str) -> PydanticCustomError:
    return PydanticCustomError("accepted", "{accepted}", {"accepted": accepted})


def digits_only(value: Any) -> Any:
    """A value whose text has only digits."""
    # pydantic would also read `1_000`, `80.0` and `-0`, which is port 0.
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("not a whole number")
    return value


def split_at(separator: str) -> BeforeValidator:
    """Accept a text of several parts."""

    def split(value: Any) -> Any:
        return [part.strip() for part in value.split(separator) if part.strip()] if isinstance(value, str) else value

    return BeforeValidator(split)
