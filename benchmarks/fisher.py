"""How long the empirical Fisher diagonal takes, how much memory, and how exact it is, here and in other packages.

    pip install --constraint constraints.txt --editable '.[bench]'
    python -m benchmarks.fisher            # all networks and ways; a GPU, where there is one, after the processor
    python -m benchmarks.fisher --quick    # a few samples, nothing saved

Promised on two cores, over a plain forward and backward pass of the same batch: VGG-16 and ResNet-18 at most 1.4 times,
a cell network at most 2.0; memory at most 1.2 times; every parameter tensor within 1e-5 of a float64 loop.

Every row is a process of its own: first the way alone, after which the high-water mark of the process is its memory,
then rounds of plain contiguous, plain channels-last and the way, then the exactness on a few images.
"""

import argparse
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from benchmarks.environment import save
from benchmarks.fisher_measure import NETWORKS, PLAIN_FORMATS, Case, measure
from benchmarks.fisher_ways import REMARKS, WAYS

DISTRIBUTIONS = {"BackPACK": "backpack-for-pytorch", "Opacus": "opacus", "nngeometry": "nngeometry"}
SETTINGS = ("cpu float32", "cuda float32", "cuda TF32")
HEADER = (
    "network",
    "way",
    "× plain (min–max)",
    "peak MB",
    "× plain peak (above the start)",
    "error, float64",
    "error, float32 smooth",
    "error, float32",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=9, help="rounds for this repository's engine")
    parser.add_argument("--peer-repetitions", type=int, default=2, help="rounds for every other way, which is slow")
    parser.add_argument("--peer-seconds", type=float, default=10, help="and no new round after so many seconds")
    parser.add_argument("--quick", action="store_true", help="4 samples, one thread, one round, nothing saved")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(Case(**json.loads(options.case)))))
        return
    if options.quick:
        options.batch, options.threads, options.repetitions, options.peer_repetitions = 4, 1, 1, 1
    rows = run_all(options)
    print(table(rows))
    if not options.quick:
        print(save("fisher", {"options": vars(options), "packages": packages(), "remarks": REMARKS, "rows": rows}))


def run_all(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for every setting, network and way, in that order."""
    rows = []
    for setting in SETTINGS if torch.cuda.is_available() else SETTINGS[:1]:
        for network in options.networks:
            floors = [run_case(options, setting, network, layout) for layout in PLAIN_FORMATS]
            rows += floors
            for way in options.ways:
                rows.append(run_case(options, setting, network, way))
                add_memory_ratios(rows[-1], floors)
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def run_case(options: argparse.Namespace, setting: str, network: str, way: str) -> dict[str, Any]:
    """One row, measured in a fresh process; what fails there is a row with the first line of its error."""
    row: dict[str, Any] = {"setting": setting, "network": network, "way": way}
    if way in DISTRIBUTIONS and DISTRIBUTIONS[way] not in packages():
        return {**row, "error": "not installed"}
    limits = {"rounds": options.peer_repetitions, "seconds": options.peer_seconds}
    if way == "ldnas":
        limits = {"rounds": options.repetitions, "seconds": float("inf")}
    case = {**row, "batch": options.batch, "threads": options.threads, **limits}
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fisher", "--case", json.dumps(case)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode < 0:
        return {**row, "error": f"ended by signal {-process.returncode}"}
    if process.returncode > 0:
        return {**row, "error": _first_line_of_error(process.stderr)}
    return {**row, **json.loads(process.stdout.splitlines()[-1])}


def add_memory_ratios(row: dict[str, Any], floors: list[dict[str, Any]]) -> None:
    """Adds the ratio of the row's peak to that of the plain pass, in the format that was the faster one in this row."""
    if "error" in row:
        return
    floor = next(floor for floor in floors if floor["way"] == row["plain"])
    row["peak_ratio"] = row["peak_bytes"] / floor["peak_bytes"]
    above = floor["peak_bytes"] - floor["start_bytes"]
    row["peak_ratio_above_start"] = (row["peak_bytes"] - row["start_bytes"]) / above


def packages() -> dict[str, str]:
    """The version of every peer that is installed."""
    found = {}
    for distribution in DISTRIBUTIONS.values():
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown, by setting and network, the fastest way first and failures last."""
    lines = []
    for setting in dict.fromkeys(row["setting"] for row in rows):
        lines += [f"\n{setting}\n", _line(HEADER), _line(["---"] * len(HEADER))]
        for network in dict.fromkeys(row["network"] for row in rows):
            ours = [row for row in rows if (row["setting"], row["network"]) == (setting, network)]
            lines += [_line(_cells(row)) for row in sorted(ours, key=_rank)]
    return "\n".join(lines)


def _rank(row: dict[str, Any]) -> float:
    if "error" in row:
        return float("inf")
    return 0.0 if row["way"] in PLAIN_FORMATS else float(row["ratio"])


def _cells(row: dict[str, Any]) -> list[str]:
    start = [row["network"], row["way"]]
    if "error" in row:
        return [*start, row["error"].replace("|", "/"), *[""] * (len(HEADER) - 3)]
    megabytes = f"{row['peak_bytes'] / 1e6:.0f}"
    if row["way"] in PLAIN_FORMATS:
        return [*start, f"{row['seconds']:.3f} s", megabytes, *[""] * (len(HEADER) - 4)]
    return [
        *start,
        f"{row['ratio']:.2f} ({row['ratio_min']:.2f}–{row['ratio_max']:.2f})",
        megabytes,
        f"{row['peak_ratio']:.2f} ({row['peak_ratio_above_start']:.2f})",
        *(f"{row['errors'][name]['relative']:.1e}" for name in ("float64", "float32_smooth", "float32")),
    ]


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _first_line_of_error(stderr: str) -> str:
    """The first line of the last exception in a traceback: the first after its frames that is not indented."""
    after = stderr.rpartition("Traceback (most recent call last):")[2].splitlines()
    return next((line for line in after if line and not line.startswith(" ")), "no error reported")


if __name__ == "__main__":
    main()
