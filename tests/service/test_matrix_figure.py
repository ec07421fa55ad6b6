"""The matrix as a picture."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import httpx
import pytest

from service.api.errors import MatrixTooLargeError
from service.api.matrix.figure import matrix_svg

SVG = "{http://www.w3.org/2000/svg}"


def matrix(names: list[str], mean: list[list[float | None]]) -> dict[str, Any]:
    ids = [f"id{place}" for place in range(len(names))]
    tasks = [{"id": id, "name": name} for id, name in zip(ids, names, strict=True)]
    std: list[list[float | None]] = [[None for _ in row] for row in mean]
    repetitions = [[None if value is None else 1 for value in row] for row in mean]
    tables = {"mean": mean, "std": std, "repetitions": repetitions}
    return {"measure": "log_det", "tasks": tasks, "sources": ids, "targets": ids, **tables}


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_names_and_distances_are_text_and_a_pair_that_was_not_measured_has_none() -> None:
    shown = texts(matrix_svg(matrix(["odd & <even>", "$x$"], [[0.0, 0.52], [None, 0.0]])))
    assert shown.count("odd & <even>") == shown.count("$x$") == 2
    assert "Distances by log_det" in shown
    assert [text for text in shown if text == "0.52"] == ["0.52"]
    assert "nan" not in shown


def test_equal_matrices_give_equal_bytes_and_others_others() -> None:
    first, again, other = (matrix_svg(matrix(["a", "b"], [[0.0, value], [1.0, 0.0]])) for value in (0.5, 0.5, 0.25))
    assert first == again != other


def test_large_tables_have_no_figures_in_their_cells() -> None:
    names = [f"t{place}" for place in range(20)]
    shown = texts(matrix_svg(matrix(names, [[0.123] * 20] * 20)))
    assert "0.12" not in shown
    assert set(names) <= set(shown)


def test_a_matrix_of_no_tasks_or_without_a_distance_is_drawn_too() -> None:
    assert "nothing was measured yet" in texts(matrix_svg(matrix([], [])))
    assert texts(matrix_svg(matrix(["a"], [[None]]))).count("a") == 2


def test_more_than_200_tasks_are_refused_with_what_would_be_accepted() -> None:
    with pytest.raises(MatrixTooLargeError, match="201 tasks exceed the limit of 200"):
        matrix_svg(matrix(["t"] * 201, [[0.0] * 201] * 201))


@pytest.mark.parametrize("asked", [{"params": {"format": "svg"}}, {"headers": {"Accept": "image/svg+xml"}}])
def test_the_route_gives_it_by_name_or_by_media_type(http: httpx.Client, asked: dict[str, Any]) -> None:
    answer = http.get("/v1/distances", **asked)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "nothing was measured yet" in texts(answer.content)
    again = http.get("/v1/distances", params={"format": "svg"}, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
