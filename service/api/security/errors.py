"""Errors of processes and commands about keys, in one tree; errors of requests are in `service.api.errors`.

KeySetupError
├── KeyRequiredError      other hosts can reach the service, and no key exists
├── AdminKeyError         the file with the first admin key has no usable key
└── NotMigratedError      the database does not have the schema of this version
"""

from pathlib import Path


class KeySetupError(Exception):
    """Base of these errors; its message is for people, and never contains a key."""


class KeyRequiredError(KeySetupError):
    """Other hosts can reach the service, and no key exists."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"LDNAS_HOST is {host}, where other hosts can reach the service, and no key exists; "
            "create one with `ldnas key create NAME --scope admin`, or set LDNAS_HOST to 127.0.0.1"
        )
        self.host = host


class AdminKeyError(KeySetupError):
    """The file with the first admin key has no usable key."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"LDNAS_ADMIN_KEY_FILE is {path}, whose key {reason}; `openssl rand -hex 32` generates a usable one"
        )
        self.path = path


class NotMigratedError(KeySetupError):
    """The database does not have the schema of this version."""

    def __init__(self) -> None:
        super().__init__("the database does not exist or does not have the schema of this version; run `ldnas migrate`")
