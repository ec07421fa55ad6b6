"""A recommendation in a browser: watched from the form to the files while its service is broken, and its pages."""

import hashlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import ANSWERS_WITHIN_SECONDS, Running, Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * ANSWERS_WITHIN_SECONDS)]

MILLISECONDS = 1000 * ANSWERS_WITHIN_SECONDS
# So small that it makes errors to be shown.
MOST_PARAMETERS = 2500


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def finished(running: Running, service: Service) -> dict[str, Any]:
    """The recommendation of the module's first test; where that did not run, the service's."""
    return {"id": service.recommendation}


def kill(running: Running, module: str) -> None:
    """SIGKILL for the supervisor's child that runs this module."""
    assert running.process is not None
    (child,) = [child for child in psutil.Process(running.process.pid).children() if module in child.cmdline()]
    os.kill(child.pid, signal.SIGKILL)


def fill_the_form(page: Any, name: str) -> None:
    page.goto("/recommendations/new")
    page.locator('[name="source"][value="known"]').check()
    page.locator("#known").select_option("builtin://digits")
    page.locator("#more summary").first.click()
    page.get_by_label("Strategy").select_option("fuse")  # a race has no iterations
    page.locator('[name="budget"][value="iterations"]').check()
    page.locator('[data-path="budget.iterations"]').fill("2")
    page.locator('[data-path="constraints.max_parameters"]').fill(str(MOST_PARAMETERS))
    page.locator('[data-path="repetitions"]').fill("2")
    page.locator('[data-path="name"]').fill(name)
    page.get_by_role("button", name="Ask for a network").click()
    page.wait_for_url(re.compile(r"/recommendations/[0-9a-f]{32}$"))


def test_it_is_watched_to_its_end_though_the_network_the_worker_and_the_api_fail(
    page: Any, running: Running, service: Service, http: httpx.Client, finished: dict[str, Any]
) -> None:
    fill_the_form(page, "all digits")
    id = page.url.rpartition("/")[2]
    # Gone with the first reload.
    page.evaluate("window.isTheSamePage = true")
    top, figures = page.locator('[data-live="top"]'), page.locator("[data-figure]")
    page.locator('[data-live="why"] [data-figure*="/distances.json"] .main-svg').first.wait_for(timeout=MILLISECONDS)
    page.evaluate("window.drawing = document.querySelector('[data-figure*=\"/distances.json\"] .drawing')")
    page.context.set_offline(True)
    page.get_by_text("The service does not answer. This page tries again.").wait_for(timeout=60_000)
    page.context.set_offline(False)
    page.locator("#connection").wait_for(state="hidden", timeout=60_000)
    kill(running, "worker.queue.worker_main")
    top.get_by_text("This is attempt 2").wait_for(timeout=MILLISECONDS)
    page.locator('[data-live="search"] [data-figure*="/alphas.json"] .main-svg').first.wait_for(timeout=MILLISECONDS)
    assert page.evaluate("window.drawing.isConnected")  # brought up to date, not made again
    kill(running, "service.api_main")
    top.locator(".state.succeeded").wait_for(timeout=MILLISECONDS)
    assert page.evaluate("window.isTheSamePage")
    assert page.locator("#connection").is_hidden()
    finished["id"] = id

    answer = http.get(f"/v1/recommendations/{id}").json()
    assert answer["state"] == "succeeded"
    assert answer["architecture"]["parameters"] <= MOST_PARAMETERS
    page.locator('[data-figure*="/recall.json"] .main-svg').first.wait_for(timeout=60_000)
    assert figures.count() == 6
    # A file that is downloaded by a click has the digest that the page shows.
    page.get_by_text("SHA-256 of the files").click()
    for kind, name in (("onnx", "ONNX"), ("weights", "weights")):
        with page.expect_download() as download:
            page.locator(f"#get-{kind}").click()
        content = Path(download.value.path()).read_bytes()
        row = page.locator("#checksums tr").filter(has=page.get_by_role("cell", name=name, exact=True))
        assert row.locator("code").inner_text() == hashlib.sha256(content).hexdigest()
    # The matrix on the page is that of the evaluation.
    evaluation = http.get(f"/v1/recommendations/{id}/evaluation").json()
    drawn = page.evaluate("document.querySelector('[data-figure*=\"/confusion.json\"] .drawing').data[0].text")
    assert [[count or 0 for count in row] for row in drawn] == evaluation["confusion"]
    # The most confident errors are visible.
    shown = page.locator(".gallery > li:visible")
    assert shown.count() == min(16, evaluation["wrong"]) > 0
    first = evaluation["errors"][0]
    assert shown.first.inner_text().split("\n")[:2] == [f"is {first['true']}", f"taken for {first['predicted']}"]
    assert page.evaluate("document.querySelector('.gallery image').getBBox().width") == 8
    assert page.evaluate("fetch(document.querySelector('.gallery image').href.baseVal).then((a) => a.status)") == 200


