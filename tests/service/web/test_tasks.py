"""The pages of tasks: what the list, the map and the page of one task say."""

import csv
import io
from typing import Any

import httpx
import pytest

from ldnas.recipe import default_recipe
from ldnas.space.genotype import EDGES
from worker.registry import CellTraining, Engine, JobState, reading, unit_of_work

HTML = {"Accept": "text/html"}
HOSTILE = "<script>alert(1)</script>"
TASK = {"labels": None, "seed": 0, "counts": {"train": 10, "validation": 5, "test": 5}}
CELL = {"edges": [[start, end, "sep_conv_3x3"] for start, end in EDGES]}
RECIPE = default_recipe("small_cnn").digest


def add_task(
    engine: Engine, name: str, *accuracies: float, role: str = "baseline", state: JobState = JobState.SUCCEEDED
) -> str:
    """A task whose networks have these balanced accuracies; gives its id."""
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("register_task", {})
        task = registry.tasks.insert(
            name=name,
            role=role,
            job_id=job.id,
            dataset={"uri": "builtin://digits"},
            epsilon=0.2,
            repetitions=len(accuracies),
            class_names=["odd", HOSTILE],
            **TASK,
        )
        for repetition, accuracy in enumerate(accuracies):
            key = f"{task.id}/{repetition}"
            registry.results.store_network(
                key=key,
                architecture="small_cnn",
                seed=0,
                classes=2,
                weights="w" * 64,
                parameters=1234,
                validation_accuracy=0.5,
                validation_balanced_accuracy=accuracy,
                seconds=1.0,
            )
            registry.task_results.link_network(task.id, repetition, key)
        if state is not JobState.QUEUED:
            claimed = registry.leases.claim(job.id, worker="w", lease_seconds=60)
            assert claimed is not None
        if state is JobState.SUCCEEDED:
            registry.leases.finish(job.id, 1, {})
        return task.id


def measure(engine: Engine, source: str, target: str, *values: float) -> None:
    """Distances by log_det_layerwise from one task to another, one for each repetition."""
    row = {"data_key": "d", "measure": "log_det_layerwise", "recipe_digest": RECIPE}
    with unit_of_work(engine) as registry:
        registry.results.store_distances(
            [
                row | {"source_network": f"{source}/{r}", "target_network": f"{target}/{r}", "value": v, "signed": v}
                for r, v in enumerate(values)
            ]
        )


def text_of(http: httpx.Client, path: str, **query: Any) -> str:
    answer = http.get(path, params=query or None, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_an_empty_registry_says_how_to_fill_it(http: httpx.Client) -> None:
    text = text_of(http, "/tasks")
    assert "ldnas task add" in text
    assert "data-figure" not in text


def test_the_list_says_what_each_task_is(http: httpx.Client, engine: Engine) -> None:
    ready = add_task(engine, "odd", 0.9, 0.7)
    add_task(engine, "even", state=JobState.QUEUED)
    text = " ".join(text_of(http, "/tasks").split())
    assert "2 baselines, 1 ready" in text
    assert f'<a href="/tasks/{ready}">odd</a>' in text
    assert "80.0 %" in text  # the mean of its networks
    assert "1 of 2" in text  # 0.7 misses 1-ε
    assert "builtin://digits" in text


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, {"odd", "even", "new"}),
        ({"role": "target"}, {"new"}),
        ({"state": "queued"}, {"even"}),
        ({"name": "OD"}, {"odd"}),
        ({"name": "", "role": "", "state": ""}, {"odd", "even", "new"}),
        ({"name": "nothing like this"}, set()),
    ],
)
def test_the_list_is_narrowed_down(http: httpx.Client, engine: Engine, asked: dict, shown: set) -> None:
    add_task(engine, "odd", 0.9)
    add_task(engine, "even", state=JobState.QUEUED)
    add_task(engine, "new", role="target")
    text = text_of(http, "/tasks", **asked)
    assert {name for name in ("odd", "even", "new") if f">{name}</a>" in text} == shown
    assert ("No task matches" in text) == (not shown)


