"""The matrix and its pairs in a browser."""

from typing import Any

import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import Service

pytestmark = pytest.mark.e2e

DRAWN = ".drawing .main-svg"


def test_a_click_on_a_cell_leads_to_where_its_distance_comes_from(page: Any, service: Service) -> None:
    page.goto("/distances?order=name")
    page.wait_for_selector(f"{DRAWN} .hm image", state="attached")
    drawing = page.locator(".drawing").bounding_box()
    ticks = page.locator(".xaxislayer-above text", has_text="primes").bounding_box()
    row = page.locator(".yaxislayer-above text", has_text="ten digits").bounding_box()
    page.mouse.click(ticks["x"] + ticks["width"], row["y"] + row["height"] / 2)
    page.wait_for_url("**/distances/*/*?measure=log_det_layerwise")
    assert drawing is not None
    assert page.get_by_role("heading", level=1).inner_text() == "ten digits to primes"
    page.wait_for_selector(DRAWN)


def test_a_choice_is_shown_at_once_and_stays_in_the_address(page: Any, service: Service) -> None:
    page.goto("/distances")
    page.get_by_label("Measure", exact=True).select_option("log_det")
    page.wait_for_url("**measure=log_det&**")
    page.wait_for_selector(DRAWN)
    assert page.get_by_label("Measure", exact=True).input_value() == "log_det"


def test_who_has_no_mouse_names_the_pair(page: Any, service: Service) -> None:
    page.goto("/distances")
    page.get_by_label("From the task").fill("odd or even")
    page.get_by_label("to the task").fill("primes")
    page.keyboard.press("Enter")
    page.wait_for_url("**/distances/odd%20or%20even/primes?**")


@pytest.mark.parametrize("path", ["/distances", "/distances/ten%20digits/primes", "/compare"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, service: Service, theme: str, path: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(path)
    if path != "/compare":
        page.wait_for_selector(DRAWN)
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
