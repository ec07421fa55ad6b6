"""Uploading, looking at and deleting datasets in the browser."""

import io
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.accessibility import serious_violations
from tests.e2e.conftest import Running, Service

pytestmark = pytest.mark.e2e

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same file each time, which the service then has already


def packed(classes: Mapping[str, int]) -> bytes:
    """A ZIP file with twenty images of noise in a folder for each class, which begins at its brightness."""
    random = np.random.default_rng(0)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, brightness in classes.items():
            for index in range(20):
                picture = io.BytesIO()
                Image.fromarray((brightness + random.integers(0, 100, (16, 16))).astype(np.uint8)).save(picture, "PNG")
                archive.writestr(zipfile.ZipInfo(f"{name}/{index}.png", EPOCH), picture.getvalue())
    return content.getvalue()


@pytest.fixture
def shapes_zip(tmp_path: Path) -> Path:
    """Two classes; the file's name is none that a dataset may have."""
    path = tmp_path / "Bright & dark (2).zip"
    path.write_bytes(packed({"bright": 150, "dark": 0}))
    return path


@pytest.fixture
def uploaded(running: Running, shapes_zip: Path) -> str:
    httpx.put(f"{running.url}/v1/datasets/shapes", content=shapes_zip.read_bytes(), timeout=60).raise_for_status()
    return "shapes"


def test_a_file_is_uploaded_under_a_name_made_of_its_own(page: Any, running: Running, shapes_zip: Path) -> None:
    page.goto("/datasets")
    page.set_input_files("#upload-file", shapes_zip)
    assert page.get_by_label("Name of the dataset").input_value() == "Bright-dark-2"
    page.keyboard.press("Enter")  # the name has the focus
    page.wait_for_url("**/datasets/Bright-dark-2")
    page.wait_for_selector("[data-class=bright] img")
    assert page.locator("[data-class=dark] img").count() == 6
    httpx.delete(f"{running.url}/v1/datasets/Bright-dark-2").raise_for_status()


def test_a_value_range_is_stated_with_the_upload(page: Any, running: Running, tmp_path: Path) -> None:
    values = np.arange(24 * 4 * 4, dtype=np.uint16).reshape(24, 4, 4) * 10  # 0 to 3830
    scans = tmp_path / "scans.npz"
    np.savez(scans, x=values, y=np.arange(24) % 2)
    page.goto("/datasets")
    page.set_input_files("#upload-file", scans)
    page.get_by_text("Columns and value range").click()
    field = page.get_by_label("Value range")
    field.fill("black to white")
    page.get_by_role("button", name="Upload").click()
    page.locator("#upload-refusal").get_by_text("two numbers, the lower first, as 0,4095").first.wait_for()
    field.fill("0, 4095")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/scans")
    page.get_by_text("the range 0 to 4095 becomes black to white").wait_for()
    httpx.delete(f"{running.url}/v1/datasets/scans").raise_for_status()


def test_a_file_can_be_dropped(page: Any, running: Running, shapes_zip: Path) -> None:
    page.goto("/datasets")
    content = list(shapes_zip.read_bytes())
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.zip"));
            return transfer;
        }""",
        content,
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/dropped")
    httpx.delete(f"{running.url}/v1/datasets/dropped").raise_for_status()


def test_an_upload_shows_its_progress_and_can_be_stopped(page: Any, running: Running, tmp_path: Path) -> None:
    large = tmp_path / "large.zip"
    large.write_bytes(bytes(4_000_000))
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.goto("/datasets")
    page.set_input_files("#upload-file", large)
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("of 4.0 MB sent").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped. Nothing was stored.").wait_for()
    assert page.get_by_role("button", name="Upload").is_enabled()
    assert httpx.get(f"{running.url}/v1/datasets/large").status_code == 404


def test_a_file_that_is_too_large_is_not_sent_at_all(page: Any, running: Running, shapes_zip: Path) -> None:
    page.goto("/datasets")
    page.evaluate("document.querySelector('[data-upload]').dataset.most = 1000")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.set_input_files("#upload-file", shapes_zip)
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("this service accepts at most").wait_for()
    assert "PUT" not in sent


def test_a_refusal_says_which_file_is_at_fault(page: Any, running: Running, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("a/1.png", b"no picture")
        archive.writestr("b/2.png", b"none either")
    page.goto("/datasets")
    page.set_input_files("#upload-file", broken)
    page.get_by_role("button", name="Upload").click()
    refusal = page.locator("#upload-refusal")
    refusal.get_by_text("a/1.png").first.wait_for()
    assert httpx.get(f"{running.url}/v1/datasets/broken").status_code == 404


def test_a_name_that_is_taken_is_refused_in_place(
    page: Any, running: Running, uploaded: str, tmp_path: Path, shapes_zip: Path
) -> None:
    other = tmp_path / "shapes.zip"
    with zipfile.ZipFile(shapes_zip) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            after.writestr(f"x-{name}", before.read(name))
    page.goto("/datasets")
    page.set_input_files("#upload-file", other)
    page.get_by_role("button", name="Upload").click()
    page.locator("#upload-refusal").get_by_text("shapes").wait_for()
    assert page.evaluate("document.activeElement.id") == "upload-name"


def test_deleting_asks_first_and_says_why_not(page: Any, running: Running, service: Service, uploaded: str) -> None:
    task = {"name": "on shapes", "dataset": {"uri": "dataset://shapes"}, "repetitions": 1}
    with httpx.Client(base_url=running.url, timeout=60) as http:
        made = http.post("/v1/tasks", json=task).json()
        page.goto("/datasets")
        page.get_by_role("button", name="Delete shapes").click()
        page.get_by_role("button", name="Delete it", exact=True).click()
        page.locator("#delete").get_by_text("on shapes").wait_for()
        assert serious_violations(page) == []
        http.post(f"/v1/jobs/{made['job_id']}/cancel")
        page.wait_for_function("() => document.activeElement.textContent === 'Close'")
        page.keyboard.press("Enter")
        assert not page.locator("#delete").is_visible()
        while http.get(f"/v1/jobs/{made['job_id']}").json()["state"] != "cancelled":
            time.sleep(0.1)  # its runner ends first
        assert http.delete(f"/v1/tasks/{made['id']}").status_code == 204
        page.get_by_role("button", name="Delete shapes").click()
        page.get_by_role("button", name="Keep it").click()
        assert http.get("/v1/datasets/shapes").status_code == 200
        page.get_by_role("button", name="Delete shapes").click()
        page.get_by_role("button", name="Delete it", exact=True).click()
        page.wait_for_selector("[data-delete='shapes']", state="detached")
        assert http.get("/v1/datasets/shapes").status_code == 404


@pytest.mark.parametrize("path", ["/datasets", "/datasets/shapes"])
def test_nothing_stands_in_the_way_of_anyone(page: Any, uploaded: str, path: str, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(path)
    page.wait_for_load_state("networkidle")
    assert serious_violations(page) == []


@pytest.mark.parametrize("path", ["/datasets", "/datasets/shapes"])
def test_no_page_is_wider_than_a_phone(page: Any, uploaded: str, path: str) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
