"""A race in a browser: the form that asks for it, its page while it runs, and its page at its end."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.app import create_app
from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import STARTS_WITHIN_SECONDS, free_port, window
from tests.service.races import CYCLES, REQUEST, finish_race, run_race
from worker.registry.schema import migrate
from worker.settings import Settings

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    settings = replace(Settings.from_environment({"LDNAS_HOME": str(home)}), port=free_port())
    migrate(settings.database_url)
    return settings


@pytest.fixture(scope="module")
def http(settings: Settings) -> Iterator[httpx.Client]:
    """The API as a process, without a worker: the tests put in what a worker would have found."""
    environment = os.environ | settings.as_environment()
    api = subprocess.Popen([sys.executable, "-m", "service.api_main"], env=environment, stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=60) as client:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while True:
            try:
                client.get("/readyz")
                break
            except httpx.TransportError:
                assert api.poll() is None, "the API ended"
                assert time.monotonic() < deadline, "the API does not get ready"
                time.sleep(0.2)
        yield client
    api.terminate()
    api.wait(60)


@pytest.fixture(scope="module")
def races(settings: Settings, http: httpx.Client) -> dict[str, str]:
    """The paths of a race that runs, and of one that has ended."""
    asked = {name: http.post("/v1/recommendations", json=REQUEST).json() for name in ("runs", "ended")}
    resources = create_app(settings).state.resources
    run_race(resources.engine, asked["runs"], CYCLES)
    finish_race(resources.engine, resources.store, asked["ended"])
    resources.engine.dispose()
    return {name: f"/recommendations/{one['id']}" for name, one in asked.items()}


@pytest.fixture
def page(browser: Any, http: httpx.Client) -> Iterator[Any]:
    with window(browser, str(http.base_url)) as page:
        yield page


def drawn(page: Any, path: str) -> None:
    page.goto(path)
    if page.locator("[data-figure]").count():
        page.locator('[data-figure*="/race.json"] .main-svg').first.wait_for()


def test_the_form_asks_for_a_race_of_the_chosen_kinds(page: Any, http: httpx.Client) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.locator("#more > summary").click()
    kinds = page.get_by_role("group", name="Kinds of networks that take part")
    assert kinds.is_visible(), "a race is the default"
    page.get_by_label("Strategy").select_option("fuse")
    assert not kinds.is_visible()
    page.get_by_label("So many iterations").check()
    page.get_by_label("Random seed").fill("7")
    page.get_by_label("Networks trained in the end").fill("2")
    page.get_by_label("Strategy").select_option("race")
    assert page.get_by_label("3 minutes (default)").is_checked()
    for label in ("So many iterations", "Networks trained in the end", "Rounds in an iteration"):
        assert not page.get_by_label(label).is_visible()
    for box in kinds.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_role("button", name="Ask for a network").click()
    page.locator('[data-field="candidates"] > .error').get_by_text("at least 1 item").wait_for()
    kinds.get_by_label("ResNet-18").check()
    kinds.get_by_label("EfficientNet-Lite0").check()
    assert 'candidates=["plain", "pretrained"]' in page.locator("#python").text_content()
    with page.expect_request("**/v1/recommendations") as sent:
        page.get_by_role("button", name="Ask for a network").click()
    assert sent.value.post_data_json == {
        "dataset": {"uri": "builtin://digits"},
        "search": {"strategy": "race"},
        "candidates": ["plain", "pretrained"],
        "seed": 7,
    }
    page.wait_for_url("**/recommendations/*")


def test_all_kinds_are_the_default_and_a_search_has_none(page: Any, http: httpx.Client) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.locator("#more > summary").click()
    page.get_by_label("Strategy").select_option("race")
    curl = page.locator("#curl")
    assert '"strategy": "race"' in curl.text_content()
    assert "candidates" not in curl.text_content()
    page.get_by_label("ResNet-18").uncheck()
    assert '"candidates": ["cell", "pretrained"]' in curl.text_content()
    page.get_by_label("Strategy").select_option("evolution")
    assert "candidates" not in curl.text_content()
    assert page.get_by_label("12 iterations (default)").is_checked()


def test_the_winner_is_marked_in_the_plot(page: Any, races: dict[str, str]) -> None:
    drawn(page, races["ended"])
    symbols = page.evaluate(
        "document.querySelector('[data-figure*=\"/race.json\"] .drawing').data.map((one) => one.marker?.symbol)"
    )
    assert symbols == [None, "star", "circle", "circle"]


@pytest.mark.parametrize("race", ["runs", "ended"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, races: dict[str, str], theme: str, race: str) -> None:
    page.emulate_media(color_scheme=theme)
    drawn(page, races[race])
    assert serious_violations(page) == []


@pytest.mark.parametrize("race", ["runs", "ended"])
def test_it_fits_a_phone(page: Any, races: dict[str, str], race: str) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    drawn(page, races[race])
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
