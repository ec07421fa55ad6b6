"""Recommendations side by side."""

from typing import Any

import httpx
import pytest

from worker.registry import Engine, unit_of_work

PAGE = {"Accept": "text/html"}


@pytest.fixture
def asked(http: httpx.Client, task_body: dict, engine: Engine) -> list[str]:
    """Two: one with a network, one that has only been asked for."""
    names = ["small <b>", "waiting"]
    ids = [http.post("/v1/recommendations", json=task_body | {"name": "t"}).json()["id"] for _ in names]
    with unit_of_work(engine) as registry:
        for id, name in zip(ids, names, strict=True):
            registry.recommendations.get(id).name = name
        row = registry.recommendations.get(ids[0])
        row.document = {
            **row.document,
            "verdict": "no_baseline",
            "architecture": {"parameters": 20_000, "macs": 1_234_567},
            "test": {"accuracy": 0.875, "interval": [0.75, 0.9375], "balanced_accuracy": 0.8},
        }
    return ids


def query(ids: list[str]) -> list[tuple[str, Any]]:
    return [("id", id) for id in ids]


def test_each_has_a_column_and_unknown_values_a_dash(http: httpx.Client, asked: list[str]) -> None:
    shown = http.get("/compare", params=query(asked), headers=PAGE)
    assert shown.status_code == 200
    for words in ("small &lt;b&gt;", "87.5 %", "75.0 % to 93.8 %", "1,234,567", "no baseline", "waiting", "–"):
        assert words in shown.text, words
    assert "small <b>" not in shown.text


def test_with_fewer_than_two_there_is_a_choice(http: httpx.Client, asked: list[str]) -> None:
    for chosen in ([], asked[:1]):
        shown = http.get("/compare", params=query(chosen), headers=PAGE).text
        assert 'class="comparison"' not in shown
        assert shown.count('type="checkbox"') == 2


def test_what_has_no_network_is_left_out_of_the_figure(http: httpx.Client, asked: list[str]) -> None:
    drawn = http.get("/figures/compare.json", params=query(asked)).json()["data"]
    assert [(trace["x"], trace["y"], trace["text"]) for trace in drawn] == [([20_000], [0.875], ["small &lt;b>"])]
    assert drawn[0]["error_y"]["array"] == [pytest.approx(0.0625)]
    assert drawn[0]["error_y"]["arrayminus"] == [pytest.approx(0.125)]
    table = http.get("/figures/compare.csv", params=query(asked)).text.splitlines()
    assert table[1:] == [f"{asked[0]},small <b>,20000,0.875,0.75,0.9375"]
    assert http.get("/figures/compare.svg", params=query(asked)).status_code == 200
    assert http.get("/figures/compare.svg", params=query(asked[1:])).status_code == 200


def test_too_many_and_unknown_ones_are_refused(http: httpx.Client, asked: list[str]) -> None:
    assert http.get("/compare", params=query(["0" * 32] * 7), headers=PAGE).status_code == 422
    assert http.get("/compare", params=query([*asked, "0" * 32]), headers=PAGE).status_code == 404
