"""How much one API process serves over a large store, against a bare FastAPI route that returns the same bytes.

    python -m benchmarks.service

On SQLite and on PostgreSQL, each filled with 1,000 tasks, 1,000,000 distances (one repetition of every pair) and
100,000 jobs that ended. Each kind of request is asked without rest, then at half of the rate that was reached, in turn
with the bare route under the same server settings; a ratio is the median over rounds. Promised: at half of saturation,
polls have a p99 within 3 times the bare route's at half of its own, lists within 4 times and submits within 6 times;
the whole matrix as CSV, and all else, leave the memory as it was; of 1,000 submits at once none is lost; two workers do
at least 1.7 times the jobs of one. With `--against`, the API of an earlier commit is asked in turn with this one. Where
other programs use the machine, the processor time of a request is the figure that they change least.

Needs wrk (`service_load.py` says why) and 6 GB below `--work`, which is memory where there is as much.
"""

import argparse
import http.client
import json
import os
import runpy
import shutil
import tempfile
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.environment import commit_of, save
from benchmarks.service_kinds import Kind, body_of, kinds_of, rounds_of
from benchmarks.service_load import require_wrk, saturate
from benchmarks.service_processes import ROOT, Memory, api, bare
from benchmarks.service_store import Filled, Size, fill
from benchmarks.service_submits import submit_at_once
from benchmarks.service_workers import compare_workers
from worker.registry import LONG_LIMITS, Engine, Scope, open_engine, unit_of_work
from worker.registry.schema import migrate

PAIRS = {"sqlite": "sqlite+filesystem", "postgresql": "postgresql+valkey"}
NEEDED_BYTES = 6 * 2**30
QUOTA = 300
TIMES = {"poll": 3, "list": 4, "submit": 6}
"""By the start of the names of kinds: how much longer than the bare route's the p99 may be."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--databases", nargs="+", choices=[*PAIRS], default=[*PAIRS])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--ended", type=int, default=100_000, help="jobs that ended")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=int, default=3, help="of each load at a rate; those without rest are a second shorter"
    )
    parser.add_argument("--submits", type=int, default=1000, help="at once")
    parser.add_argument("--jobs", type=int, default=10, help="for one worker, and for two")
    parser.add_argument("--work", type=Path, help="a folder for the stores; they are removed")
    parser.add_argument("--against", type=Path, help="a checkout of an earlier commit with the same migrations")
    parser.add_argument("--note", help="what else the machine did, for the result")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    require_wrk()
    result: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    for database in arguments.databases:
        began = time.monotonic()
        if arguments.work is not None:
            arguments.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="service-", dir=arguments.work or _roomy()) as folder:
            result[database] = measure(database, Path(folder), arguments)
        result[database]["seconds"] = round(time.monotonic() - began)
    settings = {name: value for name, value in vars(arguments).items() if name not in ("work", "no_save", "against")}
    if arguments.against is not None:
        settings["against"] = commit_of(arguments.against)
    result = {"settings": settings, **result, "kept": {name: kept(result[name]) for name in arguments.databases}}
    print(json.dumps(result["kept"], indent=2))
    if not arguments.no_save:
        print(save("service", result))


def measure(database: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything on one database."""
    pair = runpy.run_path(str(ROOT / "tests/chaos/servers.py"))["pair_named"](PAIRS[database], folder)
    with ExitStack() as stack:
        # The store's years are made up: nothing in it is to be removed for its age.
        made_up = {"LDNAS_RETENTION_DAYS": "36500", "LDNAS_EXIT_WITH_PARENT": ""}
        environment = {**os.environ, **pair.start(), **made_up, "LDNAS_HOME": str(folder)}
        stack.callback(pair.stop)
        engine = open_engine(environment["LDNAS_DATABASE_URL"])
        stack.callback(engine.dispose)
        migrate(environment["LDNAS_DATABASE_URL"])
        size = Size(tasks=arguments.tasks, ended=arguments.ended)
        began = time.monotonic()
        # A server that is busy elsewhere takes longer for these rows than a request may.
        filling = open_engine(environment["LDNAS_DATABASE_URL"], LONG_LIMITS)
        filled = fill(filling, size)
        filling.dispose()
        print(f"{database}: {size.distances:,} distances and {size.ended:,} jobs after", end=" ")
        print(f"{time.monotonic() - began:.0f} s", flush=True)
        result: dict[str, Any] = {
            "store": {"tasks": size.tasks, "distances": size.distances, "ended_jobs": size.ended},
            # First, while nothing else waits in the queue.
            "workers": compare_workers(environment, engine, arguments.jobs, folder),
        }
        print(json.dumps(result["workers"]), flush=True)
        return result | under_load(environment, engine, filled, folder, arguments)


