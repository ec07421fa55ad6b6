"""Keys, sessions and passwords are in no log, no error and no answer: shown on the real process."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from service.api.security.callers import SESSION_COOKIE
from service.app import BODY_LIMIT_BYTES
from service.client import Client
from worker.settings import Settings

pytestmark = pytest.mark.system
MakeKey = Callable[..., str]


@contextmanager
def served(settings: Settings) -> Iterator[tuple[httpx.Client, list[str]]]:
    """The API as a process, and what it wrote until its end, which the list holds then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | replace(settings, port=port).as_environment() | {"LDNAS_EXIT_WITH_PARENT": "1"}
    api = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "service.api_main"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    log: list[str] = []
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            give_up = time.monotonic() + 60
            while True:
                try:
                    http.get("/healthz")
                    break
                except httpx.ConnectError:
                    assert api.poll() is None
                    assert time.monotonic() < give_up
                    time.sleep(0.05)
            yield http, log
    finally:
        api.terminate()
        output, _ = api.communicate(timeout=30)
        log.append(output.decode())


def test_no_key_and_no_session_is_in_a_log_or_an_answer(settings: Settings, make_key: MakeKey) -> None:
    key, wrong = make_key("admin"), "ldnas_" + secrets.token_urlsafe(32)
    bearer, json = {"Authorization": f"Bearer {key}"}, {"Content-Type": "application/json"}
    with served(settings) as (http, log):
        own = {"Origin": str(http.base_url).rstrip("/")}
        login = http.post("/login", json={"key": key}, headers=own)
        assert login.status_code == 200
        session = login.cookies[SESSION_COOKIE]
        answers = [
            login,
            http.get("/v1/tasks"),
            http.post("/logout"),
            http.post("/logout", headers=own),
            http.get("/v1/tasks", headers=bearer),
            http.get("/v1/tasks", headers={"Authorization": f"Bearer {wrong}"}),
            http.get(f"/v1/tasks/{'0' * 32}", headers=bearer),
            http.post("/v1/tasks", content="{", headers=bearer | json),
            http.post("/v1/tasks", json={"name": ""}, headers=bearer),
            http.post("/login", json={"key": wrong}),
            http.post("/login", json={"key": [key]}),
            http.post("/login", json={"key": key * 50}),
            http.post("/login", json={"keys": key}),
            http.post("/login", content=f'{{"key": "{key}', headers=json),
            http.post("/login", content=key),
        ]
        statuses = [answer.status_code for answer in answers]
        # A bug: the traceback of the handler is in the log, and holds nothing of the request.
        os.rename(settings.home / "ldnas.sqlite3", settings.home / "gone")
        answers.append(http.get("/v1/tasks", headers=bearer))
    assert statuses == [200, 200, 403, 204, 200, 401, 404, 400, 422, 401, 422, 422, 422, 400, 415]
    output = "\n".join([*log, *(answer.text for answer in answers)])
    for secret in (key, wrong, session, session.partition(".")[2]):
        assert secret not in output
    assert "INFO" in log[0], "the log was read"


def test_a_large_body_is_refused_on_the_wire_with_and_without_a_declared_length(
    settings: Settings, make_key: MakeKey
) -> None:
    headers = {"Authorization": f"Bearer {make_key('write')}", "Content-Type": "application/json"}

    def chunks() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT_BYTES // 2**16 + 1):
            yield b" " * 2**16

    with served(settings) as (http, _):
        for content in (b" " * (BODY_LIMIT_BYTES + 1), chunks()):
            answer = http.post("/v1/tasks", content=content, headers=headers)
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"


def test_no_password_of_the_database_is_in_a_log_or_an_answer(settings: Settings) -> None:
    url = "postgresql://ldnas:hunter2@127.0.0.1:1/ldnas"
    with served(replace(settings, database_url=url)) as (http, log):
        answers = [http.get(path) for path in ("/readyz", "/v1/tasks")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "hunter2" not in "\n".join([*log, *(answer.text for answer in answers)])


@pytest.mark.parametrize(("module", "said"), [("dispatcher", "trying again"), ("worker_main", "Trying again")])
def test_no_password_is_in_the_log_of_a_process_that_waits_for_its_servers(
    settings: Settings, module: str, said: str
) -> None:
    away = replace(
        settings,
        database_url="postgresql://ldnas:hunter2@127.0.0.1:1/ldnas",
        broker_url="redis://ldnas:hunter2@127.0.0.1:1/0",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", f"worker.queue.{module}"],
        env=os.environ | away.as_environment() | {"LDNAS_EXIT_WITH_PARENT": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    log = []
    for line in process.stdout:
        log.append(line)
        if said in line:
            break
    process.kill()
    log.append(process.communicate(timeout=30)[0])
    assert said in "".join(log)
    assert "hunter2" not in "".join(log)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LDNAS_HOST": "0.0.0.0"}, "ldnas key create"),
        ({"LDNAS_DATABASE_URL": "mysql://u:hunter2@db/x"}, "LDNAS_DATABASE_URL is 'mysql://***@db/x'"),
    ],
)
def test_a_process_that_does_not_start_says_why_in_one_sentence(
    settings: Settings, variables: dict[str, str], expected: str
) -> None:
    environment = os.environ | settings.as_environment() | {"LDNAS_PORT": "0"} | variables
    ended = subprocess.run(
        [sys.executable, "-m", "service.api_main"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "hunter2" not in ended.stderr


def test_a_client_shows_its_key_nowhere() -> None:
    client = Client("http://127.0.0.1:1", "ldnas_hunter2")
    assert "hunter2" not in f"{client!r} {vars(client)!r} {client._http.headers!r}"
