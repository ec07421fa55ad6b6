"""`python -m tests.compose.throughput`: jobs an hour of several workers on one host, by their number and threads.

With nothing else on the machine. It writes benchmarks/results/DATE_compose_workers.
"""

import os
import sys
import time
from pathlib import Path
from random import Random

import httpx

from benchmarks.environment import save
from tests.chaos.jobs import draw_stripes
from tests.compose.base_images import provide_base_images
from tests.compose.chaos.customer import Customer
from tests.compose.engine import Project, copy_tree, free_port, reason_to_skip

WORKERS = (1, 2, 4)
THREADS = ("", "1")
JOBS = 12


def main() -> int:
    """Measure each pair of workers and threads once."""
    if (reason := reason_to_skip()) is not None:
        print(reason)
        return 2
    home, port = Path(os.environ["LDNAS_TEST_COMPOSE"]), free_port()
    folder = copy_tree(home)
    provide_base_images(home)
    draw_stripes(folder / "datasets" / "stripes")
    rows = []
    try:
        for threads in THREADS:
            for workers in WORKERS:
                given = {"LDNAS_PORT": str(port), "LDNAS_STUDY": "off", "LDNAS_WORKERS": str(workers)}
                project = Project(folder, home / "throughput.txt", {**given, "OMP_NUM_THREADS": threads})
                project.shell("sh deploy/prepare && docker compose up --build --detach --wait")
                seconds = _measure(project, port)
                project.shell("docker compose down --volumes")
                rows.append({"workers": workers, "threads": threads or "unset", "seconds": round(seconds, 1)})
                print({**rows[-1], "jobs_an_hour": round(3600 * JOBS / seconds)}, flush=True)
    finally:
        Project(folder, home / "throughput.txt", {}).shell("docker compose down --volumes", fails=True)
    print(save("compose_workers", {"jobs": JOBS, "cores": os.cpu_count(), "rows": rows}))
    return 0


def _measure(project: Project, port: int) -> float:
    """Seconds from the first request to the end of the last job, after one job has warmed the workers up."""
    key = (project.folder / "secrets" / "admin_key").read_text()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
        customer = Customer(http, Random(1))
        customer.prepare()
        began = time.monotonic()
        customer.wait([customer.ask(customer.recommend(number)) for number in range(JOBS)])
        return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
