"""Jobs in a browser: a job shows up without a reload, can be cancelled, and tried again."""

import uuid
from typing import Any

import httpx
import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import Service
from tests.e2e.test_datasets import packed

pytestmark = pytest.mark.e2e


def ask(service: Service, **task: Any) -> dict[str, Any]:
    """Registers a task on the digits under a name of its own; the task."""
    body = {"name": f"job {uuid.uuid4().hex[:8]}", "dataset": {"uri": "builtin://digits"}, **task}
    document: dict[str, Any] = httpx.post(f"{service.url}/v1/tasks", json=body, timeout=30).json()
    return document


def test_a_job_appears_is_cancelled_and_tried_again_without_a_reload(page: Any, service: Service) -> None:
    page.goto("/jobs")
    page.evaluate("window.neverLeft = true")
    task = ask(service, repetitions=20)
    name = task["name"]
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Cancel {name}").click(timeout=20_000)
    page.locator("#content").get_by_text(name).first.wait_for(state="detached", timeout=60_000)
    page.get_by_role("link", name="cancelled").click()
    page.evaluate("window.neverLeft = true")
    page.get_by_role("button", name=f"Try {name} again").click()
    page.get_by_text("Cancelled", exact=True).wait_for()
    page.locator("#content").get_by_text(name).first.wait_for(state="detached", timeout=20_000)
    assert page.evaluate("window.neverLeft") is True
    httpx.post(f"{service.url}/v1/jobs/{task['job_id']}/cancel")


def test_a_question_that_is_declined_changes_nothing(page: Any, service: Service) -> None:
    task = ask(service, repetitions=20)
    page.goto(f"/jobs/{task['job_id']}")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name=f"Cancel {task['name']}").click()
    assert httpx.get(f"{service.url}/v1/jobs/{task['job_id']}").json()["cancel_requested"] is False
    httpx.post(f"{service.url}/v1/jobs/{task['job_id']}/cancel")


def test_a_refusal_is_shown_in_words(page: Any, service: Service) -> None:
    task = ask(service, repetitions=20)
    httpx.post(f"{service.url}/v1/jobs/{task['job_id']}/cancel")
    page.goto(f"/jobs/{task['job_id']}")
    again = page.get_by_role("button", name=f"Try {task['name']} again")
    again.wait_for(timeout=60_000)
    httpx.delete(f"{service.url}/v1/tasks/{task['id']}").raise_for_status()
    again.click()
    refusal = page.locator("[data-refusal]")
    refusal.wait_for(state="visible")
    assert "its task was deleted" in refusal.inner_text()


def test_the_log_of_a_job_grows_by_itself_until_it_has_failed(page: Any, service: Service) -> None:
    file = f"{service.url}/v1/datasets/{uuid.uuid4().hex}"
    httpx.put(file, content=packed({"bright": 150, "dark": 0}), timeout=60).raise_for_status()
    # Only a worker finds this out.
    task = ask(service, dataset={"uri": f"dataset://{file.rpartition('/')[2]}", "value_range": [0, 4095]})
    page.goto(f"/jobs/{task['job_id']}")
    page.evaluate("window.neverLeft = true")
    page.get_by_text("more than 8 bits").wait_for(timeout=120_000)
    page.locator("tr", has_text="state failed").first.wait_for()
    assert page.evaluate("window.neverLeft") is True
    assert page.get_by_role("button", name=f"Try {task['name']} again").is_visible()


@pytest.mark.parametrize("path", ["/jobs", "/jobs?state=all", "/jobs/{}"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, service: Service, theme: str, path: str) -> None:
    job = httpx.get(f"{service.url}/v1/recommendations/{service.recommendation}").json()["job_id"]
    page.emulate_media(color_scheme=theme)
    page.goto(path.format(job))
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert serious_violations(page) == []
