"""The pages of recommendations, as HTML."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from worker.registry import Engine, unit_of_work

PAGE = {"Accept": "text/html"}
HOSTILE = "<script>alert(1)</script>"
EDGES = [[start, end, "identity"] for start, end in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))]
SKELETON = {"image_size": 8, "classes": 2, "stem_channels": 4, "stages": [{"channels": 4, "cells": 1}]}
PREDICTIONS = {"labels": [0, 0, 1, 1], "predictions": [0, 1, 0, 1], "probabilities": [0.9, 0.6, 0.8, 0.7]}


def distance(name: str, mean: float, probability: float) -> dict[str, Any]:
    entry = {"task_id": "b" * 32, "name": name, "measure": "log_det", "mean": mean, "interval": [mean / 2, mean * 2]}
    return entry | {"probability_closest": probability, "comparable": True, "approximation": True}


@pytest.fixture
def asked(http: httpx.Client, task_body: dict) -> dict[str, Any]:
    """A recommendation by a search, which no worker has claimed."""
    body = task_body | {"name": "mine", "budget": {"iterations": 12}}
    return http.post("/v1/recommendations", json=body).json()


@pytest.fixture
def work(engine: Engine, asked: dict[str, Any]) -> Callable[..., None]:
    """Lets a worker store parts of the answer and events, and bring its job to an end."""

    def work(
        *, end: str | None = None, error: Any = None, events: Any = (), stage: str = "search", **parts: Any
    ) -> None:
        with unit_of_work(engine) as registry:
            job = registry.jobs.get(asked["job_id"])
            if job.state.value == "queued":
                job = registry.leases.claim(job.id, worker="w", lease_seconds=60)
            progress = {"stage": stage, "fraction": 0.5, "message": f"{stage} continues", "eta_seconds": 90.0}
            registry.leases.progress(job.id, job.attempt, **progress)
            registry.recommendations.merge_document(asked["id"], job.id, job.attempt, parts)
            for kind, data in events:
                registry.leases.add_event(job.id, job.attempt, kind, data)
            if end == "succeeded":
                registry.leases.finish(job.id, job.attempt, {})
            elif end == "failed":
                registry.leases.fail(job.id, job.attempt, error)
            elif end == "cancelled":
                registry.jobs.request_cancel(job.id)

    return work


@pytest.fixture
def succeeded(app: FastAPI, engine: Engine, asked: dict[str, Any], work: Callable[..., None]) -> str:
    """One with all parts; the path of its page."""
    store = app.state.resources.store
    files = {file: store.put(file.encode()) for file in ("weights", "code", "program", "onnx", "card")}
    with unit_of_work(engine) as registry:
        for file, digest in files.items():
            registry.results.store_artifact(digest, len(file), "application/octet-stream")
        architecture = registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="mine",
            genotype={"edges": EDGES},
            skeleton=SKELETON,
            class_names=["a", HOSTILE],
            preprocessing={},
            parameters=134,
            macs=1000,
            validation={},
            test={},
            **files,
        )
    sheet = {"artifact": store.put(b"picture"), "positions": [2, 1], "columns": 8}
    work(
        end="succeeded",
        stage="export",
        target={"classes": ["a", HOSTILE], "train": 9, "validation": 4, "test": 4, "image_size": 8},
        verdict="closest",
        closest={"task_id": "b" * 32, "name": "near", "distance": 0.5, "probability": 0.97},
        distances=[distance("near", 0.5, 0.97), distance("far", 1.0, 0.03)],
        eligibility=[{"task_id": "c" * 32, "name": "busy", "eligible": False, "reason": "its job is running"}],
        search_space={"primitives": ["identity"], "size": 1, "fraction_of_full": 0.25, "skeleton": SKELETON},
        architecture={"id": architecture.id, "genotype": {"edges": EDGES}, "skeleton": SKELETON, "parameters": 134}
        | {"macs": 1000, "latency_ms": 0.5},
        test={
            "accuracy": 0.5,
            "interval": [0.15, 0.85],
            "balanced_accuracy": 0.5,
            "predictions": store.put(json.dumps(PREDICTIONS).encode()),
            "error_sheet": sheet,
        },
        cost={"stage_seconds": {"search": 65.0}, "device": "cpu", "device_seconds": 70.0},
        warnings=["little data: 9 images"],
    )
    return f"/recommendations/{asked['id']}"


def text_of(html: str) -> str:
    """What stands on the page, without tags, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_one_that_no_worker_has_begun_waits_and_can_be_cancelled(http: httpx.Client, asked: dict[str, Any]) -> None:
    html = http.get(f"/recommendations/{asked['id']}", headers=PAGE).text
    assert "It waits for a worker." in text_of(html)
    assert f'data-post="/v1/recommendations/{asked["id"]}/cancel"' in html
    assert f'data-events="/v1/recommendations/{asked["id"]}/events"' in html
    assert "data-figure" not in html


