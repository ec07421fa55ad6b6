"""A recommendation asked for in the form, by a person who has never read the API."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import Running, Service
from tests.e2e.test_datasets import packed

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
ANSWER = re.compile(r"/recommendations/[0-9a-f]{32}$")


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    """Whatever a test asks for is cancelled afterwards."""
    with httpx.Client(base_url=running.url, timeout=60) as client:
        yield client
        for item in client.get("/v1/recommendations", params={"limit": 200}).json()["items"]:
            if item["state"] in ("queued", "running"):
                client.post(f"/v1/recommendations/{item['id']}/cancel")


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    path = tmp_path / "it's 3 shapes.zip"
    path.write_bytes(packed({"round": 60, "bright": 150, "it's dark": 0}))
    return path


def stored(running: Running, name: str) -> dict[str, Any]:
    """The request of the only recommendation of that name, as the service keeps it, without its name."""
    with sqlite3.connect(running.home / "ldnas.sqlite3") as database:
        rows = database.execute("SELECT request FROM recommendations WHERE name = ?", (name,)).fetchall()
    (request,) = (json.loads(row[0]) for row in rows)
    assert request.pop("name") == name
    return dict(request)


def shown(page: Any, name: str, other: str) -> tuple[str, str]:
    """The shell command and the Python program next to the form, asking under another name."""
    curl, python = (page.locator(f"#{id}").text_content() for id in ("curl", "python"))
    assert name in curl
    assert name in python
    return curl.replace(name, f"{other} c"), python.replace(name, f"{other} p")


def execute(curl: str, python: str, folder: Path) -> None:
    """In the folder with the files that they name."""
    assert shutil.which("curl"), "the shown commands are those of curl"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(["sh", "-ec", curl.replace("curl ", "curl --fail-with-body ")], cwd=folder, check=True)
    subprocess.run([sys.executable, "-c", python], cwd=folder, env=environment, check=True)


def ask(page: Any) -> str:
    """Presses the button; the id of the recommendation whose page it leads to."""
    page.get_by_role("button", name="Ask for a network").click()
    page.wait_for_url(ANSWER, wait_until="commit")
    return str(page.url).rpartition("/")[2]


def test_from_a_file_to_a_request_and_the_shown_commands_ask_the_same(
    page: Any, running: Running, service: Service, http: httpx.Client, shapes: Path
) -> None:
    page.goto("/recommendations/new")
    page.set_input_files("#upload-file", shapes)
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("it-s-3-shapes has 3 classes and 60 images").wait_for()
    page.wait_for_selector("#labels-table [data-class=round] img")
    page.get_by_label("Grouped by hand").check()
    page.get_by_label("class of the task for it's dark").select_option("class 1")
    page.get_by_label("class of the task for round").select_option("class 2")
    page.get_by_text("rest: 20 images").wait_for()
    page.get_by_label("Cut that class to the mean size").check()
    page.get_by_label("Objective").select_option("macro_f1")
    page.get_by_label("So many minutes").check()
    page.get_by_label("Minutes", exact=True).fill("1.1")
    page.get_by_label("Parameters, at most").fill("50000")
    page.get_by_label("Milliseconds, at most").fill("12.5")
    page.get_by_label("Those that I choose").check()
    page.get_by_label("odd or even").check()
    page.locator("#more > summary").click()
    page.get_by_label("Strategy").select_option("evolution")
    page.get_by_label("Networks in an iteration").fill("6")
    page.get_by_label("Networks trained in the end").fill("2")
    page.get_by_label("Begin at weights trained on the closest task").check()
    page.get_by_label("Network that measures distances").select_option("small_cnn")
    page.get_by_label("Epsilon", exact=True).fill("0.25")
    page.get_by_label("Random seed").fill("7")
    page.get_by_label("Priority").fill("-3")
    page.get_by_label("Name", exact=True).fill("by form")
    commands = shown(page, "by form", "by hand")
    identity = ask(page)
    request = stored(running, "by form")
    assert httpx.get(f"{running.url}/v1/recommendations/{identity}").json()["name"] == "by form"
    assert request["dataset"] == {"uri": "dataset://it-s-3-shapes"}
    assert request["labels"] == {"groups": [["it's dark"], ["round"]], "rest": True, "balance": True}
    assert request["budget"] == {"seconds": 66}
    assert request["constraints"] == {"max_parameters": 50000, "max_latency_ms": 12.5}
    assert request["baselines"] == ["odd or even"]
    assert request["search"] == {"strategy": "evolution", "candidates": 6}
    assert request["final"] == {"seeds": 2, "warm_start": True}
    chosen = {name: request[name] for name in ("objective", "network", "epsilon", "seed", "priority")}
    assert chosen == {"objective": "macro_f1", "network": "small_cnn", "epsilon": 0.25, "seed": 7, "priority": -3}
    execute(*commands, folder=shapes.parent)
    assert stored(running, "by hand c") == stored(running, "by hand p") == request


def test_labels_that_are_typed_survive_every_quoting(page: Any, running: Running, http: httpx.Client) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.locator("#known").select_option("FashionMNIST")
    page.get_by_text("known only after the first job has read it").wait_for()
    page.get_by_label("Grouped by hand").check()
    page.get_by_label("A class in each line").fill('it\'s, 3 ,"4", #2\n\n$HOME `id` \\n, "say ""a, b""", <b>, é🙂\n')
    page.get_by_label("All other labels form one more class").uncheck()
    page.get_by_label("Name", exact=True).fill("typed")
    commands = shown(page, "typed", "quoted")
    ask(page)
    groups = [["it's", "3", "4", "#2"], ["$HOME `id` \\n", 'say "a, b"', "<b>", "é🙂"]]
    assert stored(running, "typed")["labels"] == {"groups": groups, "rest": False, "balance": False}
    execute(*commands, folder=running.home)
    assert stored(running, "quoted c") == stored(running, "quoted p") == stored(running, "typed")


