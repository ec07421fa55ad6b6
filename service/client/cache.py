"""A cache of downloaded files on this machine, each under the SHA-256 of its content."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the cache: `$XDG_CACHE_HOME/ldnas`, or `~/.cache/ldnas`."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ldnas"


class FileCache:
    """Files by the digest of their content; several processes may use one folder."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder = folder
        self._suffix = suffix

    def find(self, sha256: str) -> Path | None:
        """The file with this content, or None if it does not exist or was modified."""
        path = self._path(sha256)
        try:
            return path if hashlib.sha256(path.read_bytes()).hexdigest() == sha256 else None
        except OSError:
            return None

    def store(self, content: bytes) -> Path:
        """Stores the content; returns the path of its file.

        Raises:
            OSError: the file cannot be written.
        """
        path = self._path(hashlib.sha256(content).hexdigest())
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)
        return path

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}{self._suffix}"
