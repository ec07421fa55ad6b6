"""A service with keys in the browser: signing in and out, and the pages of a key that may only read."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.security.tokens import draw_key, hash_of, prefix_of
from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import STARTS_WITHIN_SECONDS, free_port, window
from worker.registry import Scope, open_engine, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

pytestmark = pytest.mark.e2e

FORM = "/recommendations/new?dataset=none&x=%26"


@dataclass(frozen=True)
class Keyed:
    """The API alone, without workers; `keys` are the texts of one key for each scope."""

    url: str
    home: Path
    keys: dict[str, str]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    home, port = tmp_path_factory.mktemp("keyed"), free_port()
    environment = {"LDNAS_HOME": str(home), "LDNAS_PORT": str(port), "OMP_NUM_THREADS": "1"}
    settings = Settings.from_environment(environment)
    migrate(settings.database_url)
    keys = {scope.value: draw_key() for scope in (Scope.READ, Scope.WRITE)}
    engine = open_engine(settings.database_url)
    with unit_of_work(engine) as registry:
        for scope, key in keys.items():
            registry.keys.insert(name=f"to {scope}", prefix=prefix_of(key), hash=hash_of(key), scope=Scope(scope))
    engine.dispose()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.api_main"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    service = Keyed(f"http://127.0.0.1:{port}", home, keys)
    try:
        _wait_until_ready(service.url, process)
        yield service
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        assert process.poll() is None, "the API ended"
        assert time.monotonic() < deadline, "the API does not get ready"
        try:
            if httpx.get(f"{url}/healthz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)


@pytest.fixture
def stranger(browser: Any, keyed: Keyed) -> Iterator[Any]:
    with window(browser, keyed.url) as page:
        yield page


SignIn = Callable[[str], Any]


@pytest.fixture
def sign_in(stranger: Any, keyed: Keyed) -> SignIn:
    """Signs in with the key of a scope, and opens the form."""

    def sign_in(scope: str) -> Any:
        stranger.goto("/recommendations/new")
        stranger.get_by_label("Key").fill(keyed.keys[scope])
        stranger.keyboard.press("Enter")
        stranger.wait_for_url("**/recommendations/new")
        return stranger

    return sign_in


def recommendations(keyed: Keyed) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {keyed.keys['read']}"}
    items: list[dict[str, Any]] = httpx.get(f"{keyed.url}/v1/recommendations", headers=headers).json()["items"]
    return items


def test_a_stranger_signs_in_and_gets_the_page_that_was_asked_for(stranger: Any, keyed: Keyed) -> None:
    stranger.goto(FORM)
    assert stranger.url.startswith(f"{keyed.url}/login?")
    assert stranger.evaluate("document.activeElement.id") == "key"
    stranger.keyboard.type(f"  {keyed.keys['read']} ")  # as it comes from a clipboard
    stranger.get_by_role("button", name="Sign in").click()
    stranger.wait_for_url(f"{keyed.url}{FORM}")
    assert stranger.get_by_role("heading", name="New recommendation").is_visible()


def test_a_wrong_key_is_said_and_can_be_typed_again(stranger: Any, keyed: Keyed) -> None:
    stranger.goto("/login")
    stranger.get_by_label("Key").fill("ldnas_wrong")
    stranger.keyboard.press("Enter")
    stranger.get_by_text("This key is not valid.").wait_for()
    stranger.keyboard.type(keyed.keys["read"])  # the wrong key is selected, so this takes its place
    stranger.keyboard.press("Enter")
    stranger.wait_for_url(f"{keyed.url}/")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(stranger: Any, keyed: Keyed, elsewhere: str) -> None:
    stranger.goto(f"/login?next={elsewhere}")
    stranger.get_by_label("Key").fill(keyed.keys["read"])
    stranger.keyboard.press("Enter")
    stranger.wait_for_url(f"{keyed.url}/")


def test_signing_out_ends_the_session(sign_in: SignIn, keyed: Keyed) -> None:
    page = sign_in("read")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/datasets")
    assert page.url.startswith(f"{keyed.url}/login?next=%2Fdatasets")


def test_a_person_with_a_key_to_read_sees_so_and_cannot_ask(sign_in: SignIn) -> None:
    page = sign_in("read")
    assert page.get_by_text("The key to read may only read.").is_visible()
    assert page.get_by_role("button", name="Ask for a network").is_disabled()
    page.get_by_label("Well-known").check()
    assert "builtin://digits" in page.locator("#curl").text_content()
    page.goto("/datasets")
    assert page.get_by_text("your key may only read").is_visible()


def test_a_session_asks_and_the_shown_command_does_with_the_key(sign_in: SignIn, keyed: Keyed) -> None:
    page = sign_in("write")
    page.get_by_label("Well-known").check()
    page.get_by_label("Name", exact=True).fill("by session")
    command = page.locator("#curl").text_content().replace("by session", "by key")
    assert keyed.keys["write"] not in page.content()
    page.get_by_role("button", name="Ask for a network").click()
    page.wait_for_url("**/recommendations/*", wait_until="commit")
    environment = os.environ | {"LDNAS_API_KEY": keyed.keys["write"]}
    subprocess.run(["sh", "-c", command], env=environment, check=True, capture_output=True)
    assert {item["name"] for item in recommendations(keyed)} == {"by session", "by key"}


def test_who_was_signed_out_meanwhile_is_led_back_in(sign_in: SignIn, keyed: Keyed) -> None:
    page = sign_in("write")
    page.get_by_label("Well-known").check()
    page.context.clear_cookies()
    page.get_by_role("button", name="Ask for a network").click()
    link = page.get_by_role("link", name="Sign in again")
    link.wait_for()
    assert link.get_attribute("href") == "/login?next=%2Frecommendations%2Fnew"


def test_nothing_stands_in_the_way_of_anyone(stranger: Any, theme: str) -> None:
    stranger.emulate_media(color_scheme=theme)
    stranger.goto("/login")
    assert serious_violations(stranger) == []


def test_the_door_is_not_wider_than_a_phone(stranger: Any) -> None:
    stranger.set_viewport_size({"width": 375, "height": 800})
    stranger.goto("/login")
    assert stranger.evaluate("document.documentElement.scrollWidth") <= 375
