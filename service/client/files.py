"""Downloads files completely or not at all, verifies their digests, and reports progress."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import httpx

from service.client.cache import FileCache
from service.client.connection import Connection, refusal
from service.client.errors import DamagedFileError

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes received so far, and the total, or None if the service does not state it."""

_ATTEMPTS = 3
_SHA256 = re.compile("[0-9a-f]{64}")


class FileCalls(Connection):
    """Downloads of files whose `ETag` is the SHA-256 of their content."""

    def fetch(self, path: str, on_bytes: OnBytes | None = None) -> bytes:
        """The file at a path of the API.

        Raises:
            DamagedFileError: the content does not match its digest.
        """
        content = self._fetch(path, None, on_bytes)
        assert isinstance(content, bytes)
        return content

    def fetch_cached(self, path: str, cache: FileCache, on_bytes: OnBytes | None = None) -> Path:
        """The path of the file in the cache; it is downloaded only if the cache does not have this content.

        Raises:
            DamagedFileError: the content does not match its digest.
            OSError: the cache cannot be written.
        """
        found = self._fetch(path, cache, on_bytes)
        return found if isinstance(found, Path) else cache.store(found)

    def _fetch(self, path: str, cache: FileCache | None, on_bytes: OnBytes | None) -> bytes | Path:
        """Downloads the file; a broken download starts again from the beginning, because the files are small."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._download(path, cache, on_bytes)
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS:
                    raise self._unreachable(error) from error
        raise AssertionError("the last attempt returns or raises")

    def _download(self, path: str, cache: FileCache | None, on_bytes: OnBytes | None) -> bytes | Path:
        with self._http.stream("GET", path) as response:
            if response.is_error:
                response.read()
                raise refusal(response)
            tag = response.headers.get("etag", "").strip('"')
            digest = tag if _SHA256.fullmatch(tag) else None
            if cache is not None and digest is not None and (cached := cache.find(digest)) is not None:
                return cached
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
