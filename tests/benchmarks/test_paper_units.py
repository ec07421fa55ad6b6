"""Units, their rows, and the run of a plan."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.paper.data import PaperData
from benchmarks.paper.running import companions, run_plan
from benchmarks.paper.units import Row, Rows, Unit, forecasts
from ldnas.errors import DatasetNotFoundError


class NoData(PaperData):
    """The data of a runner that looks at no image."""

    def __init__(self) -> None:
        self.images = lambda *which: None  # type: ignore[assignment]

    def digest(self, dataset: str) -> str:
        return dataset


CPU = torch.device("cpu")


def units(count: int = 3) -> list[Unit]:
    return [Unit("sum", {"number": number, "group": "all"}, estimate_seconds=10.0) for number in range(count)]


def doubled(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    return {"doubled": 2 * values["number"]}


def test_a_unit_is_another_when_its_values_or_needs_are_and_the_same_when_its_estimate_is() -> None:
    unit = Unit("sum", {"a": 1, "b": [2]})
    assert unit.id == Unit("sum", {"b": [2], "a": 1}, estimate_seconds=5.0).id
    others = [Unit("sum", {"a": 2, "b": [2]}), Unit("difference", {"a": 1, "b": [2]}), Unit("sum", {"a": 1})]
    others.append(Unit("sum", {"a": 1, "b": [2]}, needs=("one",)))
    assert len({unit.id, *(other.id for other in others)}) == 5


def test_a_plan_leaves_a_row_for_each_unit_with_all_that_it_is_and_where_it_ran(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows")
    assert run_plan(units(), rows, NoData(), CPU, runners={"sum": doubled}) == 3
    row = json.loads((tmp_path / "rows" / f"{units()[2].id}.json").read_text())
    assert row["unit"] == {"kind": "sum", "values": {"number": 2, "group": "all"}, "needs": []}
    assert row["outcome"] == {"doubled": 4}
    assert row["seconds"] >= 0
    assert row["data"] == {"mnist": "mnist", "cifar10": "cifar10"}
    assert {"commit", "torch", "device", "threads"} <= set(row["environment"])


def test_a_run_that_was_broken_off_resumes_with_the_unit_that_was_under_way(tmp_path: Path) -> None:
    rows, seen = Rows(tmp_path / "rows"), []

    def breaking(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
        seen.append(values["number"])
        if seen == [0, 1]:
            raise KeyboardInterrupt
        return doubled(values, data, device, needed)

    with pytest.raises(KeyboardInterrupt):
        run_plan(units(), rows, NoData(), CPU, runners={"sum": breaking})
    assert run_plan(units(), Rows(tmp_path / "rows"), NoData(), CPU, runners={"sum": breaking}) == 2
    assert seen == [0, 1, 1, 2]
    assert [row["outcome"]["doubled"] for row in rows.of(units())] == [0, 2, 4]


def test_a_unit_that_needs_what_another_process_is_at_waits_for_it(tmp_path: Path) -> None:
    rows, first = Rows(tmp_path / "rows"), units()[0]
    second = Unit("sum", {"number": 7}, needs=(first.id,))
    waited: list[float] = []
    with ExitStack() as other_process:
        assert other_process.enter_context(rows.claimed(first))

        def wait(seconds: float) -> None:
            waited.append(seconds)
            rows.keep(first, {"outcome": {"doubled": 0}, "seconds": 1.0})
            other_process.close()

        assert run_plan([first, second], rows, NoData(), CPU, runners={"sum": doubled}, wait=wait) == 1
    assert len(waited) == 1
    second_row = rows.get(second.id)
    assert second_row is not None
    assert second_row["outcome"] == {"doubled": 14}


def test_half_a_row_is_not_stored(tmp_path: Path) -> None:
    rows, unit = Rows(tmp_path / "rows"), units()[0]
    with pytest.raises(TypeError):
        rows.keep(unit, {"outcome": object()})
    assert rows.get(unit.id) is None


def test_no_unit_is_started_that_would_end_after_the_time_given(tmp_path: Path) -> None:
    now = [0.0]

    def slow(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
        now[0] += 10.0
        return {}

    rows = Rows(tmp_path / "rows")
    own = [Unit("sum", {"group": str(number)}, estimate_seconds=10.0) for number in range(3)]
    ran = run_plan(own, rows, NoData(), CPU, until_seconds=25.0, runners={"sum": slow}, clock=lambda: now[0])
    assert ran == 2


def test_a_forecast_is_the_longest_that_was_seen_of_a_kind_and_group_else_the_plans(tmp_path: Path) -> None:
    rows, own = Rows(tmp_path / "rows"), units()
    other = Unit("sum", {"number": 9, "group": "other"}, estimate_seconds=70.0)
    for unit, seconds in zip(own, (3.0, 8.0), strict=False):
        rows.keep(unit, {"seconds": seconds})
    assert forecasts([*own, other], rows) == {**dict.fromkeys((unit.id for unit in own), 8.0), other.id: 70.0}


def test_two_processes_never_run_one_unit_at_the_same_time(tmp_path: Path) -> None:
    rows, unit = Rows(tmp_path / "rows"), units()[0]
    with rows.claimed(unit) as first, rows.claimed(unit) as second:
        assert (first, second) == (True, False)
    with rows.claimed(unit) as again:
        assert again
    rows.keep(unit, {"seconds": 1.0})
    with rows.claimed(unit) as finished:
        assert not finished


def test_data_that_is_refused_ends_the_program_with_the_reason_and_the_expected_layout(tmp_path: Path) -> None:
    class Absent(NoData):
        def digest(self, dataset: str) -> str:
            raise DatasetNotFoundError(f"no such set: {dataset}", field="uri")

    with pytest.raises(SystemExit, match=r"no such set: mnist\nDATA should name a folder with mnist/ and cifar10/"):
        run_plan(units(), Rows(tmp_path / "rows"), Absent(), CPU, runners={"sum": doubled})


def test_a_companion_runs_the_same_command_as_a_part_and_its_failure_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    program = f"import sys; open({str(said)!r}, 'w').write(' '.join(sys.argv[1:])); sys.exit(3)"
    (tmp_path / "its_command.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["first", "--scale", "small"])
    with pytest.raises(SystemExit, match="second process failed"), companions("its_command", 1):
        pass
    assert said.read_text() == "--scale small --part"


def test_a_unit_waits_for_the_rows_that_it_reads(tmp_path: Path) -> None:
    first = units()[0]
    second = Unit("sum", {"number": 7}, needs=(first.id,))
    rows = Rows(tmp_path / "rows")
    assert run_plan([second], rows, NoData(), CPU, runners={"sum": doubled}) == 0
    assert run_plan([second, first], rows, NoData(), CPU, runners={"sum": doubled}) == 2