def under_load(
    environment: dict[str, str], engine: Engine, filled: Filled, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """The API process, and the bare one in turn with it."""
    bodies = folder / "bodies"
    bodies.mkdir()
    kinds = kinds_of(filled)
    with api(environment, folder / "api.log") as (port, pid):
        for name, kind in kinds.items():
            (bodies / name).write_bytes(body_of(port, kind.draw()[0]))
        earlier = arguments.against and api(environment, folder / "before.log", arguments.against.resolve())
        with bare(bodies, folder / "bare.log") as bare_served, earlier or nullcontext() as before:
            memory = Memory(pid)
            requests: dict[str, Any] = {}
            for name, kind in kinds.items():
                served = (port, pid)
                requests[name] = rounds_of(name, kind, served, bare_served, before, arguments.rounds, arguments.seconds)
                requests[name] |= {"body_bytes": (bodies / name).stat().st_size, "memory_mb": memory.largest_mb()}
                print(name, json.dumps(requests[name]), flush=True)
            csv = whole_csv(port, memory)
            again = read_again(port, kinds, memory, arguments)
            submits = {"open": submit_at_once(port, engine, arguments.submits)}
            key = make_key(engine)
            submits[f"quota_{QUOTA}"] = submit_at_once(port, engine, arguments.submits, key)
            found = {"csv": csv, "memory": again, "submits": submits}
            print(json.dumps(found), flush=True)
            memory.stop()
    return {"requests": requests, **found}


def whole_csv(port: int, memory: Memory) -> dict[str, Any]:
    """The whole matrix as CSV, read as it comes."""
    before = memory.now_mb()
    memory.largest_mb()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", "/v1/distances?format=csv")
    answer = connection.getresponse()
    answer.readline()
    first, lines, size = time.perf_counter() - began, 0, 0
    while part := answer.read(2**20):
        lines, size = lines + part.count(b"\n"), size + len(part)
    seconds = time.perf_counter() - began
    return {
        "lines": lines,
        "megabytes": round(size / 1e6, 1),
        "first_line_seconds": round(first, 3),
        "seconds": round(seconds, 2),
        "memory_before_mb": before,
        "memory_largest_mb": memory.largest_mb(),
    }


def read_again(port: int, kinds: dict[str, Kind], memory: Memory, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that is read, three times over: memory after each, of which nothing may grow."""
    after = []
    for _ in range(3):
        for name, kind in kinds.items():
            if name != "submit":
                saturate(port, kind.draw(), max(1, arguments.seconds // 2))
        whole_csv(port, memory)
        after.append(memory.now_mb())
    return {"after_each_pass_mb": after, "growth_mb": round(after[-1] - after[0], 1)}


def make_key(engine: Engine) -> str:
    """A key that may have 300 unfinished recommendations."""
    tokens = runpy.run_path(str(ROOT / "service/api/security/tokens.py"))
    key: str = tokens["draw_key"]()
    with unit_of_work(engine) as registry:
        registry.keys.insert(
            name="load", prefix=tokens["prefix_of"](key), hash=tokens["hash_of"](key), scope=Scope.WRITE, quota=QUOTA
        )
    return key


def kept(result: dict[str, Any]) -> dict[str, Any]:
    """Which promises were kept."""
    return {
        **{
            f"{name}: p99 within {times} times": found["p99_ratio"] <= times
            for name, found in result["requests"].items()
            for start, times in TIMES.items()
            if name.startswith(start)
        },
        "memory stays as it was": result["memory"]["growth_mb"] <= 0.05 * result["memory"]["after_each_pass_mb"][0],
        "no submit is lost": all(found["none_lost"] for found in result["submits"].values()),
        "two workers do 1.7 times the jobs": result["workers"]["ratio"] >= 1.7,
    }


def _roomy() -> Path | None:
    """Memory, where there is as much: no figure here is about disks."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= 2 * NEEDED_BYTES
    return memory if roomy else None


if __name__ == "__main__":
    main()
