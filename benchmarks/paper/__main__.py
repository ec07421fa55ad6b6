"""The paper, reproduced: see `docs/paper.md`.

    python -m benchmarks.paper --data ../data --scale small

Finished units leave rows in the work folder; a run that was stopped resumes from there, on another machine too.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.paper.data import PaperData
from benchmarks.paper.machine import device_of
from benchmarks.paper.plan import plan
from benchmarks.paper.report import write_reports
from benchmarks.paper.result import PUBLISHED, environment_of, result_of, write
from benchmarks.paper.running import companions, print_row, run_plan
from benchmarks.paper.scales import SCALES
from benchmarks.paper.searching import KNOWN_CELL, METHODS
from benchmarks.paper.units import Rows, Unit, forecasts


def main() -> None:
    arguments = _arguments()
    units = [
        unit
        for unit in plan(SCALES[arguments.scale])
        if arguments.rows is None or unit.values.get("method") in arguments.rows
    ]
    rows = Rows(arguments.work / arguments.scale / "rows")
    if arguments.plan:
        print(forecast(units, rows, processes=arguments.processes))
        return
    if not arguments.report:
        device = device_of(arguments.device)
        torch.set_num_threads(arguments.threads)
        with companions("benchmarks.paper", 0 if arguments.part else arguments.processes - 1):
            run_plan(
                [unit for unit in units if _has_packages(unit)],
                rows,
                PaperData(arguments.data),
                device,
                until_seconds=arguments.until,
                on_row=print_row,
            )
    if not arguments.part:
        result = result_of(units, rows, arguments.scale)
        print(write(arguments.work / arguments.scale, result, environment_of(rows.of(units))))
        write_reports(arguments.work / arguments.scale, result, PUBLISHED)


def _has_packages(unit: Unit) -> bool:
    """Whether this Python can run the unit: a race needs timm, and nothing else does."""
    return unit.values.get("method") != KNOWN_CELL or find_spec("timm") is not None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description="The experiments of the paper.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--scale", choices=sorted(SCALES), required=True)
    parser.add_argument("--work", type=Path, default=Path("var/paper"), help="where the rows are kept")
    parser.add_argument("--until", type=float, metavar="SECONDS", help="start no unit that would end later than this")
    parser.add_argument("--processes", type=int, default=1, help="how many units run at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each process, on a CPU")
    parser.add_argument("--device", help="cpu or cuda; the accelerator where there is one")
    parser.add_argument("--rows", nargs="*", choices=METHODS, help="only these rows of the tables")
    parser.add_argument("--plan", action="store_true", help="only print the plan and how long it should take")
    parser.add_argument("--report", action="store_true", help="only write the result of the rows that are there")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def forecast(units: Sequence[Unit], rows: Rows, *, processes: int) -> str:
    """The plan by kind and group: units, finished ones, seconds of one, and the minutes left in all."""
    seconds = forecasts(units, rows)
    by_group: dict[tuple[str, str], list[Unit]] = defaultdict(list)
    for unit in units:
        by_group[unit.kind, str(unit.values.get("group", ""))].append(unit)
    lines = ["kind                 group                units  done  seconds each  minutes left"]
    for (kind, group), own in by_group.items():
        left = [unit for unit in own if rows.get(unit.id) is None]
        minutes = sum(seconds[unit.id] for unit in left) / 60
        each = max(seconds[unit.id] for unit in own)
        lines.append(f"{kind:<20} {group:<20} {len(own):>5} {len(own) - len(left):>5} {each:>13.0f} {minutes:>13.1f}")
    left_seconds = sum(seconds[unit.id] for unit in units if rows.get(unit.id) is None)
    return "\n".join([*lines, f"left: {left_seconds / processes / 60:.0f} minutes with {processes} at a time"])


if __name__ == "__main__":
    main()
