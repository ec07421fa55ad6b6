"""`python -m tests.compose.chaos --faults 30 --jobs 40`: breaks the deployment at random while jobs run.

As root on a machine with a Docker engine; `make chaos-compose` says what else it takes.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.environment import save
from tests.chaos.jobs import draw_stripes
from tests.compose.base_images import provide_base_images
from tests.compose.chaos.customer import Customer, Share
from tests.compose.chaos.deployment import Deployment, disks, faketime, override
from tests.compose.chaos.faults import FAULTS, left_out, order_of_faults
from tests.compose.engine import Project, copy_tree, free_port, reason_to_skip

PAUSE_SECONDS = (1.0, 8.0)
RULES = ("lost", "doubled", "contradictions", "broken_artifacts", "wrong_answers", "unhealthy")


def main() -> int:
    """The exit status: 1 where a rule was broken, 2 where this machine cannot run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.compose.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/DATE_chaos_compose")
    options = parser.parse_args()
    reason = reason_to_skip() or (None if os.geteuid() == 0 else "it makes disks for the volumes, as root")
    if reason is not None:
        print(reason)
        return 2
    home = Path(os.environ["LDNAS_TEST_COMPOSE"])
    port = free_port()
    folder, log = copy_tree(home), home / "chaos.txt"
    log.unlink(missing_ok=True)
    variables = {"LDNAS_PORT": str(port), "LDNAS_STUDY": "off", "LDNAS_LEASE_SECONDS": "15", "OMP_NUM_THREADS": "1"}
    project = Project(folder, log, {**variables, "LDNAS_WORKERS": str(options.workers)})
    stand_ins = provide_base_images(home)
    draw_stripes(folder / "datasets" / "stripes")
    with disks(home) as devices:
        override(folder, devices, faketime())
        try:
            project.shell("sh deploy/prepare && docker compose up --build --detach --wait")
            result = {"stand_ins": stand_ins, **break_it(Deployment(project), port, options)}
            (home / "logs.txt").write_text(project.shell("docker compose logs --no-color", fails=True))
        finally:
            project.shell("docker compose down --volumes --remove-orphans", fails=True)
    print(table(result))
    if options.save:
        shutil.copy(log, save("chaos_compose", result) / "log.txt")
    else:
        (home / "chaos.json").write_text(json.dumps(result, indent=2))
    return int(any(result[rule] for rule in RULES))


def break_it(deployment: Deployment, port: int, options: argparse.Namespace) -> dict[str, Any]:
    """Play the faults while the customer asks for jobs; then wait, and check every rule."""
    random, absent = Random(options.seed), left_out()
    key = (deployment.project.folder / "secrets" / "admin_key").read_text()
    began, faults = time.monotonic(), []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as http:
        customer, share = Customer(http, Random(options.seed)), Share(options.faults)
        customer.prepare()
        with ThreadPoolExecutor(1) as asking:
            asked = asking.submit(customer.ask_for, options.jobs, share)
            try:
                for number, name in enumerate(order_of_faults(options.faults, options.seed, absent), start=1):
                    faults.append(_play(deployment, name, random, http))
                    print(f"{number:3} {faults[-1]}", flush=True)
                    share.add()
            finally:
                share.finish()
            asked.result()
        unhealthy = deployment.recover()
        customer.wait(list(customer.accepted.values()))
        customer.repeat_all()
    found = _check(deployment, customer.accepted)
    found["lost"] += customer.calls.unanswered
    return {
        "seed": options.seed,
        "workers": options.workers,
        "jobs": len(customer.accepted),
        **found,
        "wrong_answers": customer.calls.wrong_answers,
        "unhealthy": unhealthy,
        "left_out": absent,
        "longest_call_seconds": round(customer.calls.longest_seconds, 1),
        "seconds": round(time.monotonic() - began),
        "faults": faults,
    }


def _play(deployment: Deployment, name: str, random: Random, http: httpx.Client) -> dict[str, Any]:
    """One fault, and the seconds from its end until the API is ready again."""
    time.sleep(random.uniform(*PAUSE_SECONDS))
    began = time.monotonic()
    struck = FAULTS[name](deployment, random)
    mended = time.monotonic()
    while not _is_ready(http) and time.monotonic() < mended + 120:
        time.sleep(0.2)
    back = time.monotonic() - mended
    return {"fault": name, "struck": struck, "seconds": round(mended - began, 1), "ready_after_seconds": round(back, 1)}


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def _check(deployment: Deployment, accepted: dict[str, str]) -> dict[str, Any]:
    """The broken rules of rows and artifacts, found in a container that reaches both."""
    folder = deployment.project.folder
    (folder / "accepted.json").write_text(json.dumps({"keys": accepted}))
    printed = deployment.project.shell(
        "docker compose run --rm -T --no-deps --volume ./tests:/checks/tests:ro --env PYTHONPATH=/checks api"
        " python -m tests.compose.chaos.check < accepted.json"
    )
    found: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return found


def table(result: dict[str, Any]) -> str:
    """A line for each kind of fault, and one for the jobs, as Markdown."""
    lines = ["| fault | times | median s until ready | longest |", "|---|---|---|---|"]
    for name in FAULTS:
        back = [item["ready_after_seconds"] for item in result["faults"] if item["fault"] == name]
        if back:
            lines.append(f"| {name} | {len(back)} | {statistics.median(back):.1f} | {max(back):.1f} |")
    rules = ", ".join(f"{len(result[rule])} {rule}" for rule in RULES)
    ends = f"{result['jobs']} jobs in {result['attempts']} attempts: {result['ends']}"
    return "\n".join([*lines, "", f"{ends}; {rules}; {result['seconds']} s"])


if __name__ == "__main__":
    sys.exit(main())
