"""TLS of outbound requests: the server's certificate has to be of a trusted authority, and of the host's name."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from tests.worker.authority import Authority
from tests.worker.local_guard import local_guard
from worker.errors import ForbiddenDestinationError, SettingsError
from worker.outbound import webhooks
from worker.outbound.certificates import trusted_authorities
from worker.outbound.guard import OutboundGuard
from worker.registry import Engine, WebhookDeliveryRow, reading, unit_of_work

HOST = "hooks.example.org"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process does not trust yet."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return Authority(tmp_path)


@pytest.fixture
def sent(engine: Engine, authority: Authority) -> Callable[[str], WebhookDeliveryRow]:
    """Sends one message to https://hooks.example.org, where a server has a certificate of the given name."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.send_response(204)
        handler.end_headers()

    def send(certified: str) -> WebhookDeliveryRow:
        with authority.serving(certified, answer) as port:
            with unit_of_work(engine) as registry:
                job = registry.jobs.insert("recommend", {"recommendation_id": "r"})
                registry.recommendations.insert(id="r", name="r", job_id=job.id, task_id="t", request={}, document={})
                registry.webhooks.insert(job.id, f"https://{HOST}:{port}/ldnas", SECRET)
                registry.jobs.request_cancel(job.id)
            assert webhooks.send_one(engine, local_guard(scheme="https"))
        with reading(engine) as registry:
            found = registry.webhooks.status(job.id)
        assert found is not None
        assert found.delivery is not None
        return found.delivery

    return send


def test_a_receiver_of_a_trusted_authority_gets_the_message(
    sent: Callable[[str], WebhookDeliveryRow], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    delivery = sent(HOST)
    assert (delivery.state, delivery.last_status) == ("delivered", 204), delivery.last_error


def test_a_folder_of_authorities_is_as_good_as_a_file(
    sent: Callable[[str], WebhookDeliveryRow], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "ours.pem").write_bytes(authority.file.read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert sent(HOST).state == "delivered"


def test_a_receiver_of_an_unknown_authority_gets_nothing_and_the_reason_is_shown(
    sent: Callable[[str], WebhookDeliveryRow],
) -> None:
    delivery = sent(HOST)
    assert (delivery.state, delivery.last_status) == ("pending", None)
    assert str(delivery.last_error) == (
        f"{HOST} has a certificate that is not trusted: unable to get local issuer certificate"
    )


def test_a_certificate_of_another_name_is_refused(
    sent: Callable[[str], WebhookDeliveryRow], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    delivery = sent("other.example.org")
    assert (delivery.state, delivery.last_status) == ("pending", None)
    assert "certificate is not valid for 'hooks.example.org'" in str(delivery.last_error)


@pytest.mark.parametrize("command", ["up", "worker", "dispatcher"])
def test_a_process_does_not_start_on_certificates_that_are_not_there(command: str, tmp_path: Path) -> None:
    given = {"LDNAS_HOME": str(tmp_path), "SSL_CERT_FILE": str(tmp_path / "none.pem"), "LDNAS_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "service.cli", command],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    assert f"SSL_CERT_FILE is '{tmp_path}/none.pem'; accepted: a readable PEM file" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_without_a_certificate_and_a_folder_that_is_absent_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    with pytest.raises(SettingsError, match=r"SSL_CERT_FILE is .*\(no certificate in it\)"):
        trusted_authorities({"SSL_CERT_FILE": str(tmp_path / "empty.pem")})
    with pytest.raises(SettingsError, match=r"SSL_CERT_DIR is .*; accepted: a folder of certificates"):
        trusted_authorities({"SSL_CERT_DIR": str(tmp_path / "none")})


@pytest.mark.parametrize("url", ["https://10.0.0.1:9000/scans/a.zip", "https://10.0.0.1/a.zip"])
def test_a_private_address_is_reached_only_where_the_operator_names_it(url: str) -> None:
    plain = OutboundGuard(None)
    named = replace(plain, private_origin="https://10.0.0.1:9000")
    with pytest.raises(ForbiddenDestinationError, match="not public"):
        plain.destination(url)
    if ":9000" in url:
        assert named.destination(url).url == httpx.URL(url)
    else:
        with pytest.raises(ForbiddenDestinationError, match="not public"):
            named.destination(url)
