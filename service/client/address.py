"""The address of a service, as people write it."""

import httpx

from service.client.errors import InvalidAddressError

_API = "/v1"


def service_address(text: str) -> str:
    """The URL of a service, without a slash at its end, and without the `/v1` of the API.

    Raises:
        InvalidAddressError: the text is not the URL of a service; states a likely one.
    """
    written = text.strip()
    url = _parsed(written)
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidAddressError(text, "it does not begin with http:// or https://", _likely(written))
    if url.query or url.fragment:
        raise InvalidAddressError(text, "it has a query or a fragment", str(url.copy_with(query=None, fragment=None)))
    return written.rstrip("/").removesuffix(_API).rstrip("/")


def _parsed(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as error:
        raise InvalidAddressError(text, str(error)) from error


def _likely(text: str) -> str | None:
    """The address with a scheme, if only that is missing."""
    try:
        url = httpx.URL(f"http://{text}")
    except httpx.InvalidURL:
        return None
    return f"http://{text}" if url.host and "://" not in text else None
