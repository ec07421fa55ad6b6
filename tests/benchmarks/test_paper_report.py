"""The report: all that the result says, in Markdown, in HTML and in drawings that are well-formed."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from benchmarks.paper.differences import compare_with_published
from benchmarks.paper.drawing import heat_map
from benchmarks.paper.figure_1 import FIGURES
from benchmarks.paper.plan import plan
from benchmarks.paper.report import write_reports
from benchmarks.paper.report_page import Drawing, Section, Table, html, markdown
from benchmarks.paper.report_tables import listed, percent
from benchmarks.paper.result import PUBLISHED, environment_of, result_of
from benchmarks.paper.scales import SCALES
from benchmarks.paper.tables import tables_of
from benchmarks.paper.units import Rows
from tests.benchmarks.alone import run_alone
from tests.benchmarks.test_paper_tables import row as table_row

SVG = "{http://www.w3.org/2000/svg}"


def figure() -> dict[str, Any]:
    """The published matrix as if it were ours, but for target 0, whose closest source would be 2."""
    theirs = PUBLISHED["figure_1"]
    mean = [list(row) for row in theirs["mean"]]
    mean[2][0] = 0.36
    own = {
        "measure": "log_det_layerwise",
        "recipe": {"split": "test"},
        "repetitions": 3,
        "mean": mean,
        "std": theirs["std"],
        "closest_source_of_each_target": [2, *theirs["closest_source_of_each_target"][1:]],
        "agrees": [False] + [True] * 7,
        "agrees_within_spread": [False] + [True] * 7,
        "agreements": 7,
        "agreements_within_spread": 7,
        "spearman_of_each_target": [0.5] + [1.0] * 6 + [None],
        "blocks": {
            "mnist_to_mnist": 1.0,
            "cifar10_to_cifar10": 2.0,
            "mnist_to_cifar10": 3.0,
            "cifar10_to_mnist": 4.0,
            "within_over_between": 0.5,
        },
        "epsilon": 0.5,
        "networks_that_miss_epsilon": 1,
        "networks": 24,
    }
    return own | compare_with_published(own, theirs)


def written(folder: Path) -> tuple[str, str]:
    """The report of one mode and one table, as Markdown and as HTML."""
    rows = [table_row("DARTS", seed, 0.8 + 0.02 * seed, task=6) for seed in range(2)]
    result = result_of([], Rows(folder / "rows"), "small") | tables_of(rows, PUBLISHED)
    result |= {"figure_1_released_code": figure()}
    write_reports(folder, result, PUBLISHED)
    return (folder / "report.md").read_text(encoding="utf-8"), (folder / "report.html").read_text(encoding="utf-8")


def test_a_report_shows_figure_1_next_to_the_published_one(tmp_path: Path) -> None:
    text, _ = written(tmp_path)
    rho = f"{figure()['spearman_of_all_pairs']:.2f}"
    assert f"| `released_code` | 3 | 7 of 8 | 7 of 8 | {rho} | 7 of 8 (7) | 1 of 24 |" in text
    assert "| `released_code` | 1.00 | 2.00 | 3.00 | 4.00 | 0.50 |" in text
    assert "| published | 1.02 | 0.31 | 1.51 | 1.79 | 0.40 |" in text
    assert "| 3: ten digits | 7 | 7 | yes | yes | 1.00 |" in text
    # 0.86 ± 0.08 of the published source 1 against 0.36 ± 0.10: 0.50 of 0.128; as published 1.05 the other way.
    assert "| 0: digit 0 or not | 2 | 0.360 ± 0.100 | 1 | 0.860 ± 0.080 | 2 | 3.90 | 8.20 | yes |" in text
    assert "test_seen" in text
    assert "3 repetitions in place of 10" in text


def test_a_single_repetition_has_no_spread(tmp_path: Path) -> None:
    result = result_of([], Rows(tmp_path / "rows"), "small") | {"figure_1_paper": figure() | {"repetitions": 1}}
    write_reports(tmp_path, result, PUBLISHED)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| `paper` | 1 | 7 of 8 | – |" in text
    assert "| 3: ten digits | 7 | 7 | yes | – | 1.00 |" in text
    assert "| 0: digit 0 or not | 2 | 0.360 | 1 | 0.860 | 2 |" in text
    assert "± 0" not in (tmp_path / "figure_1_paper.svg").read_text(encoding="utf-8")
    assert "± 0.05" in (tmp_path / "figure_1_published.svg").read_text(encoding="utf-8")


def test_a_report_shows_tables_with_spreads_searches_and_the_published_figures(tmp_path: Path) -> None:
    text, page = written(tmp_path)
    assert "## Table 2: CIFAR-10, bird, frog, horse or anything else (Task 6)" in text
    # Means 0.81 ± 0.0141; t of one degree of freedom is 6.314: ± 6.314 · 0.0141 / √2; 8 primitives on 6 edges.
    row = "| DARTS | 2 | 81.00 ± 1.41 | 74.69 to 87.31 | 81.00 ± 1.41 | 2.000 | 10 | 5 | 1 | 1 to 1 | 90.11 | 3.12 |"
    assert row in text
    assert "| DARTS | 3 | – | – | 262,144 | 90.00 ± 0.00 |" in text
    assert "re-encoding as JPEG" in text
    assert page.count("<svg") == 3
    for name in ("figure_1_published.svg", "figure_1_released_code.svg", "table_2_cifar10_task_6_anytime.svg"):
        assert f"]({name})" in text
        assert ElementTree.parse(tmp_path / name).getroot().tag == f"{SVG}svg"


def test_no_rank_has_a_range_while_one_row_has_a_single_seed(tmp_path: Path) -> None:
    rows = [table_row("DARTS", 0, 0.8), table_row("ENAS", 0, 0.7), table_row("ENAS", 1, 0.9)]
    write_reports(tmp_path, result_of([], Rows(tmp_path / "rows"), "small") | tables_of(rows, PUBLISHED), PUBLISHED)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| DARTS | 1 | 80.00 | – | 80.00 | 2.000 | 10 | 5 | 1.5 | – | 99.51 | 2.37 |" in text
    # t of one degree of freedom gives 80 ± 63.14 %; no accuracy is above 100 %.
    assert (
        "| ENAS | 2 | 80.00 ± 14.14 | 16.86 to 100.00 | 80.00 ± 14.14 | 2.000 | 10 | 5 | 1.5 | – | 97.77 | 4.60 |"
        in text
    )


def test_a_table_names_the_searches_that_took_longer_than_allowed(tmp_path: Path) -> None:
    rows = [table_row(method, 0, 0.8) for method in ("DARTS", "ENAS")]
    for one, seconds in zip(rows, (44.1, 43.9), strict=True):
        one["unit"]["values"]["search_seconds"] = 40.0
        one["outcome"]["search_seconds"] = seconds
    write_reports(tmp_path, result_of([], Rows(tmp_path / "rows"), "small") | tables_of(rows, PUBLISHED), PUBLISHED)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "A search was allowed 40 device seconds; more than a tenth above it took DARTS (44 s)." in text


def test_a_report_of_nothing_yet_can_be_written(tmp_path: Path) -> None:
    write_reports(tmp_path, result_of([], Rows(tmp_path / "rows"), "small"), PUBLISHED)
    assert "0 of 0 units" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_page_says_in_html_what_it_says_in_markdown() -> None:
    table = Table("Sizes", ["name", "size"], [["`a` & b", "1,000"], ["c", "–"]])
    page = [Section("Title"), Section("Part", ["`x` < 1."], ["one"], [table], [Drawing("d.svg", "A. B.", "<svg/>")])]
    assert markdown(page) == (
        "# Title\n\n## Part\n\n`x` < 1.\n\n- one\n\n**Sizes**\n\n"
        "| name | size |\n| --- | ---: |\n| `a` & b | 1,000 |\n| c | – |\n\nA. B.\n\n![A](d.svg)\n"
    )
    text = html(page)
    assert "<h1>Title</h1>\n<h2>Part</h2>\n<p><code>x</code> &lt; 1.</p>\n<ul><li>one</li></ul>" in text
    assert '<tr><td><code>a</code> &amp; b</td><td class="number">1,000</td></tr>' in text
    assert "<figure><figcaption>A. B.</figcaption>\n<svg/></figure>" in text


def test_values_over_seeds_are_a_mean_with_its_spread_or_a_list() -> None:
    assert percent([0.5, 0.7]) == "60.00 ± 14.14"
    assert percent([0.5]) == "50.00"
    assert listed([3, 1200]) == "3, 1,200"
    assert listed([3, 3]) == "3"
    assert listed([None, None]) == listed([]) == "–"


def test_a_heat_map_has_a_cell_with_mean_and_spread_for_each_pair_and_frames_around_two() -> None:
    drawn = heat_map(
        [[0.0, 1.5], [0.25, 0.0]], np.full((2, 2), 0.125).tolist(), names=["A", "B"], framed=[1, 0], dotted=[1, 1]
    )
    root = ElementTree.fromstring(drawn)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"1.50", "0.25", "0.00", "from A", "to B"} <= set(texts)
    assert texts.count("± 0.12") == 4
    frames = [element for element in root.iter(f"{SVG}rect") if element.attrib["fill"] == "none"]
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 4 + len(frames)
    assert ["stroke-dasharray" in element.attrib for element in frames] == [False, False, True]
    # Column 0 has both frames at row 1, drawn once; column 1 has one at row 0 and the dotted one at row 1.
    assert [(element.attrib["x"], element.attrib["y"]) for element in frames] == [
        ("60", "122"),
        ("122", "60"),
        ("122", "122"),
    ]


def test_the_environment_is_what_all_rows_share_and_what_differs_with_its_rows() -> None:
    def made(commit: str, load: float) -> dict[str, Any]:
        return {
            "environment": {"commit": commit, "python": "3.11.7", "load_average": load},
            "data": {"mnist": "1", "cifar10": "2"},
        }

    assert environment_of([made("a", 0.5), made("b", 2.0), made("a", 1.0)]) == {
        "python": "3.11.7",
        "differing": {"commit": [{"value": "a", "rows": 2}, {"value": "b", "rows": 1}]},
        "rows": 3,
        "load_average": {"least": 0.5, "greatest": 2.0},
        "data": [{"mnist": "1", "cifar10": "2"}],
    }
    assert environment_of([])["load_average"] is None


def test_a_plan_and_a_report_of_all_kinds_of_rows_need_no_other_package(tmp_path: Path) -> None:
    units, rows = plan(SCALES["small"]), Rows(tmp_path / "small" / "rows")
    place = {"seconds": 1.0, "environment": {"commit": "a", "device": "b"}, "data": {"mnist": "1", "cifar10": "2"}}
    for unit in units:
        values = unit.values
        outcome = {"genotype": None}
        if unit.kind == "network":
            sums = [[[[t + 0.5 * values["task"]]] * 2] for t in range(8)]
            seen = [{"logme": 0.0, "log_det": {"layers": [["a", 1]], "sums": one}} for one in sums]
            outcome = {"observations": dict.fromkeys(values["recipes"], seen), "is_approximation": True}
            outcome["validation_balanced_accuracy"] = 0.9
        if unit.kind == "row":
            outcome = table_row(values["method"], values["seed"], 0.8)["outcome"]
        rows.keep(unit, place | {"unit": {"kind": unit.kind, "values": dict(values)}, "outcome": outcome})
    options = ["--data", str(tmp_path), "--scale", "small", "--work", str(tmp_path)]
    printed = run_alone([*options, "--plan"], [*options, "--report"])
    assert "left: 0 minutes" in printed
    text = (tmp_path / "small" / "report.md").read_text(encoding="utf-8")
    assert f"{len(units)} of {len(units)} units are finished" in text
    assert text.count("\n## ") == 1 + len(FIGURES) + 2
    assert json.loads((tmp_path / "small" / "environment.json").read_text())["rows"] == len(units)
