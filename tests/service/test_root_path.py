"""The service below a path prefix, behind a proxy that strips it and one that does not."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import httpx
import pytest
from fastapi import FastAPI

from service.api.security.callers import SESSION_COOKIE
from service.app import create_app
from tests.service.conftest import InProcess
from worker.errors import SettingsError
from worker.registry import Engine
from worker.settings import Settings

PREFIX = "/ldnas"
PAGE = {"Accept": "text/html"}
LINKS = ("href", "src", "action", "data-figure", "data-events", "data-samples")


class StrippingProxy(httpx.BaseTransport):
    """Knows the service alone, below the prefix, which it strips as nginx does."""

    def __init__(self, app: FastAPI) -> None:
        self._service = InProcess(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        if not path.startswith(f"{PREFIX}/"):
            return httpx.Response(404, text="the proxy has no such location")
        request.url = request.url.copy_with(raw_path=path.removeprefix(PREFIX).encode())
        return self._service.handle_request(request)


class Links(HTMLParser):
    """The addresses on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attributes if name in LINKS and value and value[0] not in "#?"}


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    app = create_app(replace(settings, root_path=PREFIX))
    yield app
    app.state.resources.engine.dispose()


@pytest.fixture
def proxy(app: FastAPI) -> Iterator[httpx.Client]:
    with httpx.Client(transport=StrippingProxy(app), base_url="http://service") as client:
        yield client


@pytest.fixture(params=["strips", "passes on"])
def proxied(request: pytest.FixtureRequest, app: FastAPI) -> Iterator[httpx.Client]:
    """Both kinds of proxies."""
    transport = StrippingProxy(app) if request.param == "strips" else InProcess(app)
    with httpx.Client(transport=transport, base_url="http://service/ldnas") as client:
        yield client


def test_every_link_of_every_page_leads_through_the_proxy(
    proxy: httpx.Client, measured_tasks: dict[str, str], engine: Engine
) -> None:
    waiting, seen = {f"{PREFIX}/"}, set()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        answer = proxy.get(address, headers=PAGE)
        assert answer.status_code in (200, 404), address
        assert answer.text != "the proxy has no such location", address
        if answer.headers["content-type"].startswith("text/html"):
            waiting |= {link.partition("#")[0] for link in Links(answer.text).found if "/events" not in link} - seen
    pages = {re.sub("[0-9a-f]{32}", "ID", address.partition("?")[0]) for address in seen}
    menu = {f"{PREFIX}/{name}" for name in ("recommendations", "tasks", "distances", "datasets", "jobs", "docs")}
    assert menu | {f"{PREFIX}/tasks/ID", f"{PREFIX}/jobs/ID", f"{PREFIX}/recommendations/ID"} <= pages
    assert {f"{PREFIX}/openapi.json", f"{PREFIX}/figures/distances.json", f"{PREFIX}/v1/distances"} <= pages


def test_locations_name_the_prefix(proxied: httpx.Client, task_body: dict) -> None:
    made = proxied.post("/v1/tasks", json=task_body)
    assert made.headers["location"] == f"{PREFIX}/v1/tasks/{made.json()['id']}"
    with_slash = proxied.get("/v1/tasks/")
    assert (with_slash.status_code, with_slash.headers["location"]) == (307, f"{PREFIX}/v1/tasks")
    pair = proxied.get("/distances?source=a&target=b", headers=PAGE)
    assert pair.headers["location"].startswith(f"{PREFIX}/distances/a/b?")


def test_a_browser_signs_in_below_the_prefix(proxied: httpx.Client, make_key: Callable[..., str]) -> None:
    key = make_key("read")
    asked = proxied.get("/tasks?state=failed", headers=PAGE)
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        f"{PREFIX}/login?next=%2Fldnas%2Ftasks%3Fstate%3Dfailed",
    )
    session = proxied.post("/login", json={"key": key}, headers={"Origin": "http://service"})
    assert SimpleCookie(session.headers["set-cookie"])[SESSION_COOKIE]["path"] == PREFIX
    assert proxied.get("/tasks", headers=PAGE).status_code == 200
    left = proxied.post("/logout", headers={"Origin": "http://service"})
    assert SimpleCookie(left.headers["set-cookie"])[SESSION_COOKIE]["path"] == PREFIX
    assert proxied.get("/tasks", headers=PAGE).status_code == 303


def test_the_prefix_opens_no_path_that_needs_a_key(app: FastAPI, make_key: Callable[..., str]) -> None:
    make_key("read")
    with httpx.Client(transport=InProcess(app), base_url="http://service") as http:
        for path in ("/v1/tasks", "/ldnas/v1/tasks", "/ldnas/static/../v1/tasks", "/ldnas/ldnas/v1/tasks"):
            assert http.get(path).status_code == 401, path
        assert http.get("/ldnas/docs").status_code == 200


def test_the_description_of_the_api_names_the_prefix(proxied: httpx.Client) -> None:
    assert proxied.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]
    page = proxied.get("/docs").text
    assert f'href="{PREFIX}/openapi.json"' in page
    assert f"All paths lie below <code>{PREFIX}</code>." in page


@pytest.mark.parametrize("prefix", ["/v1", "/tasks/ldnas", "/static"])
def test_a_prefix_like_a_path_of_the_service_is_refused(settings: Settings, prefix: str) -> None:
    with pytest.raises(SettingsError, match=rf"LDNAS_ROOT_PATH is '{prefix}'"):
        create_app(replace(settings, root_path=prefix))
