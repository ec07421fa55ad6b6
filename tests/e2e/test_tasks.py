"""The tasks in a browser: the list, the map, and one task."""

from typing import Any

import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import Service

pytestmark = pytest.mark.e2e

DRAWN = ".drawing .main-svg"


def test_a_click_on_a_point_of_the_map_leads_to_its_task(page: Any, service: Service) -> None:
    page.goto("/tasks")
    page.wait_for_selector(f"{DRAWN} .points path")
    assert "projection" in page.locator("figure .summary").inner_text()
    names = [name.rstrip("…") for name in page.locator(".drawing .textpoint text").all_text_contents()]
    page.locator(".drawing").scroll_into_view_if_needed()
    point = page.locator(".drawing .points path").first.bounding_box()
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.wait_for_url("**/tasks/*")
    # Other tests' tasks may lie at the same place, and have names that the map cuts.
    heading = page.get_by_role("heading", level=1).inner_text()
    assert any(heading.startswith(name) for name in names)


def test_the_list_is_narrowed_down_by_keyboard(page: Any, service: Service) -> None:
    page.goto("/tasks")
    page.get_by_label("Name").focus()
    page.keyboard.type("odd")
    page.keyboard.press("Enter")
    page.wait_for_url("**name=odd**")
    rows = page.locator("table.tasks tbody tr")
    assert rows.count() == 1
    assert "odd or even" in rows.first.inner_text()
    assert page.get_by_label("Name").input_value() == "odd"


def test_a_task_shows_its_training_images(page: Any, service: Service) -> None:
    page.goto(f"/tasks/{service.tasks['ten digits']}")
    page.wait_for_selector(DRAWN)
    rows = page.locator(".samples svg")
    assert rows.count() == 10
    # The picture that all rows show a part of: ten rows of eight square cells.
    width, height = page.evaluate(
        """async () => {
            const image = new Image();
            image.src = document.querySelector(".samples image").href.baseVal;
            await image.decode();
            return [image.naturalWidth, image.naturalHeight];
        }"""
    )
    assert (width % 8, height) == (0, width // 8 * 10)


def test_a_target_leads_to_its_recommendation_and_to_its_neighbours(page: Any, service: Service) -> None:
    page.goto("/tasks?role=target&name=primes")
    page.get_by_role("link", name="primes").click()
    page.wait_for_selector(DRAWN)
    link = page.get_by_role("link", name="its recommendation")
    assert link.get_attribute("href") == f"/recommendations/{service.recommendation}"
    near = page.locator("section", has=page.get_by_role("heading", name="Nearest tasks"))
    assert {near.get_by_role("link", name=name, exact=True).count() for name in service.tasks} == {1}


@pytest.mark.parametrize("path", ["/tasks", "/tasks?name=nothing+like+this", "/tasks/{}"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, service: Service, theme: str, path: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(path.format(service.tasks["ten digits"]))
    page.wait_for_selector(DRAWN)
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert serious_violations(page) == []
