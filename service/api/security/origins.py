"""Checks the headers in which browsers report the origin of a request; other programs need not send them."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from service.api.errors import ForeignOriginError


def refuse_foreign_origin(headers: Mapping[str, str], scheme: str, *, required: bool) -> None:
    """Refuses requests that another site's page makes a browser send (cross-site request forgery).

    A page over https counts as the service's own even if the service receives http: a proxy may terminate TLS.

    Args:
        headers: headers of the request, names in lower case.
        scheme: scheme of the request.
        required: whether a request without `Origin` is refused too; browsers send it with every state-changing request.

    Raises:
        ForeignOriginError: the origin is another site, or is required and missing.
    """
    origin = headers.get("origin")
    if origin is None:
        if required:
            raise ForeignOriginError("requests of a session that change anything need an Origin header")
        return
    try:
        page = urlsplit(origin)
    except ValueError:
        page = urlsplit("")
    if page.netloc.lower() != headers.get("host", "").lower() or page.scheme not in {scheme, "https"}:
        raise ForeignOriginError("the Origin of the request is another site, which may not change anything here")


def refuse_rebound_name(headers: Mapping[str, str]) -> None:
    """Refuses a request for a public host name, while the service is open because only this machine can reach it.

    Otherwise any page in this machine's browser could make its own host name resolve to 127.0.0.1 and read all data
    (DNS rebinding). Such a name has a dot; an address, or a name of this machine alone, cannot be rebound.

    Raises:
        ForeignOriginError: the host name may be rebound.
    """
    if _may_be_rebound(headers.get("host", "")):
        raise ForeignOriginError(
            "without keys the service accepts only this machine's own names; create a key with `ldnas key create`"
        )


def _may_be_rebound(host: str) -> bool:
    """Whether a `Host` is a name whose owner could make it resolve to any address; a malformed one counts as such."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." in name and not name.endswith(".localhost")
    return False
