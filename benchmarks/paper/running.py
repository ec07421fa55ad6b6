"""Going through a plan: whatever has no row yet is run, in order, as long as there is time."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from benchmarks.paper import figure_1, searching
from benchmarks.paper.data import PaperData
from benchmarks.paper.machine import environment
from benchmarks.paper.tasks import CIFAR10, MNIST
from benchmarks.paper.units import Row, Rows, Unit, forecasts, ready
from ldnas.errors import RefusedError

Runner = Callable[[Mapping[str, Any], PaperData, torch.device, Sequence[Row]], Row]
"""From a unit's values, the data, the device and the rows that the unit needs to its outcome."""

RUNNERS: dict[str, Runner] = {"network": figure_1.run, "genotype": searching.run_genotype, "row": searching.run}


WAIT_SECONDS = 2.0


def run_plan(
    units: Sequence[Unit],
    rows: Rows,
    data: PaperData,
    device: torch.device,
    *,
    until_seconds: float | None = None,
    runners: Mapping[str, Runner] = RUNNERS,
    on_row: Callable[[Unit, Row], None] = lambda unit, row: None,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Runs the units that have no row; how many it ran.

    It starts none that should end later than `until_seconds` from now, and none that another process is at. After
    each unit it looks from the top again: a worthier one may have got what it needs. Where nothing is left but units
    that need what other processes are at, it waits for these.
    """
    begun, ran, by_id = clock(), 0, {unit.id: unit for unit in units}

    def in_time(unit: Unit) -> bool:
        return until_seconds is None or clock() - begun + forecasts(units, rows)[unit.id] <= until_seconds

    def ran_one() -> bool:
        for unit in units:
            if rows.get(unit.id) is not None or not ready(unit, rows) or not in_time(unit):
                continue
            with rows.claimed(unit) as mine:
                if mine:
                    needed = [row for key in unit.needs if (row := rows.get(key)) is not None]
                    row = _row(unit, data, device, runners[unit.kind], needed)
                    rows.keep(unit, row)
                    on_row(unit, row)
                    return True
        return False

    def may_get_one() -> bool:
        left = [unit for unit in units if rows.get(unit.id) is None and not ready(unit, rows) and in_time(unit)]
        needed = {key for unit in left for key in unit.needs}
        return any(rows.is_claimed(by_id[key]) for key in needed & by_id.keys())

    while True:
        if ran_one():
            ran += 1
        elif may_get_one():
            wait(WAIT_SECONDS)
        else:
            return ran


def print_row(unit: Unit, row: Row) -> None:
    """Prints a line about a unit that is finished."""
    print(f"{unit.id} {unit.name}: {row['seconds']:.0f} s", flush=True)


@contextmanager
def companions(module: str, count: int) -> Iterator[None]:
    """`count` more processes of this command on the same rows, with `--part`: they write no result.

    Waits for them at the end; when this process breaks off, they are ended too.

    Raises:
        SystemExit: one of them failed.
    """
    processes = [subprocess.Popen([sys.executable, "-m", module, *sys.argv[1:], "--part"]) for _ in range(count)]
    try:
        yield
        failed = [process for process in processes if process.wait()]
    finally:
        for process in processes:
            process.terminate()
    if failed:
        raise SystemExit("a second process failed; what it said stands above")


def _row(unit: Unit, data: PaperData, device: torch.device, runner: Runner, needed: Sequence[Row]) -> Row:
    digests = _read(data)  # before the clock starts: the first unit of a process would pay for all others
    wall, processor = time.perf_counter(), time.process_time()
    outcome = runner(unit.values, data, device, needed)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return {
        "unit": {"kind": unit.kind, "values": dict(unit.values), "needs": list(unit.needs)},
        "outcome": outcome,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - processor,
        "environment": environment(device),
        "data": digests,
    }


def _read(data: PaperData) -> dict[str, str]:
    """Reads both data sets; their digests.

    Raises:
        SystemExit: one is not there or cannot be read; the message says what DATA should name.
    """
    try:
        digests = {dataset: data.digest(dataset) for dataset in (MNIST, CIFAR10)}
        for dataset in digests:
            data.images(dataset, "train")
    except RefusedError as error:
        raise SystemExit(f"{error}\nDATA should name a folder with mnist/ and cifar10/ as Parquet") from error
    return digests
