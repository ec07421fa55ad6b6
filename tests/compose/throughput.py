"""Measures how many jobs a number of CPU workers end: `python -m tests.compose.throughput FOLDER [--save]`.

FOLDER is a deployed copy of the project with `datasets/digits`, as `make test-compose` makes it. Each job trains a
baseline on labels of its own, so that nothing is found stored.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.environment import save
from tests.compose.engine import Project
from tests.deployment.caller import Caller

JOBS = 8
CASES = ((1, ""), (2, ""), (2, "1"), (4, ""), (4, "1"))
"""Workers, and threads of each; without a number torch takes as many as there are cores."""


def measure(project: Project, caller: Caller, round_name: str) -> float:
    """Seconds from the first submission to the end of the last job."""
    began = time.monotonic()
    tasks = []
    for number in range(JOBS):
        body = {"name": f"{round_name}-{number}", "dataset": {"uri": "file:///datasets/digits"}, "repetitions": 1}
        tasks.append(caller.post("/v1/tasks", {**body, "labels": {"groups": LABELS[number], "rest": True}}))
    for task in tasks:
        ended = caller.ended(f"/v1/tasks/{task['id']}")
        assert ended["state"] == "succeeded", ended["error"]
    return time.monotonic() - began


LABELS = [[["0"]], [["1"]], [["2"]], [["3"]], [["0", "1"]], [["0", "2"]], [["0", "3"]], [["0"], ["1"]]]


def main() -> None:
    """Measure every case, on a deployment without known tasks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    for workers, threads in CASES:
        variables = {"LDNAS_WORKERS": str(workers), "LDNAS_STUDY": "off", "LDNAS_PORT": "8077"}
        os.environ.pop("OMP_NUM_THREADS", None)
        if threads:
            variables["OMP_NUM_THREADS"] = threads
        project = Project(options.folder, options.folder / "throughput.txt", variables)
        project.shell("docker compose down --volumes && docker compose up --detach --wait")
        with httpx.Client(base_url="http://127.0.0.1:8077", timeout=60) as http:
            caller = Caller(http)
            caller.show((options.folder / "secrets" / "admin_key").read_text())
            seconds = measure(project, caller, f"w{workers}t{threads or 'all'}")
        found.append({"workers": workers, "threads": threads or "all", "jobs": JOBS, "seconds": round(seconds, 1)})
        print(found[-1], flush=True)
    if options.save:
        save("workers", {"cases": found})


if __name__ == "__main__":
    main()
