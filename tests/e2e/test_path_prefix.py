"""The service below a path, behind a proxy that strips it: whatever a browser asks for lies below that path."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.api.security.tokens import draw_key, hash_of, prefix_of
from service.client import Client
from tests.e2e.conftest import window
from tests.e2e.serving import served
from tests.e2e.stripping_proxy import stripping_proxy
from tests.e2e.test_datasets import packed
from worker.registry import Scope, open_engine, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

pytestmark = pytest.mark.e2e

PREFIX = "/team/ldnas"


@dataclass(frozen=True)
class Published:
    """A service as its users reach it, and a key of theirs."""

    url: str
    key: str


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    home, key = tmp_path / "home", draw_key()
    settings = Settings.from_environment({"LDNAS_HOME": str(home)})
    home.mkdir()
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    with unit_of_work(engine) as registry:
        registry.keys.insert(name="team", prefix=prefix_of(key), hash=hash_of(key), scope=Scope.WRITE, quota=None)
    engine.dispose()
    with (
        served(home, LDNAS_ROOT_PATH=PREFIX) as service,
        stripping_proxy(int(service.rpartition(":")[2]), PREFIX) as url,
    ):
        yield Published(url, key)


def test_a_person_signs_in_uploads_asks_follows_and_leaves(browser: Any, published: Published, tmp_path: Path) -> None:
    url = published.url
    (tmp_path / "shapes.zip").write_bytes(packed({"bright": 150, "dark": 0}))
    with window(browser, url) as page:  # it fails for a request that leads elsewhere
        page.goto(f"{url}/jobs?state=failed")
        assert page.url.startswith(f"{url}/login?next=")
        page.get_by_label("Key").fill(published.key)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/jobs?state=failed")
        [cookie] = page.context.cookies(url)
        assert cookie["path"] == PREFIX

        for name in ("Overview", "Recommendations", "Tasks", "Distances", "Datasets"):
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
            page.get_by_role("heading", level=1).wait_for()
        page.set_input_files("#upload-file", tmp_path / "shapes.zip")
        page.get_by_label("Name of the dataset").wait_for()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/datasets/shapes")
        page.wait_for_selector("[data-class=bright] img")

        page.get_by_role("link", name="Find a network for it").click()
        page.wait_for_selector("[data-class=bright] img")
        assert f"curl {url}/v1/recommendations" in page.locator("#curl").text_content()
        with page.expect_response(lambda answer: answer.url.endswith("/events")) as events:
            page.get_by_role("button", name="Ask for a network").click()
            page.wait_for_url(f"{url}/recommendations/*", wait_until="commit")
        assert (events.value.status, events.value.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("cancelled").first.wait_for()

        page.get_by_role("link", name="the API").click()
        page.get_by_role("link", name="/openapi.json").click()
        page.wait_for_url(f"{url}/openapi.json")
        page.goto(f"{url}/")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{url}/login")
    with Client(url, published.key) as client:
        [answer] = client.recommendations()
        assert (answer.state, client.dataset("shapes").images) == ("cancelled", 40)
        assert [event.data["state"] for event in client.events(answer.id) if event.kind == "state"][-1] == "cancelled"
