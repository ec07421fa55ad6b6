"""With a thousand tasks, a million distances and some thousand jobs in the store, every page is there within a second.

The seconds are those of the first contentful paint, from the click on: the median of three after a first look.
"""

import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import service_store as store
from tests.e2e.serving import served
from worker.registry import open_engine
from worker.registry.schema import migrate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # a million rows are written first

TASKS, JOBS = 1000, 5000
SHOWN_WITHIN_MS = 1000
LARGEST_PAGE_BYTES = 2**20

PAINTED = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") resolve(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""

PAGES = (
    *("/", "/tasks", "/tasks?name=9&role=baseline", "/tasks/{task}"),
    *("/jobs", "/jobs?state=all", "/jobs?state=failed", "/jobs/{job}"),
    *("/distances", "/distances/{task}/{other}", "/compare?id={recommendation}", "/datasets"),
    *("/recommendations", "/recommendations/{recommendation}", "/recommendations/new"),
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of the service, and what the names in `PAGES` stand for."""
    home = tmp_path_factory.mktemp("thousand")
    database = f"sqlite:///{home}/ldnas.sqlite3"
    migrate(database)
    engine = open_engine(database)
    rows = store.fill(engine, store.Size(tasks=TASKS, repetitions=1, ended=JOBS))
    engine.dispose()
    names = {
        "task": rows.tasks[-1],
        "other": rows.tasks[0],
        "job": rows.jobs[-1],
        "recommendation": rows.recommendations[-1],
    }
    with served(home) as url:
        yield url, names


@pytest.mark.parametrize("path", PAGES)
def test_its_first_content_is_there_within_a_second(
    browser: Any, filled: tuple[str, dict[str, str]], path: str
) -> None:
    url, names = filled
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    painted = []
    for _ in range(4):
        answer = page.goto(path.format(**names), wait_until="commit")
        painted.append(page.evaluate(PAINTED))
        assert answer.status == 200
        assert len(answer.body()) < LARGEST_PAGE_BYTES
        page.wait_for_load_state()
    context.close()
    assert statistics.median(painted[1:]) < SHOWN_WITHIN_MS, painted
