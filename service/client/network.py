"""The way to a service: through a proxy or not, with which certificates, and with which key.

The environment's variables have the meaning that they have for httpx and curl, with two differences: a service on this
machine is never reached through a proxy, and addresses in `NO_PROXY` may be networks (`10.0.0.0/8`, `fd00::/8`).
"""

import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from service.client.errors import InvalidKeyError, InvalidVariableError

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_SYSTEM = "the proxy of the system's settings"


@dataclass(frozen=True)
class Proxy:
    """A proxy that the environment names.

    Attributes:
        url: its URL.
        variable: the variable that names it.
    """

    url: str
    variable: str

    @property
    def shown(self) -> str:
        """The URL without user name and password."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


def proxy_for(url: httpx.URL, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy through which a service is reached; None for one on this machine, or one that `NO_PROXY` names."""
    proxies = urllib.request.getproxies()
    for kind in (url.scheme, "all"):
        found = proxies.get(kind)
        if found:
            if _is_this_machine(url.host) or _is_excepted(url, proxies.get("no", "")):
                return None
            named = (f"{kind}_proxy", f"{kind}_proxy".upper())
            variable = next((name for name in named if environ.get(name) == found), _SYSTEM)
            return Proxy(found if "://" in found else f"http://{found}", variable)
    return None


def open_http(base_url: str, headers: Mapping[str, str], seconds: float, proxy: Proxy | None) -> httpx.Client:
    """The HTTP client of a service; `seconds` is the timeout of a request.

    Raises:
        InvalidVariableError: the proxy is not usable, or the certificates cannot be read.
    """
    # A service without TLS needs no certificates, so a variable that names missing ones does no harm.
    is_encrypted = httpx.URL(base_url).scheme == "https"
    context = _certificates(os.environ) if is_encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx.Client(
            base_url=base_url,
            headers=headers,
            timeout=seconds,
            trust_env=False,
            verify=context,
            proxy=None if proxy is None else proxy.url,
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        if proxy is None:
            raise
        raise _unusable(proxy, error) from error


def authorization(api_key: str | None) -> dict[str, str]:
    """The header with the key; none without a key.

    Raises:
        InvalidKeyError: a header cannot carry the key.
    """
    key = (api_key or "").strip()
    if not key:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidKeyError
    return {"Authorization": f"Bearer {key}"}


def _unusable(proxy: Proxy, error: Exception) -> InvalidVariableError:
    around = "or name the service's host in NO_PROXY"
    if isinstance(error, ImportError):
        reason, remedy = "a SOCKS proxy, for which socksio is not installed", "run pip install 'httpx[socks]', "
    else:
        reason, remedy = "which is not the address of a proxy", "write http://HOST:PORT, "
    return InvalidVariableError(proxy.variable, proxy.shown, reason, remedy + around)


def _certificates(environ: Mapping[str, str]) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # an ssl.SSLError is one
        given = [name for name in _CERTIFICATES if environ.get(name)]
        if not given:
            raise
        missing = [name for name in given if not os.path.exists(environ[name])]
        variable = (missing or given)[0]
        reason = f"which cannot be used ({error.strerror or error})"
        raise InvalidVariableError(variable, environ[variable], reason, "correct it, or unset it") from error


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _is_excepted(url: httpx.URL, no_proxy: str) -> bool:
    address = _address(url.host)
    for entry in no_proxy.split(","):
        with suppress(ValueError):
            if address is not None and address in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):
                return True
    port = url.port or (443 if url.scheme == "https" else 80)
    return bool(urllib.request.proxy_bypass(f"{url.host}:{port}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