def test_while_it_runs_the_stages_show_the_progress(http: httpx.Client, asked: dict[str, Any], work) -> None:
    arrived = {"task_id": "b" * 32, "name": "near", "measure": "log_det", "mean": 0.5, "std": 0.1}
    forecast = {"search": 130.0, "training": 61.0}
    spent = {"resolve": 2.0, "search": 65.0}
    eligible = [{"task_id": name * 32, "name": name, "eligible": name != "c"} for name in "abc"]
    work(
        events=[("distance", arrived)],
        search={"forecast": forecast},
        cost={"stage_seconds": spent},
        eligibility=eligible,
    )
    html = http.get(f"/recommendations/{asked['id']}", headers=PAGE).text
    text = text_of(html)
    for words in ("50 % · search continues", "about 1 min 30 s left", "Read the images done in 2 s"):
        assert words in text
    assert "Search for a cell 1 min 5 s so far, about 2 min 10 s in all" in text
    assert "Train the network found about 1 min 1 s" in text
    assert "Measured so far: 1 of 2." in text
    assert f"/figures/recommendations/{asked['id']}/distances.json" in html
    assert "Compare with other ways" not in text


def test_a_figure_gets_another_address_when_there_is_more_to_draw(http: httpx.Client, asked, work) -> None:
    addresses = []
    for name in "ab":
        arrived = {"task_id": name * 32, "name": name, "measure": "log_det", "mean": 0.5, "std": 0.1}
        work(events=[("distance", arrived)])
        html = http.get(f"/recommendations/{asked['id']}", headers=PAGE).text
        addresses += re.findall(r'data-figure="([^"]+)"', html)
    assert len(set(addresses)) == 2


def test_the_answer_names_the_network_and_the_reasons(http: httpx.Client, succeeded: str) -> None:
    html = http.get(succeeded, headers=PAGE).text
    text = text_of(html)
    for words in (
        "It is right on 50.0 % of 4 test images that it had never seen (95 % interval 15.0 % to 85.0 %).",
        "The closest known task is near, with a probability of 97 %,",
        "so its search space (25.00 % of the full one) was searched.",
        "Little data: 9 images.",
        "Test accuracy 50.0 %",
        "Parameters 134 learned numbers, 536 bytes",
        "1 known task was left out",
        "busy: its job is running",
        "2 of 4 test images are classified incorrectly.",
    ):
        assert words in text, words
    assert "data-events" not in html
    assert 'id="promote"' in html


def test_what_others_named_is_text(http: httpx.Client, succeeded: str) -> None:
    html = http.get(succeeded, headers=PAGE).text
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_wrong_images_are_shown_the_most_confident_first(http: httpx.Client, succeeded: str) -> None:
    html = http.get(succeeded, headers=PAGE).text
    tiles = re.findall(r'<svg viewBox="([^"]+)" role="img" aria-label="([^"]+)">', html)
    assert tiles == [("0 0 1 1", "test image 2"), ("1 0 1 1", "test image 1")]
    assert f'<image href="/v1{succeeded}/errors.png" width="8" height="1"' in html
    assert "80 % sure" in html