def test_one_that_runs_is_cancelled_and_resumes_on_request(page: Any, service: Service, http: httpx.Client) -> None:
    asked = {"name": "cancelled", "dataset": {"uri": "builtin://digits"}, "repetitions": 2, "budget": {"iterations": 9}}
    id = http.post("/v1/recommendations", json=asked).json()["id"]
    page.goto(f"/recommendations/{id}")
    page.locator(".state.running").wait_for(timeout=MILLISECONDS)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    page.locator(".state.cancelled").wait_for(timeout=60_000)
    page.get_by_role("button", name="Resume").click()
    page.locator(".state.queued, .state.running").first.wait_for(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    page.locator(".state.cancelled").wait_for(timeout=60_000)
    assert http.get(f"/v1/recommendations/{id}").json()["state"] == "cancelled"


def test_one_that_failed_says_why(page: Any, service: Service, http: httpx.Client) -> None:
    asked = {"name": "too small", "dataset": {"uri": "builtin://digits"}, "constraints": {"max_parameters": 1}}
    id = http.post("/v1/recommendations", json=asked).json()["id"]
    page.goto(f"/recommendations/{id}")
    page.get_by_text("No network in the search space satisfies the constraint").wait_for(timeout=MILLISECONDS)
    page.get_by_role("button", name="Try again").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/recommendations")
    assert http.get(f"/v1/recommendations/{id}").status_code == 404


def test_its_task_becomes_a_known_one_by_keyboard(page: Any, finished: dict[str, Any], http: httpx.Client) -> None:
    page.goto(f"/recommendations/{finished['id']}")
    name = f"known {time.time_ns()}"
    page.locator("#promote").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Make it a known task")
    field = dialog.get_by_label("Name among the known tasks")
    field.fill("no / such name")
    page.keyboard.press("Enter")
    dialog.get_by_role("alert").filter(has_text="name").wait_for()
    field.fill(name)
    page.keyboard.press("Enter")
    page.get_by_text("Its task is a known task now").wait_for()
    assert dialog.is_hidden()
    assert name in [task["name"] for task in http.get("/v1/tasks", params={"role": "baseline"}).json()["items"]]


@pytest.mark.parametrize("path", ["/recommendations", "/recommendations/{id}"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, finished: dict[str, Any], theme: str, path: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(path.format(id=finished["id"]))
    if "{id}" in path:
        page.locator('[data-figure*="/recall.json"] .main-svg').first.wait_for(timeout=60_000)
        for summary in page.locator("summary").all():
            summary.click()
    assert serious_violations(page) == []


@pytest.mark.parametrize("path", ["/recommendations", "/recommendations/{id}"])
def test_it_fits_a_phone(page: Any, finished: dict[str, Any], path: str) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(path.format(id=finished["id"]))
    if "{id}" in path:
        page.locator('[data-figure*="/recall.json"] .main-svg').first.wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_two_are_chosen_from_the_list_to_be_compared(page: Any, service: Service, finished: dict[str, Any]) -> None:
    page.goto("/recommendations?state=succeeded")
    chosen = page.locator('input[type="checkbox"]')
    for place in range(min(2, chosen.count())):
        chosen.nth(place).check()
    page.get_by_role("button", name="Compare the chosen ones").click()
    page.wait_for_url(re.compile(r"/compare\?id="))
