"""Finished architectures: their documents and their files."""

from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI

from tests.service.races import PLAIN, PRETRAINED, store_network
from worker.registry import Engine, unit_of_work

FILES = {
    "weights": b"weights",
    "code": b"print('code')\n",
    "program": b"program",
    "onnx": b"onnx",
    "card": "# card – über\n".encode(),
}


@pytest.fixture
def architecture(http: httpx.Client, task_body: dict, app: FastAPI, engine: Engine) -> str:
    asked = http.post("/v1/recommendations", json=task_body).json()
    store = app.state.resources.store
    with unit_of_work(engine) as registry:
        return registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="mine",
            genotype={"edges": [[0, 1, "identity"], [1, 2, "sep_conv_3x3"], [0, 2, "max_pool_3x3"]]},
            skeleton={"stem_channels": 16},
            class_names=["a", "b"],
            preprocessing={"image_size": 16},
            parameters=7,
            macs=11,
            validation={"accuracy": 0.9},
            test={"accuracy": 0.8},
            **{file: store.put(content) for file, content in FILES.items()},
        ).id


def test_an_architecture_names_the_paths_of_its_files(http: httpx.Client, architecture: str) -> None:
    document = http.get(f"/v1/architectures/{architecture}").json()
    assert http.get("/v1/architectures").json()["items"] == [document]
    for file, content in FILES.items():
        assert http.get(document[file]).content == content
    assert document["graph"] == f"/v1/architectures/{architecture}/graph"


@pytest.mark.parametrize(
    ("file", "media_type", "suffix"),
    [
        ("code", "text/x-python; charset=utf-8", "py"),
        ("weights", "application/octet-stream", "safetensors"),
        ("program", "application/octet-stream", "pt2"),
        ("onnx", "application/octet-stream", "onnx"),
        ("card", "text/markdown; charset=utf-8", "md"),
    ],
)
def test_a_file_says_what_it_is(http: httpx.Client, architecture: str, file: str, media_type: str, suffix: str) -> None:
    headers = http.get(f"/v1/architectures/{architecture}/{file}").headers
    assert headers["content-type"] == media_type
    assert f'filename="{architecture}.{suffix}"' in headers["content-disposition"]


def test_the_cell_is_a_graph(http: httpx.Client, architecture: str) -> None:
    graph = http.get(f"/v1/architectures/{architecture}/graph").json()
    assert graph["nodes"] == [
        {"id": 0, "role": "input"},
        {"id": 1, "role": "inner"},
        {"id": 2, "role": "output"},
    ]
    assert graph["edges"][1] == {"source": 1, "target": 2, "primitive": "sep_conv_3x3"}
    assert graph["skeleton"] == {"stem_channels": 16}


def test_networkx_reads_the_graph(http: httpx.Client, architecture: str) -> None:
    networkx = pytest.importorskip("networkx")  # torch brings it
    document = http.get(f"/v1/architectures/{architecture}/graph").json()
    graph = networkx.node_link_graph(document, edges="edges")
    assert sorted(graph.edges(data="primitive")) == [
        (0, 1, "identity"),
        (0, 2, "max_pool_3x3"),
        (1, 2, "sep_conv_3x3"),
    ]


def test_the_cell_is_drawn_for_who_accepts_svg(http: httpx.Client, architecture: str) -> None:
    path = f"/v1/architectures/{architecture}/graph"
    answer = http.get(path, headers={"Accept": "image/svg+xml"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["vary"] == "Accept"
    texts = [element.text for element in ElementTree.fromstring(answer.text).iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["in", "1", "out", "identity", "sep_conv_3x3", "max_pool_3x3"]
    known = {"Accept": "image/svg+xml", "If-None-Match": answer.headers["ETag"]}
    assert http.get(path, headers=known).status_code == 304
    assert http.get(path, headers={"Accept": "text/html"}).status_code == 406


@pytest.mark.parametrize("design", [PLAIN, PRETRAINED], ids=lambda design: design["kind"])
def test_a_network_without_a_cell_has_no_graph(
    http: httpx.Client, task_body: dict, app: FastAPI, engine: Engine, design: dict
) -> None:
    asked = http.post("/v1/recommendations", json=task_body).json()
    path = f"/v1/architectures/{store_network(engine, app.state.resources.store, asked, design)}"
    document = http.get(path).json()
    assert (document["kind"], document["design"]) == (design["kind"], design)
    assert [document[field] for field in ("genotype", "skeleton", "graph")] == [None, None, None]
    for accept in ("application/json", "image/svg+xml"):
        answer = http.get(f"{path}/graph", headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "no_cell")
        assert answer.json()["detail"] == f"the architecture has no cell: it is of the kind {design['kind']}"
    assert http.get(f"{path}/onnx").content == b"onnx"


def test_a_cell_of_an_earlier_release_is_of_the_kind_cell(http: httpx.Client, architecture: str) -> None:
    document = http.get(f"/v1/architectures/{architecture}").json()
    own = {"genotype": document["genotype"], "skeleton": document["skeleton"]}
    assert (document["kind"], document["design"]) == ("cell", {"kind": "cell", **own})


@pytest.mark.parametrize("file", [*FILES, "graph"])
def test_a_file_never_changes_and_costs_a_304_the_second_time(http: httpx.Client, architecture: str, file: str) -> None:
    path = f"/v1/architectures/{architecture}/{file}"
    tag = http.get(path).headers["ETag"]
    assert http.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_file_that_is_gone_is_said_to_be(http: httpx.Client, architecture: str, app: FastAPI) -> None:
    store = app.state.resources.store
    store.path(store.put(b"weights")).unlink()
    answer = http.get(f"/v1/architectures/{architecture}/weights")
    assert (answer.status_code, answer.json()["code"]) == (404, "missing_artifact")


@pytest.mark.parametrize("tail", ["", "/graph", *(f"/{file}" for file in FILES)])
def test_an_unknown_architecture_is_not_found(http: httpx.Client, tail: str) -> None:
    assert http.get(f"/v1/architectures/{'0' * 32}{tail}").status_code == 404
