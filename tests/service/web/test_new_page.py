"""`/recommendations/new`: a form that has every field of the request, and what it says about each."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from service.app import create_app
from service.dashboard import request_fields as module
from service.dashboard.request_fields import BY_HAND, request_fields
from tests.service.conftest import InProcess
from worker.registry import Engine, unit_of_work
from worker.settings import Settings
from worker.specification import RecommendationRequest, Strategy


@pytest.fixture
def stripes(http: httpx.Client, stripes_zip: bytes) -> str:
    assert http.put("/v1/datasets/stripes", content=stripes_zip).status_code == 201
    return "stripes"


def leaves(model: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of a request model's values, found by its annotations instead of its schema."""
    for name, field in model.model_fields.items():
        inner = [
            part
            for part in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if hasattr(part, "model_fields")
        ]
        if inner:
            yield from leaves(inner[0], f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_field_of_a_request_has_its_place_in_the_form(http: httpx.Client) -> None:
    page = http.get("/recommendations/new").text
    shown = re.findall(r'data-path="([^"]+)"', page)
    assert set(shown) | BY_HAND == set(leaves(RecommendationRequest))
    # Only the dataset's address has several inputs, of which one is shown at a time.
    assert {path for path in shown if shown.count(path) > 1} == {"dataset.uri"}


def test_the_page_begins_with_what_the_service_does_by_default(http: httpx.Client) -> None:
    lead = re.search(r'<p class="lead">(.*?)</p>', http.get("/recommendations/new").text, re.DOTALL)[1]
    assert "By default the service compares them with the known tasks, and lets whole networks race" in " ".join(
        lead.split()
    )


def test_every_input_has_a_label_and_a_hint(http: httpx.Client) -> None:
    page = http.get("/recommendations/new").text
    for field in request_fields().values():
        assert f'for="{field.id}"' in page
        assert f'id="{field.id}-hint"' in page
        assert html.escape(field.hint, quote=False) in html.unescape(page).replace("&", "&amp;")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("seed", "Another seed gives another run on the same images. 0 or more; default: 0."),
        ("final.seeds", "The best on validation images is the answer. 1 to 10; default: 1."),
        # 10,000,000 seconds are 166,666 minutes and 40 seconds.
        ("budget.seconds", "For the whole job; at the end the best network so far is the answer. Above 0, to 166,666."),
        ("budget.iterations", "At most; the job has no time limit. 1 to 10,000."),
        (
            "constraints.max_parameters",
            "Trainable numbers; they set the file size. 1 or more; left empty: no limit.",
        ),
        ("priority", "The waiting job with the highest priority starts first. -100 to 100; default: 0."),
    ],
)
def test_limits_and_defaults_are_those_of_the_schema(path: str, hint: str) -> None:
    assert request_fields()[path].hint == hint


def test_a_choice_begins_with_its_default_which_a_request_leaves_out() -> None:
    objective = request_fields()["objective"]
    assert objective.choices[0] == ("", "Accuracy: each image counts the same (default)")
    assert [value for value, _ in objective.choices] == ["", "balanced_accuracy", "macro_f1"]


def test_the_race_is_the_first_choice_below_the_default_strategy() -> None:
    values = [value for value, _ in request_fields()["search.strategy"].choices]
    assert values[:2] == ["", "race"]
    assert {*values, "fuse"} == {"", *get_args(Strategy)}


def test_every_kind_of_network_can_be_left_out_of_a_race(http: httpx.Client) -> None:
    page = http.get("/recommendations/new").text
    found = re.search(r'<div [^>]*data-path="candidates" data-kind="several" hidden>(.*?)</div>', page, re.DOTALL)
    assert found is not None
    boxes = re.findall(r'<input type="checkbox" value="([^"]+)" checked>', found[1])
    [kinds] = get_args(RecommendationRequest.model_fields["candidates"].annotation)[:1]
    assert tuple(boxes) == get_args(get_args(kinds)[0])


def test_a_field_that_has_no_words_yet_is_among_the_other_settings(http: httpx.Client, monkeypatch) -> None:
    assert "<legend>Other</legend>" not in http.get("/recommendations/new").text
    texts = module.form_text
    monkeypatch.setattr(module, "form_text", lambda path: None if path == "epsilon" else texts(path))
    request_fields.cache_clear()
    try:
        page = http.get("/recommendations/new").text
        assert "<legend>Other</legend>" in page
        assert page.count('data-path="epsilon"') == 2  # in its place and there: nothing is lost
    finally:
        request_fields.cache_clear()


