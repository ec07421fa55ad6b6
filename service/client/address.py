"""The address of a service, as people write it."""

import re

import httpx

from service.client.errors import InvalidAddressError

_API = "/v1"
_LAST_PORT = 65535
_SCHEME = re.compile(r"(?:(https?):)?/*", re.IGNORECASE)


def service_address(text: str) -> str:
    """The URL of a service, without a slash at its end, and without the `/v1` of the API.

    Raises:
        InvalidAddressError: the text is not the URL of a service; states a likely one.
    """
    written = text.strip()
    url = _parsed(written)
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidAddressError(text, "it does not begin with http:// or https://", _likely(written))
    if url.port is not None and url.port > _LAST_PORT:
        raise InvalidAddressError(text, f"its port is above {_LAST_PORT}")
    if url.query or url.fragment:
        raise InvalidAddressError(text, "it has a query or a fragment", str(url.copy_with(query=None, fragment=None)))
    return written.rstrip("/").removesuffix(_API).rstrip("/")


def _parsed(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as error:
        raise InvalidAddressError(text, str(error)) from error


def _likely(text: str) -> str | None:
    """The address with a scheme, if only that is missing or lacks a slash."""
    if "://" in text:
        return None
    scheme = _SCHEME.match(text)
    assert scheme is not None  # it matches nothing too
    likely = f"{(scheme[1] or 'http').lower()}://{text[scheme.end() :]}"
    try:
        return likely if httpx.URL(likely).host else None
    except httpx.InvalidURL:
        return None