def test_a_long_list_continues_behind_a_link_that_keeps_the_filter(
    http: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.dashboard.pages.tasks.LISTED", 2)
    add_task(engine, "even")
    for number in range(3):
        add_task(engine, f"odd {number}")
    text = text_of(http, "/tasks", name="odd")
    assert "odd 2" in text
    assert ">odd 0</a>" not in text
    address = text.split('rel="next"')[0].rpartition('href="')[2].split('"')[0].replace("&amp;", "&")
    older = text_of(http, address)
    assert ">odd 0</a>" in older
    assert "even</a>" not in older
    assert 'rel="next"' not in older


@pytest.mark.parametrize("path", ["/tasks?role=admin", "/tasks?after=x", "/tasks?measure=logme"])
def test_what_cannot_be_asked_for_is_a_problem_in_words(http: httpx.Client, path: str) -> None:
    answer = http.get(path, headers=HTML)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_task_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    assert http.get(f"/tasks/{'0' * 32}", headers=HTML).status_code == 404
    assert http.get(f"/figures/tasks/{'0' * 32}/accuracy.json").status_code == 404


def test_what_others_wrote_stays_text(http: httpx.Client, engine: Engine) -> None:
    task = add_task(engine, HOSTILE, 0.9)
    add_task(engine, "odd", 0.9)
    for path in ("/tasks", f"/tasks?name={HOSTILE}", f"/tasks/{task}"):
        text = text_of(http, path)
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_the_page_of_a_task_shows_its_facts_and_nearest_tasks(http: httpx.Client, engine: Engine) -> None:
    task, near, far = (add_task(engine, name, 0.9, 0.7) for name in ("odd", "near", "far"))
    measure(engine, near, task, 1.0, 2.0)
    measure(engine, far, task, 5.0)
    measure(engine, task, near, 7.0)
    with unit_of_work(engine) as registry:
        row = {"digest": "d", "genotype": CELL, "validation_accuracy": 0.875, "epochs": 3}
        registry.task_results.link_genotypes(task, [registry.results.store_search("s", "random", [row])[0].id])
        registry.tasks.get(task).samples = "a" * 64
    text = " ".join(text_of(http, f"/tasks/{task}").split())
    for words in ("10 to train, 5 to validate, 5 to test", "1,234", "87.5 % on validation images after 3 epochs"):
        assert words in text
    assert text.count("sep_conv_3x3</text>") == len(EDGES)
    assert text.count(f'<image href="/v1/tasks/{task}/samples"') == 2
    assert f'data-figure="/figures/tasks/{task}/accuracy.json?networks=2"' in text
    nearest = text.split('id="near"')[1]
    assert nearest.index(">near</a>") < nearest.index(">far</a>")
    assert f'<a href="/distances/{near}/{task}?measure=log_det_layerwise">1.5</a>' in nearest  # the mean
    assert f'<a href="/distances/{task}/{near}?measure=log_det_layerwise">7</a>' in nearest
    assert "not measured" in nearest.split(">far</a>")[1].split("</tr>")[0]


def test_the_page_of_a_task_lists_the_trainings_of_its_cells(http: httpx.Client, engine: Engine) -> None:
    task_id = add_task(engine, "odd", 0.9)
    assert "Trainings of cells" not in http.get(f"/tasks/{task_id}", headers=HTML).text
    with unit_of_work(engine) as registry:
        for key, epochs in ((f"{task_id}/0", 15), ("trial", 4)):
            training = CellTraining(key, CELL, {}, epochs, 0, 0.875, 0.4321, 0.0123, 6.5)
            registry.task_results.store_training(task_id, training)
        registry.task_results.link_cell(task_id, f"{task_id}/0", {})
    table = http.get(f"/tasks/{task_id}", headers=HTML).text.partition("Trainings of cells")[2]
    full, trial = table.partition("<tbody>")[2].partition("</tbody>")[0].split("</tr>")[:2]
    assert "sep_conv_3x3 sep_conv_3x3" in full
    assert [text in full for text in ("15", "87.5 %", "± 1.2", "0.432", "6.5", "stored")] == [True] * 6
    assert "stored" not in trial


def test_an_old_task_says_that_it_has_no_picture(http: httpx.Client, engine: Engine) -> None:
    assert "None are stored for this task" in text_of(http, f"/tasks/{add_task(engine, 'odd', 0.9)}")


def test_a_target_leads_to_its_recommendation(http: httpx.Client, engine: Engine) -> None:
    task = add_task(engine, "new", role="target")
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("recommend", {})
        answer = registry.recommendations.insert(name="new", job_id=job.id, task_id=task, request={}, document={}).id
    assert f'href="/recommendations/{answer}"' in text_of(http, f"/tasks/{task}")


def test_a_task_under_way_is_followed_and_one_that_ended_is_not(http: httpx.Client, engine: Engine) -> None:
    waiting, ready = add_task(engine, "odd", state=JobState.QUEUED), add_task(engine, "even", 0.9)
    with reading(engine) as registry:
        job_id = registry.tasks.get(waiting).job_id
    assert f'data-events="/v1/jobs/{job_id}/events"' in text_of(http, f"/tasks/{waiting}")
    assert "data-events" not in text_of(http, f"/tasks/{ready}")


def test_the_map_places_the_tasks_that_were_measured(http: httpx.Client, engine: Engine) -> None:
    left, right, alone = (add_task(engine, name, 0.9) for name in ("left", "right", "alone"))
    assert http.get("/figures/tasks/map.json").status_code == 404
    measure(engine, left, right, 3.0)
    measure(engine, right, left, 5.0)
    figure = http.get("/figures/tasks/map.json").json()
    assert "1 tasks without a measured path" in figure["summary"]
    assert "100% of the spread" in figure["summary"]
    [trace] = figure["data"]
    assert sorted(trace["customdata"]) == sorted([f"/tasks/{left}", f"/tasks/{right}"])
    assert abs(trace["x"][0] - trace["x"][1]) == pytest.approx(4.0)
    rows = list(csv.DictReader(io.StringIO(http.get("/figures/tasks/map.csv").text)))
    assert {row["name"] for row in rows} == {"left", "right"}
    svg = http.get("/figures/tasks/map.svg")
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert "left</text>" in svg.text
    assert alone not in svg.text


def test_the_figures_of_a_task_come_in_every_format(http: httpx.Client, engine: Engine) -> None:
    task, other, bare = add_task(engine, "odd", 0.9, 0.7), add_task(engine, "even", 0.9), add_task(engine, "bare")
    measure(engine, other, task, 1.5)
    accuracy = http.get(f"/figures/tasks/{task}/accuracy.csv").text
    assert accuracy == "repetition,balanced_validation_accuracy,needed\n1,0.9,0.8\n2,0.7,0.8\n"
    assert "1 of 2 networks reach" in http.get(f"/figures/tasks/{task}/accuracy.json").json()["summary"]
    neighbours = http.get(f"/figures/tasks/{task}/neighbours.csv").text
    assert neighbours == f"task_id,name,mean,std,repetitions\n{other},even,1.5,,1\n"
    for name in ("accuracy", "neighbours"):
        assert "<svg" in http.get(f"/figures/tasks/{task}/{name}.svg").text
        assert http.get(f"/figures/tasks/{bare}/{name}.json").status_code == 404
