"""Fetches one file from another host, within bounds of size and time."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import httpx

from ldnas.errors import DatasetNotFoundError, ForbiddenLocationError, RefusedError, UnreadableDatasetError
from worker.errors import ForbiddenDestinationError, OutboundFailedError
from worker.outbound.guard import OutboundGuard
from worker.storage.incoming import IncomingFile

LIMIT_SECONDS = 3600.0
REPORT_SECONDS = 5.0

# Statuses after which a later request may succeed.
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


def download(
    guard: OutboundGuard,
    url: str,
    incoming: IncomingFile,
    *,
    uri: str,
    field: str,
    headers: Mapping[str, str],
    limit_bytes: int,
    on_progress: Callable[[], None] = lambda: None,
    limit_seconds: float = LIMIT_SECONDS,
) -> None:
    """Download the file at `url` into `incoming`.

    Args:
        uri: the file's name in messages.
        field: the field of the request that names it.
        headers: for the host that the URL names.
        on_progress: called every few seconds while bytes arrive.

    Raises:
        ForbiddenLocationError: the URL, or one that it redirects to, may not be reached.
        DatasetNotFoundError: the host does not exist or does not have the file.
        UnreadableDatasetError: it is larger than `limit_bytes`, takes longer than `limit_seconds`, or is sent
            compressed.
        OSError: the host does not answer, or answers that a later request may succeed.
    """
    try:
        with guard.stream("GET", url, headers=headers) as response:
            _require_file(response, uri, field, limit_bytes)
            _copy(response, incoming, uri, field, limit_bytes, limit_seconds, on_progress)
    except ForbiddenDestinationError as error:
        raise ForbiddenLocationError(f"{uri} may not be reached: {error}", field=field, origin=uri) from error
    except OutboundFailedError as error:
        if not error.may_pass:
            raise DatasetNotFoundError(f"{uri} was not found: {error}", field=field, origin=uri) from error
        raise OSError(f"{uri} cannot be fetched now: {error}") from error


def _require_file(response: httpx.Response, uri: str, field: str, limit_bytes: int) -> None:
    status = response.status_code
    if status in _PASSING or status >= 500:
        raise OSError(f"{uri} cannot be fetched now: its host answers {status}")
    if status != HTTPStatus.OK:
        raise DatasetNotFoundError(f"{uri} was not found: its host answers {status}", field=field, origin=uri)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _refused(f"{uri} was sent compressed, although the request asked for the plain file", uri, field)
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > limit_bytes:
        raise _refused(f"{uri} has {length} bytes; at most {limit_bytes} are fetched", uri, field)


def _copy(
    response: httpx.Response,
    incoming: IncomingFile,
    uri: str,
    field: str,
    limit_bytes: int,
    limit_seconds: float,
    on_progress: Callable[[], None],
) -> None:
    began = reported = time.monotonic()
    for chunk in response.iter_raw():
        incoming.write(chunk)
        if incoming.size > limit_bytes:
            raise _refused(f"{uri} has more than {limit_bytes} bytes, the most that are fetched", uri, field)
        now = time.monotonic()
        if now - began > limit_seconds:
            raise _refused(f"{uri} takes longer than {limit_seconds:g} s, after {incoming.size} bytes", uri, field)
        if now - reported > REPORT_SECONDS:
            reported = now
            on_progress()


def _refused(message: str, uri: str, field: str) -> RefusedError:
    return UnreadableDatasetError(message, field=field, origin=uri)
