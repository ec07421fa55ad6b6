"""The pages that a person sees who has just started the service."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.serving import served
from worker.registry.schema import migrate

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("empty")
    migrate(f"sqlite:///{home}/ldnas.sqlite3")
    with served(home) as url:
        yield url


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def test_the_first_step_can_be_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/")
    page.get_by_role("button", name="Copy the command that registers a task").click()
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("ldnas task add odd_or_even ")


@pytest.mark.parametrize("path", ["/", "/tasks", "/jobs"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, theme: str, path: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(path)
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
