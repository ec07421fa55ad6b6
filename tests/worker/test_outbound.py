"""The guard of outbound requests: no name, redirect or changed DNS answer leads to a private address."""

import ipaddress
import socket
from http.server import BaseHTTPRequestHandler

import pytest

from worker.errors import ForbiddenDestinationError, OutboundFailedError
from worker.outbound.guard import OutboundGuard, is_public

LOOPBACK = ipaddress.ip_address("127.0.0.1")
PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1"),
        *("192.0.0.8", "198.18.0.1", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "100::1"),
        # IPv4 addresses in IPv6 notation: mapped, compatible, 6to4, Teredo, NAT64.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::"),
        *("2002:a9fe:a9fe::", "2001:0:102:304::80ff:fffe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1"),
    ],
)
def test_an_address_that_is_not_public_is_recognised(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_recognised(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def guard(*hosts: str, address: str = PUBLIC) -> OutboundGuard:
    return OutboundGuard(hosts, resolve=lambda host, port: [address])


@pytest.mark.parametrize(
    "url",
    [
        *("https://other.example.org/a", "https://data.example.org.evil.org/a", "https://xdata.example.org/a"),
        *("https://data.example.org:8443/a", "https://data.example.org:22/a", "https://below.data.example.org/a"),
        *("http://data.example.org/a", "ftp://data.example.org/a", "file:///etc/passwd", "data.example.org/a"),
        *("https://user@data.example.org/a", "https://user:secret@data.example.org/a", "https:///a", "https://[::1"),
        *("https://data.example.org@evil.org/a", "https://evil.org\\@data.example.org/a", "https://wild.org/a"),
    ],
)
def test_a_url_that_is_not_to_a_host_that_is_allowed_is_refused_without_asking_for_its_address(url: str) -> None:
    allowed = ("data.example.org", "*.wild.org", "odd.example.org:8443")
    careful = OutboundGuard(allowed, resolve=lambda host, port: pytest.fail(f"{host} was resolved"))
    with pytest.raises(ForbiddenDestinationError):
        careful.destination(url)


@pytest.mark.parametrize(
    "url",
    [
        *("https://data.example.org/a", "https://DATA.example.org:443/a?b=c", "https://data.example.org./a"),
        *("https://a.wild.org/", "https://a.b.wild.org/", "https://odd.example.org:8443/"),
    ],
)
def test_a_url_to_a_host_that_is_allowed_is_reached_at_its_address(url: str) -> None:
    destination = guard("data.example.org", "*.wild.org", "odd.example.org:8443").destination(url)
    assert str(destination.address) == PUBLIC


def test_a_secret_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ForbiddenDestinationError) as refusal:
        guard("data.example.org").check("https://user:secret@data.example.org/a")
    assert "secret" not in str(refusal.value)


def test_without_a_list_every_public_host_may_be_reached_and_no_other() -> None:
    assert OutboundGuard(None, resolve=lambda host, port: [PUBLIC]).destination("https://anywhere.org:8443/hook")
    for address in ("127.0.0.1", "::ffff:169.254.169.254"):
        with pytest.raises(ForbiddenDestinationError, match="not public"):
            OutboundGuard(None, resolve=lambda host, port, at=address: [at]).destination("https://anywhere.org/hook")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost"])
def test_loopback_in_any_notation_is_refused_by_the_address_that_the_system_resolves(host: str) -> None:
    with pytest.raises((ForbiddenDestinationError, OutboundFailedError)):
        OutboundGuard(None).destination(f"https://{host}/")


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    mixed = OutboundGuard(None, resolve=lambda host, port: [PUBLIC, "10.0.0.1"])
    with pytest.raises(ForbiddenDestinationError, match=r"10\.0\.0\.1"):
        mixed.destination("https://anywhere.org/")


def test_a_host_without_an_address_is_distinguished_from_one_that_may_have_one_later() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    def busy(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    for resolve, may_pass in ((unknown, False), (busy, True), (lambda host, port: [], False)):
        with pytest.raises(OutboundFailedError) as failure:
            OutboundGuard(None, resolve=resolve).destination("https://anywhere.org/")
        assert failure.value.may_pass is may_pass


def say(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def local_guard(*addresses: str, hosts: tuple[str, ...] | None = None) -> OutboundGuard:
    """Reaches the test's own server under any name; judges every other address as usual."""
    answers = iter(addresses)
    return OutboundGuard(
        hosts,
        schemes=("http",),
        resolve=lambda host, port: [next(answers)] if addresses else ["127.0.0.1"],
        allows=lambda address: address == LOOPBACK or is_public(address),
    )


def fetch(outbound: OutboundGuard, url: str, **options: dict[str, str]) -> bytes:
    with outbound.stream("GET", url, **options) as response:
        return b"".join(response.iter_raw())


def test_the_host_is_asked_by_its_name_at_the_address_that_was_judged(serve) -> None:
    port = serve(lambda handler: say(handler, handler.headers["Host"].encode() + b" " + handler.path.encode()))
    assert fetch(local_guard(), f"http://data.example.org:{port}/a?b=c") == f"data.example.org:{port} /a?b=c".encode()


def test_a_name_that_changes_its_address_after_the_check_is_not_asked_again(serve) -> None:
    """DNS rebinding: the first answer is fine, any further one would be another machine."""
    port = serve(lambda handler: say(handler, b"here"))
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    outbound = OutboundGuard(None, schemes=("http",), resolve=rebinding, allows=lambda address: address == LOOPBACK)
    assert fetch(outbound, f"http://rebinding.example.org:{port}/") == b"here"
    assert asked == ["rebinding.example.org"]
    with pytest.raises(ForbiddenDestinationError, match=r"10\.0\.0\.1"):
        fetch(outbound, f"http://rebinding.example.org:{port}/")


@pytest.mark.parametrize("target", ["127.0.0.2", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
def test_a_redirect_to_a_private_address_is_refused(serve, target: str) -> None:
    port = serve(lambda handler: say(handler, b"", 302, Location="http://inside.example.org/latest/meta-data"))
    with pytest.raises(ForbiddenDestinationError, match="inside"):
        fetch(local_guard("127.0.0.1", target), f"http://data.example.org:{port}/")


@pytest.mark.parametrize("location", ["http://127.0.0.1:{port}/", "//other.example.org/", "ftp://data.example.org/"])
def test_a_redirect_to_a_host_or_a_scheme_that_is_not_allowed_is_refused(serve, location: str) -> None:
    port = serve(lambda handler: say(handler, b"", 301, Location=location.format(port=port)))
    with pytest.raises(ForbiddenDestinationError):
        fetch(local_guard(hosts=(f"data.example.org:{port}",)), f"http://data.example.org:{port}/")


def test_a_redirect_to_an_allowed_host_is_followed_and_takes_no_credentials_to_another_host(serve) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/start":
            say(handler, b"", 307, Location="/next")
        elif handler.path == "/next":
            seen.append(handler.headers.get("Authorization"))
            say(handler, b"", 307, Location=f"http://mirror.example.org:{port}/end")
        else:
            seen.append(handler.headers.get("Authorization"))
            say(handler, b"the end")

    seen: list[str | None] = []
    port = serve(answer)
    outbound = local_guard()
    assert fetch(outbound, f"http://data.example.org:{port}/start", headers={"Authorization": "mine"}) == b"the end"
    assert seen == ["mine", None]


def test_redirects_in_a_circle_end(serve) -> None:
    port = serve(lambda handler: say(handler, b"", 302, Location="/"))
    with pytest.raises(OutboundFailedError, match="redirects more than"):
        fetch(local_guard(), f"http://data.example.org:{port}/")


def test_without_redirects_the_first_answer_is_the_answer(serve) -> None:
    port = serve(lambda handler: say(handler, b"", 302, Location="/elsewhere"))
    with local_guard().stream("GET", f"http://data.example.org:{port}/", max_redirects=0) as response:
        assert response.status_code == 302


def test_a_host_where_nothing_listens_may_answer_later() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(OutboundFailedError) as failure:
            fetch(local_guard(), f"http://data.example.org:{unused.getsockname()[1]}/")
    assert failure.value.may_pass


def test_a_proxy_of_the_environment_is_not_used(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    port = serve(lambda handler: say(handler, b"direct"))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(local_guard(), f"http://data.example.org:{port}/") == b"direct"
