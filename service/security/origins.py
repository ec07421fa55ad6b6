"""What a browser says about where a request comes from; programs that are no browser are not asked."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from service.errors import ForeignOriginError


def refuse_foreign_origin(headers: Mapping[str, str], scheme: str, *, must_be_told: bool) -> None:
    """Refuse what another site's page makes a browser send (cross-site request forgery).

    A page over https is the service's own also where that itself is asked over http: TLS may end in front of it.

    Args:
        headers: of the request, names in small letters.
        scheme: by which the service was asked.
        must_be_told: whether a request without `Origin` is refused too; browsers send it whenever something changes.

    Raises:
        ForeignOriginError: the origin is another one, or is not told.
    """
    origin = headers.get("origin")
    if origin is None:
        if must_be_told:
            raise ForeignOriginError("a session's request that changes something needs an Origin header")
        return
    try:
        page = urlsplit(origin)
    except ValueError:
        page = urlsplit("")
    if page.netloc.lower() != headers.get("host", "").lower() or page.scheme not in {scheme, "https"}:
        raise ForeignOriginError("the Origin of the request is another site; that may not change anything here")


def refuse_rebound_name(headers: Mapping[str, str]) -> None:
    """Refuse a request for a public name, where the service is open because only this machine reaches it.

    Otherwise any page that this machine's browser shows could have its own name lead to 127.0.0.1 and read everything
    (DNS rebinding). Such a name has a dot; an address, or a name of this machine alone, cannot be rebound.

    Raises:
        ForeignOriginError: it is such a name.
    """
    if _may_be_rebound(headers.get("host", "")):
        raise ForeignOriginError(
            "without keys the service answers to this machine's own names only; make a key with `ldnas key create`"
        )


def _may_be_rebound(host: str) -> bool:
    """Whether a `Host` is a name that its owner could lead anywhere; one that cannot be read may be anything."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." in name and not name.endswith(".localhost")
    return False
