"""A race on the pages: while it runs, at its end, next to other recommendations, and as a figure."""

import csv
import html
import io
import math
import re
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI

from service.figures.race import race
from service.schemas.answer import Alternative
from tests.service.races import (
    ALTERNATIVES,
    CELL,
    CYCLES,
    MEMORY_SENTENCE,
    PLAIN,
    PRETRAINED,
    REASON,
    REQUEST,
    finish_race,
    run_race,
    store_network,
)
from worker.registry import Engine

PAGE = {"Accept": "text/html"}


@pytest.fixture
def asked(http: httpx.Client) -> dict[str, Any]:
    return http.post("/v1/recommendations", json=REQUEST).json()


def text_of(page: str) -> str:
    """The text of the page without tags, in one line."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def section_of(page: str) -> str:
    """The text of the section "The race"; empty without one."""
    found = re.search(r'<section[^>]*aria-labelledby="race-title">.*?</section>', page, re.DOTALL)
    return "" if found is None else text_of(found[0])


def shown(http: httpx.Client, asked: dict[str, Any]) -> str:
    return http.get(f"/recommendations/{asked['id']}", headers=PAGE).text


def test_while_it_runs_the_page_shows_the_cycles_so_far(http: httpx.Client, asked, engine: Engine) -> None:
    assert section_of(shown(http, asked)) == ""
    run_race(engine, asked, [*CYCLES, CYCLES[2] | {"score": 0.85}])
    page = shown(http, asked)
    section = section_of(page)
    for row in (
        "tf_efficientnet_lite0 at 64 px pretrained 75.0 % 1 head",
        "tf_efficientnet_lite0 at 64 px pretrained 90.0 % 1 3",
        "tf_efficientnet_lite0 at 64 px pretrained 95.3 % 2 6",
        "resnet18 width 16 at 16 px plain 85.0 % 1 4",
    ):
        assert row in section
    assert "80.0 %" not in section, "a cycle that a later attempt repeats counts once"
    assert "Race the networks" in text_of(page)
    assert "Search for a cell" not in text_of(page)
    followed = re.search(r'data-kinds="([^"]+)"', page)
    assert followed is not None
    assert "cycle" in followed[1].split()


def test_at_its_end_the_page_shows_the_reason_and_every_network(
    http: httpx.Client, app: FastAPI, asked, engine
) -> None:
    finish_race(engine, app.state.resources.store, asked)
    page = shown(http, asked)
    section = section_of(page)
    assert f"Why: {REASON}." in section
    assert "How it was found" not in page, "the section of a search for a cell"
    for row in (
        "★ tf_efficientnet_lite0 at 64 px pretrained, from ImageNet 95.3 % ± 1.2 3,374,570 12.5 1 min 42 s yes",
        "resnet18 width 16 at 16 px plain, from fresh weights 90.0 % ± 1.5 702,626 4 21 s no",
        "cell 0a1b2c3d at 32 px cell, from fresh weights 91.0 % ± 1.4 52,100 2.5 11 s yes",
    ):
        assert row in section
    assert section.count("★") == 2, "in the caption and at the winner"
    assert "The seconds did not suffice for resnet18 width 64 at 16 px." in section
    assert MEMORY_SENTENCE in section
    assert "so far" not in section
    assert f'data-figure="/figures/recommendations/{asked["id"]}/race.json"' in page
    text = text_of(page)
    assert "The registry had no task to compare with." in text
    assert "Why: the known tasks" not in text, "there are none"


def test_the_size_of_an_image_is_the_networks_own(http: httpx.Client, app: FastAPI, asked, engine: Engine) -> None:
    finish_race(engine, app.state.resources.store, asked)
    assert "for one image of 64 × 64 pixels" in text_of(shown(http, asked)), "the target's images have 16"


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            {"verdict": "closest", "closest": {"name": "odd", "probability": 0.97}},
            "The closest known task is odd, with a probability of 97 %.",
        ),
        ({"verdict": "tie", "tied": ["a" * 32, "b" * 32]}, "odd and loops are about equally close."),
        ({"verdict": "no_close_task"}, "No known task is closer than untrained networks are."),
    ],
)
def test_the_known_tasks_are_named_and_no_space_was_searched(
    http: httpx.Client, app: FastAPI, asked, engine: Engine, parts: dict[str, Any], sentence: str
) -> None:
    known = [
        {"task_id": id * 32, "name": name, "measure": "log_det", "mean": mean}
        for id, name, mean in (("a", "odd", 0.5), ("b", "loops", 0.75))
    ]
    finish_race(engine, app.state.resources.store, asked, distances=known, **parts)
    text = text_of(shown(http, asked))
    assert sentence in text
    assert "Why: the known tasks" in text
    assert "729 cells" not in text
    assert "searched" not in text


@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        ({"kind": "cell", "design": CELL, "genotype": CELL["genotype"], "skeleton": CELL["skeleton"]}, 32),
        ({"genotype": CELL["genotype"], "skeleton": CELL["skeleton"]}, 32),  # of an earlier release
        ({"kind": "plain", "design": PLAIN | {"image_size": 24}}, 24),
    ],
)
def test_so_it_is_for_every_kind(http: httpx.Client, app, asked, engine, architecture: dict, size: int) -> None:
    sizes = {"id": "0" * 32, "parameters": 5, "macs": 7, "latency_ms": 1.0}
    finish_race(engine, app.state.resources.store, asked, architecture=architecture | sizes)
    assert f"for one image of {size} × {size} pixels" in text_of(shown(http, asked))


def test_a_network_without_a_cell_has_its_files_but_no_drawing(http: httpx.Client, app, asked, engine: Engine) -> None:
    finish_race(engine, app.state.resources.store, asked)
    page = shown(http, asked)
    links = re.findall(r'href="([^"]+)"[^>]* download', page)
    assert {link.rpartition("/")[2] for link in links} >= {"onnx", "weights", "race.svg", "race.csv"}
    for link in links:
        assert http.get(link).status_code == 200, link
    assert "cell.svg" not in page
    assert "needs torch and Pillow and timm;" in text_of(page)
    assert 'id="cell-title"' not in page
    assert http.get(f"/recommendations/{asked['id']}/cell.svg").status_code == 404


def test_the_code_of_a_network_of_torchvision_needs_torchvision(http: httpx.Client, app, asked, engine: Engine) -> None:
    design = PRETRAINED | {"name": "torchvision/squeezenet1_1", "weights": "0" * 64}
    store = app.state.resources.store
    sizes = {"id": store_network(engine, store, asked, design), "parameters": 5, "macs": 7, "latency_ms": 1.0}
    finish_race(engine, store, asked, architecture={"kind": "pretrained", "design": design, **sizes})
    assert "needs torch and Pillow and torchvision;" in text_of(shown(http, asked))


def test_names_of_networks_are_text(http: httpx.Client, app: FastAPI, asked, engine: Engine) -> None:
    hostile = [ALTERNATIVES[0] | {"name": "<b>x"}]
    finish_race(engine, app.state.resources.store, asked, alternatives=hostile)
    assert "<b>x" not in shown(http, asked)
    assert "&lt;b&gt;x" in shown(http, asked)
    (star,) = [
        one for one in http.get(f"/figures/recommendations/{asked['id']}/race.json").json()["data"] if "text" in one
    ]
    assert star["text"] == ["&lt;b>x<br>3,374,570 parameters"]


def test_a_comparison_names_the_kinds(http: httpx.Client, app: FastAPI, asked, engine: Engine, task_body: dict) -> None:
    finish_race(engine, app.state.resources.store, asked)
    other = http.post("/v1/recommendations", json=task_body).json()
    page = http.get("/compare", params=[("id", asked["id"]), ("id", other["id"])], headers=PAGE).text
    assert "Kind of network pretrained –" in text_of(page)
    assert "Searched – –" in text_of(page)


def figure_of(*rows: tuple[str, float, float]) -> Any:
    """The figure of networks with these kinds, scores and milliseconds, the winner first."""
    return race(
        [
            Alternative.model_validate(
                ALTERNATIVES[0] | {"name": f"n{place}", "kind": kind, "validation": score} | {"latency_ms": ms}
            )
            for place, (kind, score, ms) in enumerate(rows)
        ]
    )


def test_the_winner_is_a_star_and_a_line_connects_the_fast_and_good() -> None:
    figure = figure_of(("pretrained", 0.95, 12.5), ("plain", 0.9, 4.0), ("cell", 0.91, 2.5), ("cell", 0.8, 1.0))
    line, star, cells, plain = figure.data
    assert (line["x"], line["y"]) == ([1.0, 2.5, 12.5], [0.8, 0.91, 0.95])
    assert (star["marker"]["symbol"], star["x"], star["y"]) == ("star", [12.5], [0.95])
    assert (cells["name"], cells["x"], cells["marker"]["symbol"]) == ("cell", [2.5, 1.0], "circle")
    assert (plain["name"], plain["x"]) == ("plain", [4.0])
    assert star["error_y"]["array"] == [0.0125]
    assert figure.layout["xaxis"]["type"] == "log"
    assert figure.layout["xaxis"]["range"] == pytest.approx([-0.2, math.log10(12.5) + 0.2])
    assert figure.summary == (
        "n0 wins: 95.0 % in 12.5 ms. The fastest other one, n3, has 80.0 % in 1 ms. Bars are one standard error."
    )


def test_the_table_of_the_figure_has_every_network() -> None:
    rows = list(csv.reader(io.StringIO(race([Alternative.model_validate(one) for one in ALTERNATIVES]).csv().decode())))
    assert [row[0] for row in rows] == ["name", *(one["name"] for one in ALTERNATIVES)]
    assert rows[1][1:] == [
        *("pretrained", "ImageNet", "0.953", "0.0125", "3374570", "31900000", "12.5", "9", "101.5", "True", "True")
    ]
    assert [row[-2:] for row in rows[2:]] == [["True", "False"], ["False", "False"]]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_figure_is_a_file_and_data_for_the_page(count: int) -> None:
    figure = race([Alternative.model_validate(one) for one in ALTERNATIVES[:count]])
    assert ElementTree.fromstring(figure.svg()).tag.endswith("svg")
    assert figure.svg() == figure.svg()
    assert figure.plotly().startswith(b"{")
    assert figure.summary.endswith(".")