def test_untouched_fields_are_not_sent(page: Any, running: Running, http: httpx.Client) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.get_by_text("digits has 10 classes").wait_for()
    assert page.locator("#curl").text_content().endswith(""" -d '{\n  "dataset": {"uri": "builtin://digits"}\n}'""")
    # A race, the default, has no iterations. A field that is hidden again counts no more.
    assert not page.get_by_label("So many iterations").is_visible()
    page.locator("#more > summary").click()
    page.get_by_label("Strategy").select_option("fuse")
    page.get_by_label("So many iterations").check()
    page.get_by_label("Iterations of the search").fill("2")
    assert '"budget": {"iterations": 2}' in page.locator("#curl").text_content()
    page.get_by_label("12 iterations").check()
    assert "budget" not in page.locator("#curl").text_content()


def test_every_refused_field_says_why_next_to_it(page: Any, service: Service) -> None:
    page.goto("/recommendations/new")
    ask = page.get_by_role("button", name="Ask for a network")
    ask.click()
    page.get_by_text("Choose the images first.").wait_for()
    page.get_by_label("Well-known").check()
    page.get_by_label("So many minutes").check()
    page.get_by_label("Minutes", exact=True).fill("soon")
    page.get_by_label("Parameters, at most").fill("2.5")
    page.locator("#more > summary").click()
    page.get_by_label("Strategy").select_option("fuse")
    page.get_by_label("Networks trained in the end").fill("11")
    page.locator("#more > summary").click()  # closed, it opens for its error
    ask.click()
    for path, words in (
        ("budget.seconds", "valid number"),
        ("constraints.max_parameters", "integer"),
        ("final.seeds", "less than or equal to 10"),
    ):
        page.locator(f'[data-field="{path}"] > .error').get_by_text(words).wait_for()
        assert page.locator(f'[data-path="{path}"]').get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.id") == "budget-seconds"
    assert page.locator("#final-seeds").is_visible()
    page.get_by_label("Minutes", exact=True).fill("1")
    assert page.locator('[data-field="budget.seconds"] > .error').text_content() == ""
    assert page.locator('[data-path="budget.seconds"]').get_attribute("aria-invalid") is None


def test_what_only_the_service_can_know_is_said_in_its_place_too(page: Any, service: Service) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Files elsewhere").check()
    page.get_by_label("Address", exact=True).fill("file:///nowhere")
    page.get_by_role("button", name="Ask for a network").click()
    page.locator('[data-source="address"] > .error').get_by_text("/nowhere").wait_for()
    page.get_by_label("Well-known").check()
    page.get_by_label("Grouped by hand").check()
    page.get_by_label("class of the task for 3", exact=True).select_option("class 1")
    page.get_by_label("All other labels form one more class").uncheck()
    page.get_by_role("button", name="Ask for a network").click()
    page.locator('[data-field="labels"] > .error').get_by_text("one group is one class").wait_for()
    page.get_by_label("All other labels form one more class").check()
    page.locator("#more > summary").click()
    page.get_by_label("Strategy").select_option("darts")
    page.get_by_label("Networks in an iteration").fill("3")
    page.get_by_role("button", name="Ask for a network").click()
    page.locator('[data-field="search.candidates"] > .error').get_by_text("darts does not take candidates").wait_for()