def test_an_answer_without_pictures_says_why(http: httpx.Client, succeeded: str, asked, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        row = registry.recommendations.get(asked["id"])
        test = {**row.document["test"], "error_sheet": None}
        row.document = {**row.document, "test": test}
    html = http.get(succeeded, headers=PAGE).text
    assert "Pictures of them are not stored" in html
    assert 'class="plain gallery"' not in html


def test_every_file_and_every_figure_can_be_fetched(http: httpx.Client, succeeded: str) -> None:
    html = http.get(succeeded, headers=PAGE).text
    links = re.findall(r'href="([^"]+)"[^>]* download', html)
    figures = re.findall(r'data-figure="([^"]+)"', html)
    assert {link.rpartition("/")[2].partition("?")[0] for link in links} >= {
        *("code", "weights", "program", "onnx", "card", "cell.svg"),
        *("distances.svg", "distances.csv", "confusion.svg", "confusion.csv", "recall.svg", "recall.csv"),
    }
    assert {figure.rpartition("/")[2].partition(".")[0] for figure in figures} == {"distances", "confusion", "recall"}
    for address in {*links, *figures}:
        assert http.get(address).status_code == 200, address
    assert json.loads(http.get(f"/v1{succeeded}").content)["name"] == "mine"


def test_the_cell_is_drawn_in_the_colour_of_the_text(http: httpx.Client, succeeded: str) -> None:
    drawing = http.get(f"{succeeded}/cell.svg")
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert drawing.text in http.get(succeeded, headers=PAGE).text
    assert 'stroke="currentColor"' in drawing.text
    assert "black" not in drawing.text


def test_the_figures_are_those_of_the_evaluation(http: httpx.Client, succeeded: str) -> None:
    evaluation = http.get(f"/v1{succeeded}/evaluation").json()
    (trace,) = http.get(f"/figures{succeeded}/confusion.json").json()["data"]
    assert [[count or 0 for count in row] for row in trace["text"]] == evaluation["confusion"]


def test_missing_parts_have_no_figure(http: httpx.Client, asked: dict[str, Any]) -> None:
    assert http.get(f"/figures/recommendations/{asked['id']}/confusion.json").status_code == 404
    assert http.get(f"/figures/recommendations/{asked['id']}/control.json").status_code == 404
    assert http.get(f"/recommendations/{asked['id']}/cell.svg").status_code == 404
    unknown = http.get(f"/recommendations/{'0' * 32}", headers=PAGE)
    assert unknown.status_code == 404
    assert "Not found" in unknown.text


def test_a_failure_says_why_what_to_do_and_can_be_tried_again(http: httpx.Client, asked, work) -> None:
    error = {"code": "impossible_constraint", "detail": f"no cell {HOSTILE}", "field": "constraints.max_parameters"}
    work(end="failed", error=error, stage="resolve")
    html = http.get(f"/recommendations/{asked['id']}", headers=PAGE).text
    text = text_of(html)
    assert "No network in the search space satisfies the constraint: no cell &lt;script&gt;" in text
    assert "Submit the request again with a looser limit" in text
    assert "Read the images ended here" in text
    assert "constraints.max_parameters" in text
    assert f'data-post="/v1/jobs/{asked["job_id"]}/retry"' in html
    assert 'id="delete"' in html


def test_the_list_distinguishes_states_and_offers_what_can_be_compared(
    http: httpx.Client, succeeded: str, task_body
) -> None:
    http.post("/v1/recommendations", json=task_body | {"name": "waiting"})
    html = http.get("/recommendations", headers=PAGE).text
    assert re.findall(r'type="checkbox" name="id" value="([^"]+)"', html) == [succeeded.rpartition("/")[2]]
    assert "closest: near" in html
    for state, shown in (("succeeded", ["mine"]), ("queued", ["waiting"]), ("failed", [])):
        html = http.get("/recommendations", params={"state": state}, headers=PAGE).text
        assert re.findall(r'<a href="/recommendations/[0-9a-f]{32}">([^<]+)</a>', html) == shown
    assert http.get("/recommendations", params={"state": "lost"}, headers=PAGE).status_code == 422


def test_the_list_comes_a_page_at_a_time(http: httpx.Client, task_body: dict) -> None:
    for _ in range(51):
        http.post("/v1/recommendations", json=task_body)
    first = http.get("/recommendations", headers=PAGE).text
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link is not None
    second = http.get(link[1].replace("&amp;", "&"), headers=PAGE).text
    rows = [set(re.findall(r'<a href="/recommendations/([0-9a-f]{32})"', html)) for html in (first, second)]
    assert (len(rows[0]), len(rows[1])) == (50, 1)
    assert not rows[0] & rows[1]
    assert 'rel="next"' not in second


def test_a_list_without_recommendations_says_so(http: httpx.Client) -> None:
    assert "The list is empty" in http.get("/recommendations", headers=PAGE).text


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"verdict": "no_baseline"}, "The registry had no task to compare with, so the full space is searched."),
        (
            {"verdict": "closest", "closest": {"name": "a"}, "search_space": {"source_task_ids": []}},
            "The closest known task is a, but its search space did not serve: the full one is searched.",
        ),
        ({"verdict": "no_close_task"}, "closer than untrained networks are, so the full space is searched."),
        (
            {
                "verdict": "tie",
                "tied": ["1" * 32, "2" * 32],
                "distances": [
                    distance("a", 1.0, 0.5) | {"task_id": "1" * 32},
                    distance("b", 1.0, 0.4) | {"task_id": "2" * 32},
                ],
                "search_space": {"fraction_of_full": 0.5},
            },
            "a and b are about equally close, so their search spaces together (50.00 % of the full one) are searched.",
        ),
    ],
)
def test_each_verdict_is_a_sentence(http: httpx.Client, asked, work, parts: dict[str, Any], expected: str) -> None:
    work(**parts)
    assert expected in text_of(http.get(f"/recommendations/{asked['id']}", headers=PAGE).text)


def test_the_other_ways_are_shown_with_their_verdict(http: httpx.Client, asked, work) -> None:
    arm = {"mean": 0.5, "difference": 0.25, "interval": [0.125, 0.5], "verdict": "helped"}
    control = {"verdict": "helped", "seeds": 3, "seconds": 61.0, "found": {"mean": 0.75}, "random": arm}
    control |= {"full_space": arm, "resnet18": {"reason": "none is so small"}}
    work(stage="control", control=control)
    html = http.get(f"/recommendations/{asked['id']}", headers=PAGE).text
    text = text_of(html)
    assert "The memory of tasks helped: every other way to spend the time did worse." in text
    assert "random cells 50.0 % 25.0 % 12.5 % to 50.0 % helped" in text
    assert "ResNet-18 – – – none is so small" in text
    assert f"/figures/recommendations/{asked['id']}/control.json" in html


def test_a_key_to_read_is_offered_nothing_to_change(http: httpx.Client, succeeded: str, make_key) -> None:
    html = http.get(succeeded, headers=PAGE | {"Authorization": f"Bearer {make_key('read', 'reader')}"}).text
    assert "The key reader may only read" in html
    assert not re.search(r'id="(promote|delete)', html)
    html = http.get(succeeded, headers=PAGE | {"Authorization": f"Bearer {make_key('write')}"}).text
    assert 'id="promote"' in html
