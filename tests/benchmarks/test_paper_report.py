"""The report: all that the result says, in Markdown, in HTML and in drawings that are well-formed."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from benchmarks.paper.drawing import curves, heat_map
from benchmarks.paper.report import write_reports
from benchmarks.paper.result import PUBLISHED, result_of
from benchmarks.paper.units import Rows
from tests.benchmarks.test_paper_tables import row as table_row

SVG = "{http://www.w3.org/2000/svg}"


def figure() -> dict[str, Any]:
    """The published matrix as if it were ours."""
    theirs = PUBLISHED["figure_1"]
    return {
        "measure": "log_det_layerwise",
        "recipe": {"split": "test"},
        "repetitions": 3,
        "mean": theirs["mean"],
        "std": theirs["std"],
        "closest_source_of_each_target": theirs["closest_source_of_each_target"],
        "agrees": [True] * 8,
        "agrees_within_spread": [True] * 8,
        "agreements": 8,
        "agreements_within_spread": 8,
        "spearman_of_each_target": [1.0] * 7 + [None],
        "blocks": {"within_over_between": 0.5},
        "epsilon": 0.5,
        "networks_that_miss_epsilon": 1,
        "networks": 24,
    }


def test_a_report_shows_figures_and_tables_with_the_published_ones_beside_them(tmp_path: Path) -> None:
    from benchmarks.paper.tables import tables_of

    rows = [table_row("DARTS", seed, 0.8, task=6) for seed in range(2)]
    result = result_of([], Rows(tmp_path / "rows"), "small") | tables_of(rows, PUBLISHED)
    result |= {"figure_1_released_code": figure()}
    write_reports(tmp_path, result, PUBLISHED)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| released_code | 8 of 8 | 8 of 8 | 0.50 | 1 of 24 |" in text
    assert "| 3 | 7 | 7 | yes | yes | 1.00 |" in text
    assert "| DARTS | 80.00 (80.00 to 80.00) | 80.00 | 2.000 | 10 | 5 | 1 (1 to 1) | 90.11 |" in text
    assert "re-encoding as JPEG" in text
    assert "test_seen" in text
    assert "3 repetitions in place of 10" in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    for name in ("figure_1_published.svg", "figure_1_released_code.svg", "table_2_cifar10_task_6_anytime.svg"):
        assert f"]({name})" in text
        assert ElementTree.parse(tmp_path / name).getroot().tag == f"{SVG}svg"


def test_a_report_of_nothing_yet_can_be_written(tmp_path: Path) -> None:
    write_reports(tmp_path, result_of([], Rows(tmp_path / "rows"), "small"), PUBLISHED)
    assert "0 of 0 units" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_heat_map_has_a_cell_with_mean_and_spread_for_each_pair() -> None:
    root = ElementTree.fromstring(heat_map([[0.0, 1.5], [0.25, 0.0]], np.full((2, 2), 0.125).tolist()))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"1.50", "0.25", "0.00"} <= set(texts)
    assert texts.count("± 0.12") == 4
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 4


def test_a_curve_holds_its_height_until_the_next_point() -> None:
    root = ElementTree.fromstring(curves({"a": [[[0.0, 0.0], [10.0, 1.0]]]}))
    line = next(root.iter(f"{SVG}polyline")).attrib["points"].split()
    heights = [point.split(",")[1] for point in line]
    assert len(line) == 3
    assert heights[0] == heights[1] != heights[2]
