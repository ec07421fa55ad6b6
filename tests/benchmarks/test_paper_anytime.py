"""Anytime curves: their mean and band by hand, and where their drawing puts them."""

from xml.etree import ElementTree

import pytest

from benchmarks.paper.anytime import Band, band, marker_of
from benchmarks.paper.drawing_anytime import STYLES, anytime, ticks

SVG = "{http://www.w3.org/2000/svg}"
ROWS = {
    "searched": [[[10.0, 0.2], [20.0, 0.4], [50.0, 0.9]], [[10.0, 0.4], [40.0, 0.6], [70.0, 0.7]]],
    "plain": [[[30.0, 0.5]], [[30.0, 0.5]]],
}


def test_a_band_begins_where_every_seed_has_a_value_and_holds_each_seed_until_its_next_point() -> None:
    found = band([[[1.0, 0.2], [4.0, 0.6]], [[2.0, 0.4], [3.0, 0.5], [9.0, 0.7]]])
    assert found.seconds == (2.0, 3.0, 4.0, 9.0)
    assert found.mean == pytest.approx((0.3, 0.35, 0.55, 0.65))
    assert found.least == (0.2, 0.2, 0.5, 0.6)
    assert found.greatest == (0.4, 0.5, 0.6, 0.7)


def test_the_band_of_one_seed_is_its_curve_and_a_seed_without_points_leaves_none() -> None:
    assert band([[[1.0, 0.2], [4.0, 0.6]]]) == Band((1.0, 4.0), (0.2, 0.6), (0.2, 0.6), (0.2, 0.6))
    assert band([[[1.0, 0.2]], []]) == band([]) == Band((), (), (), ())


def test_trained_networks_stand_at_their_mean_seconds_with_least_and_greatest() -> None:
    found = marker_of([[50.0, 0.9], [70.0, 0.6]])
    assert (found.seconds, found.least, found.greatest) == ((60.0,), (0.6,), (0.9,))
    assert found.mean == pytest.approx((0.75,))


def test_ticks_are_round_and_lie_within() -> None:
    assert ticks(0.0, 42.0) == [0, 10, 20, 30, 40]
    assert ticks(97.9, 99.2) == [98.0, 98.5, 99.0]
    assert ticks(0.0, 6.0) == [0, 1, 2, 3, 4, 5, 6]
    assert ticks(-3.0, 0.5) == [-3, -2, -1, 0]


def test_a_line_holds_its_height_until_the_next_second_and_is_not_joined_to_the_trained_network() -> None:
    root = ElementTree.fromstring(anytime(ROWS, dict(zip(ROWS, STYLES, strict=False))))
    (line,) = root.iter(f"{SVG}polyline")  # the plain row has no line
    corners = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    # Means 0.3, 0.4 and 0.5 at 10, 20 and 40 s of an axis from 0 to 42 s and from 64 to 444.
    across = [64 + 380 * second / 42 for second in (10, 20, 20, 40, 40)]
    assert [x for x, _ in corners] == pytest.approx(across, abs=0.06)
    heights = [y for _, y in corners]
    assert heights[0] == heights[1] > heights[2] == heights[3] > heights[4]
    assert heights[0] - heights[2] == pytest.approx(heights[2] - heights[4], abs=0.11)


def test_every_row_has_a_name_seconds_and_a_colour_and_marker_that_no_other_row_has() -> None:
    root = ElementTree.fromstring(anytime(ROWS, dict(zip(ROWS, STYLES, strict=False))))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"searched", "plain", "60 s", "30 s"} <= set(texts)
    assert len({(style.ink, style.marker) for style in STYLES}) == len({style.ink for style in STYLES}) == len(STYLES)
    assert len({style.dashes for style in STYLES[:7]}) == 7


def test_a_drawing_of_plain_rows_alone_has_no_panel_of_searches() -> None:
    root = ElementTree.fromstring(anytime({"plain": [[[30.0, 0.5]]]}, {"plain": STYLES[0]}))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "trained networks" in texts
    assert "best score so far of each search" not in texts
