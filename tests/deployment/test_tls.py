"""The proxy of the profile `tls` agrees with the compose file; Caddy passes on the headers that the service needs."""

import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.compose import ROOT, load, mounts
from tests.deployment.waiting import until

CADDYFILE = ROOT / "deploy" / "tls" / "Caddyfile"


def test_the_defaults_are_those_of_the_container() -> None:
    text = CADDYFILE.read_text(encoding="utf-8")
    defaults = dict(re.findall(r"\{\$(\w+):([^}]+)\}", text))
    services = load()["services"]
    proxy = services["proxy"]
    assert proxy["ports"] == [f"443:{defaults['TLS_PORT']}"]
    assert defaults["TLS_FOLDER"] in [mount.target for mount in mounts(proxy)]
    assert "/etc/caddy" in [mount.target for mount in mounts(proxy)]
    assert proxy["healthcheck"]["test"][-1] == f"http://127.0.0.1:{defaults['TLS_HEALTH_PORT']}/"
    host, port = defaults["TLS_UPSTREAM"].split(":")
    assert services[host]["ports"][0].endswith(f":{port}")
    assert set(services[host]["networks"]) & set(proxy["networks"])
    assert services[host]["environment"]["FORWARDED_ALLOW_IPS"] == "*"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with a certificate for localhost and its key; `certificate.pem` is its own authority."""
    for program in ("caddy", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: {program})")
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    subprocess.run([*make, *files, *names], check=True, capture_output=True)
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers of the request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({name.lower(): value for name, value in self.headers.items()}).encode())

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def environment(certificates: Path) -> Iterator[dict[str, str]]:
    """The variables of the proxy, with a server behind it that echoes headers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = {name: str(free_port()) for name in ("TLS_PORT", "TLS_HEALTH_PORT")}
        upstream = f"127.0.0.1:{server.server_address[1]}"
        given = {"TLS_FOLDER": str(certificates), "TLS_UPSTREAM": upstream, "HOME": str(certificates), **ports}
        yield {"PATH": os.environ["PATH"], **given}
        server.shutdown()


@pytest.fixture
def caddy(environment: dict[str, str]) -> Iterator[None]:
    run = ["caddy", "run", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
    with subprocess.Popen(run, env=environment, stderr=subprocess.DEVNULL) as process:
        until(lambda: answers(f"http://127.0.0.1:{environment['TLS_HEALTH_PORT']}/"), "Caddy answers")
        yield
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def test_caddy_accepts_the_file(environment: dict[str, str]) -> None:
    check = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
    checked = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert "Valid configuration" in checked.stderr + checked.stdout


def test_caddy_passes_host_on_and_sets_the_forwarded_headers_itself(
    environment: dict[str, str], certificates: Path, caddy: None
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificates / "certificate.pem"))
    address = f"localhost:{environment['TLS_PORT']}"
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.7", "Origin": f"https://{address}"}
    request = urllib.request.Request(f"https://{address}/", headers=forged)
    with urllib.request.urlopen(request, context=trusting, timeout=10) as answer:
        seen = json.load(answer)
    assert seen["host"] == address
    assert seen["origin"] == f"https://{address}"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-for"] in ("127.0.0.1", "::1")
