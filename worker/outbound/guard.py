"""Sends requests to hosts that clients name, and never to a private network, whatever the name resolves to.

A name is resolved once, all its addresses are checked, and the connection goes to a checked address. So nothing changes
between the check and its use, and every redirect is a new request that is checked again. TLS still verifies the name.
Proxies of the environment are not used: they would resolve names by themselves.

One exception: the S3 service that the operator names by `AWS_ENDPOINT_URL` may have a private address, since no client
can choose it.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from ldnas.data.shown_uri import shown_uri
from worker.errors import ForbiddenDestinationError, OutboundFailedError, SettingsError
from worker.outbound.certificates import trusted_authorities
from worker.outbound.deadline import Deadline

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0
MAX_REDIRECTS = 5

_DEFAULT_PORTS = {"https": 443, "http": 80}
# The last 32 bits of these are an IPv4 address that a gateway delivers to (RFC 6052; Python knows mapped addresses).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
# Special in the registries of IANA, although some versions of `ipaddress` call them global: protocol assignments,
# relays and tunnels (6to4, Teredo) that lead to an IPv4 address, local translation, segment routing, documentation.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",
            "192.88.99.0/24",
            "::/96",
            "64:ff9b:1::/48",
            "2001::/23",
            "2002::/16",
            "3fff::/20",
            "5f00::/16",
        ),
    )
)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet: not private, loopback, link-local, multicast or reserved.

    An IPv6 address that embeds an IPv4 address (mapped, NAT64) is public if that one is.
    """
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded(address)
        if embedded is not None:
            return is_public(embedded)
        if address.is_site_local:
            return False
    if any(address.version == network.version and address in network for network in _SPECIAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def system_addresses(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the system resolves it.

    Raises:
        OSError: the name has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class Destination:
    """The destination of one request: the URL as given, and the resolved address of its host."""

    url: httpx.URL
    address: Address


@dataclass(frozen=True)
class OutboundGuard:
    """The rules for reachable hosts.

    Attributes:
        hosts: names that are allowed, each with the default port of its scheme or a port of its own (`host:8443`);
            `*.example.org` allows every name below it. None allows any public host.
        schemes: `https` alone, except in tests.
        resolve: returns the addresses of a name.
        allows: whether an address may be connected to.
        private_origin: scheme, host and port, as in `https://minio.internal:9000`, of the one server that may have any
            address; named by the operator and never by a client.
    """

    hosts: Sequence[str] | None
    schemes: Sequence[str] = ("https",)
    resolve: Resolver = system_addresses
    allows: Callable[[Address], bool] = is_public
    private_origin: str | None = None

    def check(self, url: str) -> httpx.URL:
        """Check a URL by its text; no name is resolved.

        Raises:
            ForbiddenDestinationError: another scheme, a user or a password, no host, or a host that is not allowed.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise ForbiddenDestinationError(f"{shown_uri(url)!r} is not a URL: {error}") from error
        if parsed.scheme not in self.schemes:
            accepted = " or ".join(f"{scheme}://" for scheme in self.schemes)
            raise ForbiddenDestinationError(f"{parsed.scheme}:// is not accepted; {accepted} is")
        if parsed.userinfo:
            raise ForbiddenDestinationError("a URL with a user or a password is not accepted, and not repeated here")
        host, port = _host(parsed).rstrip("."), parsed.port or _DEFAULT_PORTS[parsed.scheme]
        if not host:
            raise ForbiddenDestinationError(f"{shown_uri(url)!r} does not name a host")
        if self.hosts is not None and not any(_covers(entry, host, port, parsed.scheme) for entry in self.hosts):
            named = ", ".join(self.hosts) or "none"
            raise ForbiddenDestinationError(f"the host {host} (port {port}) is not among those allowed: {named}")
        return parsed

    def destination(self, url: str) -> Destination:
        """Check a URL by its text and by every address of its host.

        Raises:
            ForbiddenDestinationError: see `check`; or the host has an address that is not public.
            OutboundFailedError: the host has no address.
        """
        parsed = self.check(url)
        host, port = _host(parsed), parsed.port or _DEFAULT_PORTS[parsed.scheme]
        try:
            # A zone (fe80::1%eth0) names an interface; addresses with a zone are never public.
            addresses = [ipaddress.ip_address(found.partition("%")[0]) for found in self.resolve(host, port)]
        except (OSError, UnicodeError) as error:
            may_pass = not isinstance(error, UnicodeError) and error.errno != socket.EAI_NONAME
            raise OutboundFailedError(f"the host {host} has no address: {error}", may_pass=may_pass) from error
        is_named_by_operator = self.private_origin is not None and _origin(httpx.URL(self.private_origin)) == _origin(
            parsed
        )
        for address in addresses:
            if not is_named_by_operator and not self.allows(address):
                raise ForbiddenDestinationError(f"the host {host} has the address {address}, which is not public")
        if not addresses:
            raise OutboundFailedError(f"the host {host} has no address", may_pass=False)
        return Destination(parsed, addresses[0])

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        max_redirects: int = MAX_REDIRECTS,
        seconds: float | None = None,
    ) -> Iterator[httpx.Response]:
        """Send one request and follow redirects under the same rules; the caller reads the response's body.

        Args:
            headers: sent to the host that the URL names, and not to another one that it redirects to.
            seconds: the limit on one exchange, from the connection to the end of reading. None: no limit as long as
                data arrives within every `SILENCE_SECONDS`.

        Raises:
            ForbiddenDestinationError: the URL, or one that it redirects to, may not be reached.
            OutboundFailedError: the host does not answer, or redirects too often.
        """
        sent = dict(headers or {})
        for _ in range(max_redirects + 1):
            destination = self.destination(url)
            with _exchange(method, destination, sent, content, seconds) as response:
                if not response.has_redirect_location or max_redirects == 0:
                    yield response
                    return
                target = _target(destination.url, response.headers["location"])
            if target.netloc != destination.url.netloc or target.scheme != destination.url.scheme:
                sent = {}
            url = str(target)
        raise OutboundFailedError(f"{destination.url.host} redirects more than {max_redirects} times", may_pass=False)


@contextmanager
def _exchange(
    method: str, destination: Destination, headers: Mapping[str, str], content: bytes | None, seconds: float | None
) -> Iterator[httpx.Response]:
    """Send a request over a new connection: it must not be reused for another name with the same address."""
    url = destination.url
    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    try:
        with (
            Deadline(seconds) as deadline,
            httpx.Client(
                trust_env=False, verify=trusted_authorities(), timeout=timeout, follow_redirects=False
            ) as client,
            client.stream(
                method,
                url.copy_with(host=str(destination.address)),
                # Decompressing untrusted data would be a way around the limit on its size.
                headers={**headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"},
                content=content,
                extensions={"sni_hostname": _host(url), "trace": deadline.trace},
            ) as response,
        ):
            yield response
    except SettingsError as error:
        raise OutboundFailedError(f"{url.host} was not asked: {error}") from error
    except httpx.TransportError as error:
        raise OutboundFailedError(f"{url.host} {_failure(error)}") from error


def _failure(error: httpx.TransportError) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return f"does not answer: {error or type(error).__name__}"
    return f"has a certificate that is not trusted: {cause.verify_message}"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, _host(url).rstrip("."), url.port or _DEFAULT_PORTS.get(url.scheme)


def _host(url: httpx.URL) -> str:
    """The host as sent and as in certificates: names in other scripts in their ASCII form."""
    return url.raw_host.decode("ascii")


def _target(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise OutboundFailedError(f"{url.host} redirects to an invalid URL: {error}", may_pass=False) from error


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address embeds."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _covers(entry: str, host: str, port: int, scheme: str) -> bool:
    name, _, own_port = entry.lower().partition(":")
    if port != (int(own_port) if own_port else _DEFAULT_PORTS[scheme]):
        return False
    host = host.lower()
    return host.endswith(name[1:]) and host != name[1:] if name.startswith("*.") else host == name