def test_an_uploaded_dataset_can_be_chosen_by_the_address(http: httpx.Client, stripes: str) -> None:
    chosen = '<option value="dataset://stripes" selected>'
    assert chosen in http.get("/recommendations/new?dataset=stripes").text
    assert chosen not in http.get("/recommendations/new").text
    assert "selected" not in http.get("/recommendations/new?dataset=none").text


def test_a_dataset_too_old_to_be_offered_is_offered_where_it_is_named(
    http: httpx.Client, stripes: str, stripes_zip: bytes, monkeypatch
) -> None:
    monkeypatch.setattr("service.dashboard.pages.new.DATASETS_OFFERED", 1)
    http.put("/v1/datasets/newer", content=stripes_zip)
    assert "dataset://stripes" not in http.get("/recommendations/new").text
    assert '<option value="dataset://stripes" selected>' in http.get("/recommendations/new?dataset=stripes").text


def test_what_locations_are_open_is_said(settings: Settings, tmp_path: Path) -> None:
    opened = replace(settings, dataset_roots=(Path("/data/<b>"),), remote_hosts=("images.example.org",))
    for asked, words in ((settings, "may reach no host"), (opened, "/data/&lt;b&gt;"), (opened, "images.example.org")):
        app = create_app(asked)
        with httpx.Client(transport=InProcess(app), base_url="http://service") as http:
            assert words in http.get("/recommendations/new").text
        app.state.resources.engine.dispose()


def test_a_key_to_read_sees_that_asking_needs_more(http: httpx.Client, make_key: Callable[..., str]) -> None:
    page = http.get("/recommendations/new", headers={"Authorization": f"Bearer {make_key('read', '<reader>')}"}).text
    assert "The key &lt;reader&gt; may only read." in page
    assert re.search(r'<button class="primary" id="ask" disabled>', page)
    assert "data-upload" not in page
    page = http.get("/recommendations/new", headers={"Authorization": f"Bearer {make_key('write')}"}).text
    assert "may only read" not in page
    assert re.search(r'<button class="primary" id="ask">', page)


def classes_of(http: httpx.Client, uri: str, **options: str) -> Any:
    return http.get("/recommendations/new/classes", params={"uri": uri, **options}).json()


def test_the_digits_are_known_without_reading_them(http: httpx.Client, tmp_path: Path) -> None:
    dataset = load_dataset(DatasetReference("builtin://digits"), roots=(), cache=tmp_path)
    assert classes_of(http, "builtin://digits") == {"names": [*dataset.class_names], "told_by": None, "sheet": None}


def test_other_classes_are_known_from_the_newest_task_that_took_them_as_they_are(
    http: httpx.Client, engine: Engine
) -> None:
    mnist = {"uri": "torchvision://MNIST"}
    asked = {
        "old": {"dataset": mnist},
        "new": {"dataset": mnist},
        "mapped": {"dataset": mnist, "labels": {"groups": [[1]], "rest": True}},
        "unread": {"dataset": mnist},
        "other": {"dataset": {"uri": "torchvision://CIFAR10"}},
    }
    assert classes_of(http, mnist["uri"]) == {"names": None, "told_by": None, "sheet": None}
    ids = {}
    for name, body in asked.items():
        ids[name] = http.post("/v1/tasks", json={"name": name, **body}).json()["id"]
        if name != "unread":
            resolve(engine, ids[name], [f"{name} a", f"{name} b"], samples="0" * 64)
    newest = {"names": ["new a", "new b"], "told_by": "new", "sheet": f"/v1/tasks/{ids['new']}/samples"}
    assert classes_of(http, mnist["uri"]) == newest


def test_the_labels_of_another_column_are_other_classes(http: httpx.Client, engine: Engine, settings: Settings) -> None:
    uri = (settings.dataset_roots[0] / "rows.parquet").as_uri()
    (settings.dataset_roots[0] / "rows.parquet").write_bytes(b"PAR1")
    for name, column in (("usual", {}), ("coarse", {"label_column": "coarse"})):
        task = http.post("/v1/tasks", json={"name": name, "dataset": {"uri": uri, **column}}).json()
        resolve(engine, task["id"], [name])
    assert classes_of(http, uri)["names"] == ["usual"]
    assert classes_of(http, uri, label_column="coarse")["names"] == ["coarse"]
    assert classes_of(http, uri, label_column="fine")["names"] is None


def resolve(engine: Engine, task_id: str, names: list[str], samples: str | None = None) -> None:
    digests = dict.fromkeys(("dataset_digest", "mapping_digest", "preprocessing_digest", "seen_images"), "0" * 64)
    with unit_of_work(engine) as registry:
        registry.tasks.resolve(
            task_id,
            architecture="small_cnn",
            class_names=names,
            counts={},
            class_counts=[],
            samples=samples,
            **digests,
        )
