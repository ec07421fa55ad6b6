"""How many stage ends a second the registry takes from fifty jobs at once, and how long one takes.

    python -m benchmarks.stage_ends --before FOLDER

On SQLite and on PostgreSQL: fifty threads each end one stage of a job of their own, and store one distance, again and
again. FOLDER is a checkout of another commit to compare with, in turn with this one.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
JOBS = 50
PAIRS = {"sqlite": "sqlite+filesystem", "postgresql": "postgresql+valkey"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--no-save", action="store_true")
    parser.add_argument("--measure", choices=PAIRS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.seconds)))
        return
    checkouts = {"now": ROOT} | ({"before": arguments.before.absolute()} if arguments.before else {})
    result: dict[str, Any] = {"jobs": JOBS, "load_average": os.getloadavg()[0]}
    for database in PAIRS:
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
        for _ in range(arguments.rounds):
            for name, checkout in checkouts.items():
                rounds[name].append(in_checkout(checkout, database, arguments.seconds))
        result[database] = {name: summary(found) for name, found in rounds.items()}
        print(database, json.dumps(result[database], indent=1), flush=True)
    if not arguments.no_save:
        from benchmarks.environment import save

        print(save("stage_ends", result))


def in_checkout(checkout: Path, database: str, seconds: float) -> dict[str, float]:
    """One round by the code of a checkout, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.stage_ends", "--measure", database, "--seconds", str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def summary(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Median, least and most of each figure over the rounds."""
    return {
        name: {
            "median": round(statistics.median(found[name] for found in rounds), 3),
            "least": round(min(found[name] for found in rounds), 3),
            "most": round(max(found[name] for found in rounds), 3),
        }
        for name in rounds[0]
    }


def measure(database: str, seconds: float) -> dict[str, float]:
    """Stage ends a second, and milliseconds of one, with fifty jobs on a fresh database."""
    from worker.registry import open_engine, unit_of_work
    from worker.registry.schema import migrate

    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        pair = runpy.run_path(str(ROOT / "tests/chaos/servers.py"))["pair_named"](PAIRS[database], Path(folder))
        url = pair.start()["LDNAS_DATABASE_URL"]
        try:
            migrate(url)
            engine = open_engine(url)
            ids = []
            for _ in range(JOBS):
                with unit_of_work(engine) as registry:
                    job = registry.jobs.insert("recommend", {})
                with unit_of_work(engine) as registry:
                    registry.leases.claim(job.id, worker="benchmark", lease_seconds=3600)
                ids.append(job.id)
            engine.dispose()
            began = time.monotonic()
            with ThreadPoolExecutor(JOBS) as threads:
                taken = [*threads.map(lambda job_id: end_stages(url, job_id, began + seconds), ids)]
        finally:
            pair.stop()
    milliseconds = sorted(1000 * value for values in taken for value in values)
    return {
        "per_second": len(milliseconds) / seconds,
        "median_ms": statistics.median(milliseconds),
        "p99_ms": milliseconds[int(0.99 * len(milliseconds))],
        "slowest_ms": milliseconds[-1],
    }


def end_stages(url: str, job_id: str, until: float) -> list[float]:
    """The seconds that each stage end of one job took, on a connection of its own as a runner has."""
    from worker.registry import open_engine, unit_of_work

    engine = open_engine(url)
    taken = []
    while (began := time.monotonic()) < until:
        # The same writes as the end of the stage `distance`: rows of the matrix, and the tally of the stage.
        row = {"source_network": job_id, "target_network": str(len(taken)), "data_key": "d", "measure": "log_det"}
        with unit_of_work(engine) as registry:
            registry.results.store_distances([{**row, "recipe_digest": "r", "value": 1.0, "signed": 1.0}])
            registry.leases.end_stage(job_id, 1, "distance", 1.0)
        taken.append(time.monotonic() - began)
    engine.dispose()
    return taken


if __name__ == "__main__":
    main()
