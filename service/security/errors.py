"""What a process or a command refuses about keys, in one tree; what a request is refused for is in `service.errors`.

KeySetupError
├── KeyRequiredError      others could reach the service, and no key is there to keep them out
├── AdminKeyError         the file with the first admin key holds none that can be used
└── NotMigratedError      the database has another schema than this version needs
"""

from pathlib import Path


class KeySetupError(Exception):
    """Base of these errors; its text is meant to be shown to a person, and never holds a key."""


class KeyRequiredError(KeySetupError):
    """Others could reach the service, and no key is there to keep them out."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"LDNAS_HOST is {host}, where others can reach the service, and there is no key to keep them out: "
            "make one with `ldnas key create NAME --scope admin`, or set LDNAS_HOST to 127.0.0.1"
        )
        self.host = host


class AdminKeyError(KeySetupError):
    """The file with the first admin key holds none that can be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"LDNAS_ADMIN_KEY_FILE names {path}, whose key {reason}; `openssl rand -hex 32` makes one that can be used"
        )
        self.path = path


class NotMigratedError(KeySetupError):
    """The database has another schema than this version needs."""

    def __init__(self) -> None:
        super().__init__("the database is not there or has another schema than this version needs; run `ldnas migrate`")
