"""Sessions of browsers: a cookie for a key, only from the service's own pages, and not for longer than the key."""

from collections.abc import Callable
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from service.api.routes.sessions import SESSION_SECONDS
from service.api.security.callers import SESSION_COOKIE
from tests.service.conftest import InProcess
from worker.registry import Engine, reading, unit_of_work

MakeKey = Callable[..., str]
OWN = {"Origin": "http://service"}
CANCEL = f"/v1/jobs/{'0' * 32}/cancel"


def logged_in(http: httpx.Client, key: str) -> Morsel[str]:
    answer = http.post("/login", json={"key": key}, headers=OWN)
    assert answer.status_code == 200, answer.text
    return SimpleCookie(answer.headers["Set-Cookie"])[SESSION_COOKIE]


def test_a_key_is_exchanged_for_a_cookie_that_only_this_service_gets(http: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("write")
    answer = http.post("/login", json={"key": key})
    assert (answer.json()["name"], answer.json()["scope"]) == ("write", "write")
    cookie = SimpleCookie(answer.headers["Set-Cookie"])[SESSION_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert (cookie["domain"], cookie["secure"], int(cookie["max-age"])) == ("", "", SESSION_SECONDS)
    assert key not in cookie.value
    assert key not in answer.text
    assert cookie.value not in answer.text


def test_over_https_the_cookie_stays_there(app: FastAPI, make_key: MakeKey) -> None:
    with httpx.Client(transport=InProcess(app), base_url="https://service") as http:
        answer = http.post("/login", json={"key": make_key("read")}, headers={"Origin": "https://service"})
        assert SimpleCookie(answer.headers["Set-Cookie"])[SESSION_COOKIE]["secure"] is True
        foreign = http.post("/login", json={"key": "x"}, headers={"Origin": "http://service"})
        assert foreign.json()["code"] == "foreign_origin"


def test_behind_an_end_of_tls_a_page_over_https_is_the_services_own(http: httpx.Client, make_key: MakeKey) -> None:
    assert http.post("/login", json={"key": make_key("read")}, headers={"Origin": "https://service"}).is_success


def test_a_session_may_do_what_its_key_may(http: httpx.Client, make_key: MakeKey) -> None:
    logged_in(http, make_key("write"))
    assert http.get("/v1/tasks").status_code == 200
    assert http.post(CANCEL, headers=OWN).status_code == 404
    assert http.delete(f"/v1/tasks/{'0' * 32}", headers=OWN).json()["code"] == "scope_missing"


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://service:81"])
def test_a_session_changes_nothing_for_a_page_that_is_not_the_services_own(
    http: httpx.Client, make_key: MakeKey, origin: str | None
) -> None:
    logged_in(http, make_key("write"))
    answer = http.post(CANCEL, headers={"Origin": origin} if origin else {})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert http.post("/logout", headers={"Origin": origin} if origin else {}).status_code == 403


def test_a_key_by_hand_needs_no_origin_even_with_a_cookie(http: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("write")
    logged_in(http, key)
    assert http.post(CANCEL, headers={"Authorization": f"Bearer {key}"}).status_code == 404


def test_leaving_ends_the_session_here_and_in_the_browser(
    http: httpx.Client, make_key: MakeKey, engine: Engine
) -> None:
    cookie = logged_in(http, make_key("read"))
    left = http.post("/logout", headers=OWN)
    assert left.status_code == 204
    assert SimpleCookie(left.headers["Set-Cookie"])[SESSION_COOKIE]["max-age"] == "0"
    assert not http.cookies
    kept = {"Cookie": f"{SESSION_COOKIE}={cookie.value}"}
    assert http.get("/v1/tasks", headers=kept).json()["code"] == "no_key"


def test_revoking_a_key_ends_its_sessions(http: httpx.Client, make_key: MakeKey, engine: Engine) -> None:
    logged_in(http, make_key("read"))
    with unit_of_work(engine) as registry:
        registry.keys.revoke("read")
    assert http.get("/v1/tasks").status_code == 401


def test_a_session_is_over_after_its_time(http: httpx.Client, make_key: MakeKey, engine: Engine) -> None:
    logged_in(http, make_key("read"))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE browser_sessions SET expires_at = expires_at - {SESSION_SECONDS - 60}"))
    assert http.get("/v1/tasks").status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE browser_sessions SET expires_at = expires_at - 61"))
    assert http.get("/v1/tasks").status_code == 401


def test_the_store_holds_no_cookie(http: httpx.Client, make_key: MakeKey, app: FastAPI) -> None:
    cookie = logged_in(http, make_key("read"))
    stored = b"".join(path.read_bytes() for path in app.state.resources.settings.home.glob("ldnas.sqlite3*"))
    id, _, secret = cookie.value.partition(".")
    assert id.encode() in stored
    assert secret.encode() not in stored


@pytest.mark.parametrize(
    "value", ["", ".", "x.y", f"{'0' * 32}.", f"{'0' * 32}.x", '"\\000.x"', f'"\\000{"0" * 31}.x"']
)
def test_a_cookie_that_the_service_did_not_set_is_not_a_session(
    http: httpx.Client, make_key: MakeKey, value: str
) -> None:
    make_key("read")
    assert http.get("/v1/tasks", headers={"Cookie": f"{SESSION_COOKIE}={value}"}).json()["code"] == "no_key"


def test_one_sessions_id_opens_nothing_with_anothers_secret(http: httpx.Client, make_key: MakeKey) -> None:
    one, other = (logged_in(http, make_key(scope)).value for scope in ("read", "admin"))
    mixed = f"{other.partition('.')[0]}.{one.partition('.')[2]}"
    http.cookies.clear()
    assert http.get("/v1/tasks", headers={"Cookie": f"{SESSION_COOKIE}={other}"}).status_code == 200
    assert http.get("/v1/tasks", headers={"Cookie": f"{SESSION_COOKIE}={mixed}"}).status_code == 401


@pytest.mark.parametrize("key", ["ldnas_wrong", "\x00", "ä"])
def test_a_key_that_opens_nothing_opens_no_session(
    http: httpx.Client, make_key: MakeKey, engine: Engine, key: str
) -> None:
    make_key("read")
    answer = http.post("/login", json={"key": key}, headers=OWN)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_key")
    assert "Set-Cookie" not in answer.headers


def test_a_use_by_session_counts_as_one_of_its_key(http: httpx.Client, make_key: MakeKey, engine: Engine) -> None:
    logged_in(http, make_key("read"))
    http.get("/v1/tasks")
    with reading(engine) as registry:
        assert registry.keys.list()[0].last_used_at is not None
