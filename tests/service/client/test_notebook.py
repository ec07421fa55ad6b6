"""In a notebook: waiting shows a bar there, and documents show themselves, with nothing in them but text."""

import sys
from collections.abc import Callable
from html.parser import HTMLParser
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from service.client import Client
from service.client.display.notebook import NotebookBar
from service.client.documents import Architecture, DistanceMatrix, Recommendation, read
from tests.service.races import ALTERNATIVES, PLAIN, REASON

Answering = Callable[..., Client]

GENOTYPE = {
    "edges": [
        [0, 1, "sep_conv_3x3"],
        [0, 2, "identity"],
        [1, 2, "max_pool_3x3"],
        [0, 3, "dil_conv_3x3"],
        [1, 3, "avg_pool_3x3"],
        [2, 3, "conv_7x1_1x7"],
    ]
}
EVIL = "<img src=x onerror=alert(1)>\"'&"
ANSWER = {
    "id": "r1",
    "name": "primes",
    "state": "succeeded",
    "verdict": "closest",
    "closest": {"name": "odd", "probability": 0.9},
    "scale": {"self_distance": 0.01},
    "distances": [
        {"task_id": "t2", "name": "loops", "measure": "log_det", "mean": 0.5, "std": 0.1},
        {"task_id": "t1", "name": "odd", "measure": "log_det", "mean": 0.25, "interval": [0.2, 0.3]},
        {"task_id": "t3", "name": "far", "measure": "log_det", "mean": None},
    ],
    "architecture": {"id": "a1", "genotype": GENOTYPE, "parameters": 1234},
    "test": {"accuracy": 0.875, "interval": [0.75, 0.9375]},
    "warnings": ["few images"],
}


