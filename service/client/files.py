"""Downloads: whole or not at all, compared with the service's digest, and told of while they go on."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import httpx

from service.client.cache import FileCache
from service.client.connection import Connection, refusal
from service.client.errors import DamagedFileError, UnreachableError

OnBytes = Callable[[int, int | None], None]
"""Hears how many bytes have come, and of how many, or None where the service does not say."""

_ATTEMPTS = 3
_SHA256 = re.compile("[0-9a-f]{64}")


class FileCalls(Connection):
    """Files of the service, whose `ETag` is the SHA-256 of their content."""

    def fetch(self, path: str, on_bytes: OnBytes | None = None) -> bytes:
        """The file at a path of the API.

        Raises:
            DamagedFileError: its content is not what its digest says.
        """
        content = self._fetch(path, None, on_bytes)
        assert isinstance(content, bytes)
        return content

    def fetch_cached(self, path: str, cache: FileCache, on_bytes: OnBytes | None = None) -> Path:
        """Where the file lies on this machine; it is downloaded only where the cache lacks this very content.

        Raises:
            DamagedFileError: its content is not what its digest says.
            OSError: it cannot be kept.
        """
        found = self._fetch(path, cache, on_bytes)
        return found if isinstance(found, Path) else cache.keep(found)

    def _fetch(self, path: str, cache: FileCache | None, on_bytes: OnBytes | None) -> bytes | Path:
        """A download that breaks begins anew: files are small beside what it takes to find them."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._download(path, cache, on_bytes)
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS:
                    raise UnreachableError(self.base_url, str(error) or type(error).__name__) from error
        raise AssertionError("the last attempt returns or raises")

    def _download(self, path: str, cache: FileCache | None, on_bytes: OnBytes | None) -> bytes | Path:
        with self._http.stream("GET", path) as response:
            if response.is_error:
                response.read()
                raise refusal(response)
            tag = response.headers.get("etag", "").strip('"')
            digest = tag if _SHA256.fullmatch(tag) else None
            if cache is not None and digest is not None and (kept := cache.find(digest)) is not None:
                return kept
            length = response.headers.get("content-length", "")
            total = int(length) if length.isdecimal() else None
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if on_bytes is not None:
                    on_bytes(len(content), total)
        if digest is not None and hashlib.sha256(content).hexdigest() != digest:
            raise DamagedFileError(str(response.request.url))
        return bytes(content)
