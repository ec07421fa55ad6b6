"""`/datasets`: the uploaded datasets and how many tasks use each; `/datasets/{name}`: the content of one."""

import html
import io
import re
import zipfile
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from safetensors.numpy import save as save_safetensors

HOSTILE = "<img src=x onerror=alert(1)>"
WEIGHTS = save_safetensors({"head.weight": np.zeros((2, 3), np.float32), "head.bias": np.zeros(2, np.float32)})


@pytest.fixture
def stripes(http: httpx.Client, stripes_zip: bytes) -> bytes:
    assert http.put("/v1/datasets/stripes", content=stripes_zip).status_code == 201
    return stripes_zip


def words_of(page: str) -> str:
    """The text that a reader sees on the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def rows_of(page: str) -> list[str]:
    return [words_of(row) for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL)]


def test_a_person_without_datasets_sees_how_to_upload_one(http: httpx.Client) -> None:
    page = http.get("/datasets").text
    assert "No dataset is uploaded yet" in page
    assert 'id="upload-file"' in page
    assert 'id="upload-value_range" name="value_range"' in page


def test_a_dataset_is_listed_with_its_size_and_how_many_tasks_use_it(http: httpx.Client, stripes: bytes) -> None:
    for name in ("a", "b"):
        asked = http.post("/v1/tasks", json={"name": name, "dataset": {"uri": "dataset://stripes"}})
        assert asked.status_code == 202, asked.text
    assert http.put("/v1/datasets/mine", content=WEIGHTS).status_code == 201
    _, weights, images = rows_of(http.get("/datasets").text)
    assert weights.startswith(f"mine weights safetensors – {len(WEIGHTS)} bytes no task")
    assert images.startswith(f"stripes images zip 36 {len(stripes) / 1000:.1f} kB 2 tasks")


def test_the_tasks_that_bring_their_weights_count_as_well(http: httpx.Client) -> None:
    http.put("/v1/datasets/mine", content=WEIGHTS)
    network = {"architecture": "small_cnn", "weights": "dataset://mine"}
    body = {"name": "own", "dataset": {"uri": "builtin://digits"}, "network": network, "repetitions": 1}
    task = http.post("/v1/tasks", json=body).json()
    assert "1 task " in rows_of(http.get("/datasets").text)[1]
    page = http.get("/datasets/mine").text
    assert "the weights of a network, 8 numbers in 2 tensors" in words_of(page)
    assert f'<a href="/tasks/{task["id"]}">own</a>' in page
    assert "Find a network" not in page


def test_the_list_comes_in_pages(http: httpx.Client, stripes: bytes) -> None:
    for name in ("second", "third"):
        http.put(f"/v1/datasets/{name}", content=stripes)
    first = http.get("/datasets?limit=2").text
    assert [row.split()[0] for row in rows_of(first)[1:]] == ["third", "second"]
    older = re.search(r'href="(/datasets\?after=\w+)"', first)
    assert older is not None
    assert [row.split()[0] for row in rows_of(http.get(older[1]).text)[1:]] == ["stripes"]


def test_a_dataset_lists_the_images_of_each_class_in_each_split(http: httpx.Client, stripes: bytes) -> None:
    page = http.get("/datasets/stripes").text
    found = http.get("/v1/datasets/stripes").json()
    expected = [f"{c['name']} {c['train']} {c['validation']} {c['test']}" for c in found["classes"]]
    assert rows_of(page)[1:-1] == expected
    assert rows_of(page)[-1] == "All {train} {validation} {test}".format(**found["counts"])
    assert 'href="/recommendations/new?dataset=stripes"' in page


def test_more_users_than_are_named_are_counted(http: httpx.Client, stripes: bytes, monkeypatch) -> None:
    monkeypatch.setattr("service.dashboard.pages.datasets.USERS_SHOWN", 1)
    for name in ("oldest", "newest"):
        http.post("/v1/tasks", json={"name": name, "dataset": {"uri": "dataset://stripes"}})
    assert "oldest and 1 more task" in words_of(http.get("/datasets/stripes").text)


def test_more_classes_than_fit_are_counted(http: httpx.Client, stripes: bytes, monkeypatch) -> None:
    monkeypatch.setattr("service.dashboard.pages.datasets.CLASSES_SHOWN", 1)
    page = http.get("/datasets/stripes").text
    assert len(rows_of(page)) == 3  # the heading, one class, all of them
    assert "and 2 more: GET /v1/datasets/stripes" in words_of(page)


def test_names_of_classes_cannot_become_part_of_the_page(http: httpx.Client, stripes_zip: bytes) -> None:
    renamed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stripes_zip)) as before, zipfile.ZipFile(renamed, "w") as after:
        for name in before.namelist():
            after.writestr(name.replace("plain", HOSTILE), before.read(name))
    assert http.put("/v1/datasets/odd", content=renamed.getvalue()).status_code == 201
    page = http.get("/datasets/odd").text
    assert HOSTILE not in page
    assert html.escape(HOSTILE) in page


def test_a_dataset_that_is_not_there_is_a_page_that_says_so(http: httpx.Client) -> None:
    answer = http.get("/datasets/none", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "none" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_who_may_only_read_is_offered_no_way_to_change_anything(
    http: httpx.Client, stripes: bytes, make_key: Callable[..., str]
) -> None:
    for scope, offered in (("read", False), ("write", True)):
        headers = {"Authorization": f"Bearer {make_key(scope)}"}
        for path in ("/datasets", "/datasets/stripes"):
            assert ("data-delete" in http.get(path, headers=headers).text) is offered
        assert ("data-upload" in http.get("/datasets", headers=headers).text) is offered