class Reader(HTMLParser):
    """The texts and the tags of a page; a tag that is left open is an error."""

    VOID = ("img", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_an_answer_shows_its_verdict_its_distances_its_cell_and_its_scores() -> None:
    page = Reader(read(Recommendation, ANSWER)._repr_html_())
    joined = " ".join(page.texts)
    for words in ("primes", "The closest known task is odd", "0.2500", "0.2000 to 0.3000", "few images", "1,234"):
        assert words in joined
    assert joined.index("0.2500") < joined.index("0.5000 ± 0.1000") < joined.index("not comparable")
    assert page.tags.count("svg") == 1
    assert "sep_conv_3x3" in page.texts


def test_an_answer_by_a_race_shows_why_and_every_network() -> None:
    search = {"reason": REASON, "passed_over": [{"name": "a slow one", "kind": "plain"}]}
    network = {"id": "a1", "kind": "plain", "design": PLAIN, "parameters": 1234}
    raced = ANSWER | {"search": search, "alternatives": ALTERNATIVES, "architecture": network}
    page = Reader(read(Recommendation, raced)._repr_html_())
    joined = " ".join(page.texts)
    assert f"Why: {REASON}." in joined
    assert "The seconds did not suffice for a slow one." in joined
    for row in (
        "★ tf_efficientnet_lite0 at 64 px pretrained ImageNet 95.3 ± 1.2 3,374,570 12.5 101.5 yes",
        "resnet18 width 16 at 16 px plain fresh weights 90.0 ± 1.5 702,626 4 21.2 no",
    ):
        assert row in joined
    assert "resnet18, width 16" in joined
    assert "svg" not in page.tags
    assert "The seconds did" not in read(Recommendation, ANSWER)._repr_html_()


def test_a_network_without_a_cell_shows_its_name_and_its_size() -> None:
    network = {"id": "a1", "name": "primes", "kind": "plain", "design": PLAIN | {"image_size": 24}}
    page = Reader(read(Architecture, network)._repr_html_())
    assert {"primes", "resnet18, width 16", "24 pixels"} <= {*page.texts}
    assert "svg" not in page.tags


def test_a_running_job_shows_its_progress_and_a_failed_job_its_error() -> None:
    progress = {"fraction": 0.5, "message": "fitting"}
    going = {"id": "r1", "name": "primes", "state": "running", "stage": "fit", "progress": progress}
    assert "primes: running: fit: fitting" in Reader(read(Recommendation, going)._repr_html_()).texts
    failed = {"id": "r1", "state": "failed", "error": {"detail": "class 2 has 3 images"}}
    assert "r1: failed: class 2 has 3 images" in Reader(read(Recommendation, failed)._repr_html_()).texts


def test_a_network_and_a_matrix_show_themselves() -> None:
    network = {"id": "a1", "name": "primes", "genotype": GENOTYPE, "class_names": ["x", "y"], "macs": 5000}
    page = Reader(read(Architecture, network)._repr_html_())
    assert {"primes", "x, y", "5,000"} <= {*page.texts}
    assert "svg" in page.tags
    matrix = {
        "measure": "log_det",
        "tasks": [{"id": "t1", "name": "odd"}, {"id": "t2", "name": "loops"}],
        "sources": ["t1"],
        "targets": ["t1", "t2"],
        "mean": [[0.0, None]],
        "std": [[None, None]],
    }
    texts = Reader(read(DistanceMatrix, matrix)._repr_html_()).texts
    assert texts == ["log_det", *("from \\ to", "odd", "loops"), *("odd", "0.0000", "·")]


def test_nothing_that_the_service_sends_becomes_more_than_text() -> None:
    """A task may have been registered under any name."""
    distances = [dict(entry, name=EVIL, measure=EVIL) for entry in ANSWER["distances"]]
    genotype = {"edges": [[0, 1, EVIL]]}
    evil = ANSWER | {
        "name": EVIL,
        "closest": {"name": EVIL},
        "distances": distances,
        "warnings": [EVIL],
        "architecture": {"id": EVIL, "genotype": genotype, "parameters": 5},
        "cost": {"device": EVIL, "stage_seconds": {EVIL: 1.0}},
        "search": {"reason": EVIL, "passed_over": [{"name": EVIL}]},
        "alternatives": [ALTERNATIVES[0] | {"name": EVIL, "kind": EVIL, "started_from": EVIL}],
    }
    architecture = {"id": EVIL, "name": EVIL, "class_names": [EVIL], "genotype": genotype}
    matrix = {"measure": EVIL, "tasks": [{"id": "t", "name": EVIL}], "sources": ["t"], "targets": ["t"]} | {
        "mean": [[None]],
        "std": [[None]],
    }
    for kind, document in ((Recommendation, evil), (Architecture, architecture), (DistanceMatrix, matrix)):
        page = Reader(read(kind, document)._repr_html_())  # type: ignore[attr-defined]
        assert "img" not in page.tags
        assert any(EVIL in text for text in page.texts)


def test_a_cell_of_tomorrow_is_not_drawn_and_breaks_nothing() -> None:
    for genotype in ({"edges": [["in", "out", "x"]]}, {"nodes": []}, {"edges": [[0, 1]]}):
        page = Reader(read(Architecture, {"id": "a1", "name": "n", "genotype": genotype})._repr_html_())
        assert "svg" not in page.tags


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A notebook as IPython reports it; holds the states of its display, in order."""
    shown: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            shown.append(html)

    def display(html: str, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(html)
        return Handle()

    ipython, ipython_display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    ipython_display.display = display  # type: ignore[attr-defined]
    ipython_display.HTML = str  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython_display)
    return shown


def test_waiting_shows_one_bar_in_the_notebook_and_nothing_elsewhere(
    answering: Answering, notebook: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.client.display.notebook._SECONDS_BETWEEN", 0.0)
    states = iter(
        [
            {"state": "running", "stage": "fit", "progress": {"fraction": 0.25, "message": "<b>network 1</b>"}},
            {"state": "succeeded", "progress": {"fraction": 0.9}},
            {"state": "succeeded"},
        ]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, json={"id": "r1", "job_id": "j1", "name": "primes"})
        return httpx.Response(200, json={"id": "r1", **next(states)})

    answering(answer).recommend("builtin://digits").wait(progress=True)
    begin, running, end = notebook
    assert 'primes <progress max="1"></progress>' in begin
    assert 'value="0.250"' in running
    assert "25 % · 0 s · fit, &lt;b&gt;network 1&lt;/b&gt;" in running
    assert 'value="1.000"' in end
    assert "succeeded" in end
    assert capsys.readouterr() == ("", "")


def test_a_bar_changes_at_most_a_few_times_a_second_but_for_its_end(notebook: list[str]) -> None:
    now = 0.0
    bar = NotebookBar("x", clock=lambda: now)
    for step in range(1, 101):
        now = step / 100
        bar.show(step / 100, "", at_once=step == 100)
    assert 5 <= len(notebook) <= 8
    assert 'value="1.000"' in notebook[-1]


def test_ipython_in_a_terminal_is_not_a_notebook(
    notebook: list[str], answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.modules["IPython"].get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]
    client = answering(lambda request: httpx.Response(200, json={"id": "r1", "job_id": "j1", "state": "succeeded"}))
    client.recommend("builtin://digits").wait(progress=True)
    assert notebook == []
    assert "succeeded" in capsys.readouterr().err