def test_the_secret_of_a_webhook_is_shown_nowhere(page: Any, service: Service) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.locator("#more > summary").click()
    page.get_by_label("Address for the notification").fill("https://hooks.example.org/it's")
    page.get_by_label("Secret that signs it").fill(secret)
    curl, python = (page.locator(f"#{id}").text_content() for id in ("curl", "python"))
    assert secret not in page.locator("body").inner_text()
    # The shell sends the same body as the form would.
    said = f'curl() {{ for last; do :; done; printf %s "$last"; }}\n{curl}'
    environment = os.environ | {"LDNAS_WEBHOOK_SECRET": secret}
    sent = subprocess.run(["sh", "-ec", said], env=environment, check=True, capture_output=True).stdout
    assert json.loads(sent)["webhook"] == {"url": "https://hooks.example.org/it's", "secret": secret}
    assert (
        """webhook={"url": "https://hooks.example.org/it's", "secret": os.environ["LDNAS_WEBHOOK_SECRET"]}""" in python
    )
    page.get_by_role("button", name="Ask for a network").click()
    page.locator('[data-field="webhook.url"] > .error').get_by_text("hooks.example.org").wait_for()


def test_pressed_twice_it_is_asked_once(page: Any, http: httpx.Client, service: Service) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.get_by_label("Name", exact=True).fill("twice")
    button = page.get_by_role("button", name="Ask for a network")

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/v1/recommendations", lose)
    button.click()
    page.get_by_text("The service does not answer.").wait_for()
    page.unroute("**/v1/recommendations")
    button.dblclick()
    page.wait_for_url(ANSWER, wait_until="commit")
    names = [item["name"] for item in http.get("/v1/recommendations").json()["items"]]
    assert names.count("twice") == 1


def test_it_can_be_filled_in_with_the_keyboard_alone(page: Any, running: Running, http: httpx.Client) -> None:
    page.goto("/recommendations/new")

    def reach(wanted: str) -> None:
        for _ in range(80):
            if page.evaluate(f"document.activeElement.matches({wanted!r})"):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"the keyboard does not reach {wanted}")

    reach("[name=source]")
    page.keyboard.press("ArrowRight")
    if page.evaluate("document.activeElement.value") == "uploaded":  # there where another test has uploaded
        page.keyboard.press("ArrowRight")
    page.get_by_text("digits has 10 classes").wait_for()
    reach("[name=labels]")
    page.keyboard.press("ArrowRight")
    reach("select[data-of='3']")
    page.keyboard.type("class 1")
    reach("[name=budget]")
    page.keyboard.press("ArrowLeft")
    reach("#budget-seconds")
    page.keyboard.type("1")
    page.keyboard.press("Enter")  # asks for nothing yet
    reach("#name")
    page.keyboard.type("by keyboard")
    reach("#ask")
    page.keyboard.press("Enter")
    page.wait_for_url(ANSWER, wait_until="commit")
    request = stored(running, "by keyboard")
    assert request["labels"] == {"groups": [["3"]], "rest": True, "balance": False}
    assert request["budget"] == {"seconds": 60}, "the form counts in minutes"


def test_the_commands_can_be_copied(page: Any, service: Service) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.get_by_role("button", name="Copy the Python program").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#python").text_content()
    assert 'client.recommend(\n    "builtin://digits",\n)' in copied


def opened(page: Any) -> None:
    """The form with everything open that can be."""
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.get_by_label("Grouped by hand").check()
    page.get_by_label("So many minutes").check()
    page.get_by_label("Those that I choose").check()
    page.get_by_label("ten digits").wait_for()
    for summary in page.locator("summary:visible").all():
        summary.click()


def test_nothing_stands_in_the_way_of_anyone(page: Any, service: Service, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    opened(page)
    assert serious_violations(page) == []


def test_no_page_is_wider_than_a_phone(page: Any, service: Service) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_who_comes_back_can_change_it_and_ask_again(page: Any, http: httpx.Client, service: Service) -> None:
    page.goto("/recommendations/new")
    page.get_by_label("Well-known").check()
    page.get_by_label("Name", exact=True).fill("first")
    ask(page)
    page.go_back()
    page.get_by_label("Well-known").check()
    page.get_by_text("digits has 10 classes").wait_for()
    page.get_by_label("Name", exact=True).fill("second")
    ask(page)
    names = [item["name"] for item in http.get("/v1/recommendations").json()["items"]]
    assert (names.count("first"), names.count("second")) == (1, 1)
