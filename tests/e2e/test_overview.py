"""The first page, and the frame that all pages share."""

from typing import Any

import httpx
import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import Service

pytestmark = pytest.mark.e2e


def test_it_leads_to_the_latest_recommendation(page: Any, service: Service) -> None:
    newest = httpx.get(f"{service.url}/v1/recommendations", params={"limit": 1}).json()["items"][0]
    page.goto("/")
    link = page.get_by_role("link", name=newest["name"] or newest["id"][:8]).first
    assert link.get_attribute("href") == f"/recommendations/{newest['id']}"


def test_nothing_stands_in_the_way_of_anyone(page: Any, service: Service, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto("/")
    assert serious_violations(page) == []


def test_the_theme_that_was_chosen_stays(page: Any, service: Service) -> None:
    page.goto("/")
    page.get_by_role("button", name="Light or dark").click()
    chosen = page.locator("html").get_attribute("data-theme")
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == chosen == "dark"


def test_no_page_is_wider_than_a_phone(page: Any, service: Service) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto("/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
