"""`make screenshots`: the dashboard's pages as pictures for the README, of a service that is started for them."""

import argparse
import io
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.e2e.conftest import CHROMIUM, FLAGS, GENOTYPE, Running, free_port
from tests.e2e.test_datasets import packed

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
WIDTH, HEIGHT, TALLEST = 1280, 800, 1500
LARGEST_BYTES = 240_000

DIGITS = {"uri": "builtin://digits"}
BASELINES: Mapping[str, list[int] | None] = {
    "ten digits": None,
    "odd or even": [1, 3, 5, 7, 9],
    "round or straight": [0, 3, 6, 8, 9],
    "small or large": [0, 1, 2, 3, 4],
}
ASKED = {"primes": [2, 3, 5, 7], "squares": [0, 1, 4, 9]}

DRAWN = """() => [...document.querySelectorAll("[data-figure]")].every(
    (figure) => figure.querySelector(".summary").textContent)"""


def main() -> None:
    """Starts a service, has some tasks and recommendations computed, and takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        service = Running(Path(home), free_port())
        service.start()
        try:
            with httpx.Client(base_url=service.url, timeout=60) as http:
                take_all(service.url, compute(http), folder)
        finally:
            service.stop()


def compute(http: httpx.Client) -> dict[str, str]:
    """Registers the baselines, waits for the recommendations, and leaves a job running; ids by what they are for."""
    for name, group in BASELINES.items():
        task = {"name": name, "dataset": DIGITS, "genotypes": [GENOTYPE], "repetitions": 3, **_labels(group)}
        http.post("/v1/tasks", json=task).raise_for_status()
    http.post("/v1/distances", json={"targets": [*BASELINES]}).raise_for_status()
    ids = {}
    for name, group in ASKED.items():
        asked = {"name": name, "dataset": DIGITS, "baselines": [*BASELINES], "budget": {"iterations": 4}}
        ids[name] = http.post("/v1/recommendations", json=asked | _labels(group)).raise_for_status().json()["id"]
    for id in ids.values():
        while (answer := http.get(f"/v1/recommendations/{id}").json())["state"] in ("queued", "running"):
            time.sleep(1)
        assert answer["state"] == "succeeded", answer["error"]
    http.put("/v1/datasets/noise", content=packed({"bright": 150, "dark": 0})).raise_for_status()
    # Only a worker finds out that no image has more than 8 bits.
    broken = {"name": "a wrong range", "dataset": {"uri": "dataset://noise", "value_range": [0, 4095]}}
    http.post("/v1/tasks", json=broken).raise_for_status()
    running = {"name": "below four", "dataset": DIGITS, "repetitions": 50, **_labels([0, 1, 2, 3])}
    job = http.post("/v1/tasks", json=running).raise_for_status().json()["job_id"]
    while not http.get(f"/v1/jobs/{job}").json()["progress"]["fraction"]:
        time.sleep(1)
    return ids


def take_all(url: str, ids: Mapping[str, str], folder: Path) -> None:
    """One picture of each page, and one in the dark theme."""
    pages = {
        "overview": "/",
        "tasks": "/tasks",
        "distances": "/distances",
        "new": "/recommendations/new",
        "recommendation": f"/recommendations/{ids['primes']}",
        "compare": f"/compare?id={ids['primes']}&id={ids['squares']}",
        "jobs": "/jobs",
    }
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, theme in [*((name, "light") for name in pages), ("recommendation", "dark")]:
            context = browser.new_context(
                base_url=url, viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce"
            )
            page = context.new_page()
            page.goto(pages[name])
            if name == "new":
                page.get_by_label("Well-known").check()
            file = folder / (f"{name}.png" if theme == "light" else f"{name}-{theme}.png")
            file.write_bytes(picture_of(page))
            print(f"{file.name}: {file.stat().st_size // 1000} kB")
            context.close()
        browser.close()


def picture_of(page: Page) -> bytes:
    """The page once its figures are drawn, as a PNG; of 256 colours where it would be large otherwise."""
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(500)
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    shown = Image.open(io.BytesIO(taken)).convert("RGB")
    whole = _png(shown)
    return whole if len(whole) <= LARGEST_BYTES else _png(shown.quantize(dither=Image.Dither.NONE))


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _labels(group: list[int] | None) -> dict[str, Any]:
    return {} if group is None else {"labels": {"groups": [group], "rest": True}}


if __name__ == "__main__":
    main()
