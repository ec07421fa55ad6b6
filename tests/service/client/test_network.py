"""The way to a service: its address as people write it, proxies and certificates from the environment."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from service.client import Client, network
from service.client.address import service_address
from service.client.errors import ClientError, InvalidAddressError, InvalidKeyError, InvalidVariableError
from service.client.errors import UnreachableError as Unreachable

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        (" https://ldnas.example.org/v1/ ", "https://ldnas.example.org"),
        ("https://example.org/ldnas/", "https://example.org/ldnas"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_the_address_of_a_service_is_that_of_its_root(written: str, address: str) -> None:
    assert service_address(written) == address


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("127.0.0.1:18211", "write http://127.0.0.1:18211;"),
        ("localhost:8000", "write http://localhost:8000;"),
        ("example.org/ldnas", "write http://example.org/ldnas;"),
        ("http:/127.0.0.1:8000", "write http://127.0.0.1:8000;"),
        ("https:example.org", "write https://example.org;"),
        ("//example.org", "write http://example.org;"),
        ("http://127.0.0.1:99999", "its port is above 65535"),
        ("http://example.org/?page=1", "write http://example.org/;"),
        ("ftp://there", "accepted: http://HOST:PORT or https://HOST; check LDNAS_URL"),
        ("", "accepted: http://HOST:PORT or https://HOST; check LDNAS_URL"),
    ],
)
def test_an_address_that_is_none_is_refused_with_a_likely_one(written: str, said: str) -> None:
    with pytest.raises(InvalidAddressError, match="is not the address of a service") as refusal:
        Client(written)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "variables", "through"),
    [
        ("http://there", {"http_proxy": "http://p:1"}, "http_proxy"),
        ("http://there", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://there", {"HTTPS_PROXY": "p:1"}, "HTTPS_PROXY"),
        ("https://there", {"ALL_PROXY": "http://p:1"}, "ALL_PROXY"),
        ("http://localhost:8000", {"ALL_PROXY": "http://p:1"}, None),
        ("http://127.0.3.1:8000", {"http_proxy": "http://p:1"}, None),
        ("http://[::1]:8000", {"http_proxy": "http://p:1"}, None),
        ("http://a.there", {"http_proxy": "http://p:1", "NO_PROXY": "other, .there"}, None),
        ("http://here", {"http_proxy": "http://p:1", "NO_PROXY": "other,.there"}, "http_proxy"),
        ("http://[fd00::7]:8000", {"http_proxy": "http://p:1", "NO_PROXY": "localhost,fd00::/8"}, None),
        ("http://[fd00::7]", {"http_proxy": "http://p:1", "NO_PROXY": "[fd00::7],::1"}, None),
        ("http://10.1.2.3", {"http_proxy": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3", {"http_proxy": "http://p:1", "NO_PROXY": "10.0.0.0/8,[::1]"}, "http_proxy"),
    ],
)
def test_a_proxy_is_used_except_for_this_machine_and_for_the_exceptions(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], through: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = network.proxy_for(httpx.URL(url), variables)
    assert (None if proxy is None else (proxy.variable, proxy.url)) == (through and (through, "http://p:1"))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks5://me:secret@127.0.0.1:1080", r"ALL_PROXY is socks5://127.0.0.1:1080, .*httpx\[socks\]"),
        ("HTTPS_PROXY", "gopher://p:1", "HTTPS_PROXY is gopher://p:1, which is not the address of a proxy"),
        ("SSL_CERT_FILE", "/nonexistent/ca.pem", "SSL_CERT_FILE is /nonexistent/ca.pem, which cannot be used"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidVariableError, match=said) as refusal:
        Client("https://ldnas.example.org")
    assert (refusal.value.variable, "secret" in str(refusal.value)) == (variable, False)
    Client("http://127.0.0.1:8000").close()


def test_a_file_that_has_no_certificates_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(InvalidVariableError, match=rf"SSL_CERT_FILE is {tmp_path}/ca.pem, which cannot be used"):
        Client("https://ldnas.example.org")


@pytest.mark.parametrize("key", ["ключ", "two words", "line\nbreak"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidKeyError, match="LDNAS_API_KEY") as refusal:
        Client("http://127.0.0.1:8000", key)
    assert key not in str(refusal.value)


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy over real HTTP that answers everything itself, with the URL that it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'{{"asked": "{self.path}"}}'.encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_service_elsewhere_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with Client("http://ldnas.example.org/ldnas") as client:
        assert client.get("/v1/tasks") == {"asked": "http://ldnas.example.org/ldnas/v1/tasks"}


def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    with Client("http://ldnas.example.org") as client, pytest.raises(Unreachable) as refusal:
        client.get("/v1/tasks")
    assert "through the proxy http://127.0.0.1:9 of http_proxy" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_service_without_tls_is_recognised(proxy: str) -> None:
    with Client(proxy.replace("http:", "https:")) as client, pytest.raises(ClientError, match="try http://"):
        client.get("/v1/tasks")
