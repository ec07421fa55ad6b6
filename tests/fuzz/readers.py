"""`python -m tests.fuzz.readers --seconds 600 --seed 1`: mappings, references, genotypes and every reader of bytes.

The seconds are shared out among the targets, one process after the other. It ends with 1 where an input was neither
worked on nor refused by a named error, took more than 20 s, or more than 2 GB.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

# By name, as importing the targets here would load them without instruments: tests/fuzz/targets.py has them.
TARGETS = ("labels", "references", "genotypes", "images", "parquet", "files", "packed", "weights")
TARGETS += ("tars", "packed_tars", "npz", "tables", "shards", "folders")
TARGETS += ("bundles", "packed_bundles")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.readers", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--work", type=Path, default=Path("var/fuzz"), help="keeps inputs and findings")
    options = parser.parse_args()
    each = max(1, options.seconds // len(options.targets))
    print(f"{len(options.targets)} targets for {each} s each, seed {options.seed}", flush=True)
    summary = {}
    for name in options.targets:
        summary[name] = _fuzz(name, options.work.absolute() / name, each, options.seed)
        print(json.dumps({name: summary[name]}), flush=True)
    options.work.joinpath("summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return int(any(target["findings"] or target["exit_status"] for target in summary.values()))


def _fuzz(name: str, folder: Path, seconds: int, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.fuzz.one_target", name, str(folder)]
    command += [f"-max_total_time={seconds}", f"-seed={seed}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    log = done.stdout.decode("utf-8", "replace")
    (folder / "log.txt").write_text(log, encoding="utf-8")
    findings = sorted(path.name for path in (folder / "findings").iterdir() if path.suffix != ".txt")
    if done.returncode and not findings:
        print(log[-3000:], flush=True)
    return {
        "seconds": seconds,
        "executions": _last(r"number_of_executed_units: (\d+)", log),
        "covered_edges": _last(r" cov: (\d+)", log),
        "inputs_kept": _last(r" corp: (\d+)/", log),
        "slowest_seconds": _last(r"slowest_unit_time_sec: (\d+)", log),
        "peak_rss_mb": _last(r"peak_rss_mb: +(\d+)", log),
        "exit_status": done.returncode,
        "findings": findings,
    }


def _last(pattern: str, log: str) -> int | None:
    found = re.findall(pattern, log)
    return int(found[-1]) if found else None


if __name__ == "__main__":
    sys.exit(main())
