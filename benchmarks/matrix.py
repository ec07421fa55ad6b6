"""How long the matrix of distances takes by target, compared with a route that does nothing.

    python -m benchmarks.matrix

Promised: with 1,000 baselines, each with three networks and measured by three measures, `GET /v1/distances?target=…`
takes no longer than three `GET /healthz`, both from one API process over one kept connection, asked in turn.
"""

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.environment import save
from ldnas.recipe import STANDING_MEASURES, default_recipe
from worker.registry import Engine, JobKind, Registry, TaskRole, open_engine, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

REPETITIONS = 3
LAYERS = 6
START_SECONDS = 60.0
BARE = "/healthz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baselines", type=int, default=1000)
    parser.add_argument("--targets", type=int, default=5, help="measured columns, of which one is asked for")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--cold", type=int, default=20, help="answers after a change, each of which is computed again")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_environment({"LDNAS_HOME": folder})
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        began = time.perf_counter()
        target = fill(engine, arguments.baselines, arguments.targets, arguments.seed)
        print(f"the registry is filled after {time.perf_counter() - began:.0f} s", flush=True)
        with api_process(settings) as port:
            result = vars(arguments) | measure(engine, port, target, arguments.rounds, arguments.cold)
        engine.dispose()
        result["database_bytes"] = Path(settings.database_url.removeprefix("sqlite:///")).stat().st_size
    print(json.dumps(result, indent=2))
    print(save("matrix", result))


def fill(engine: Engine, baselines: int, targets: int, seed: int) -> str:
    """Register tasks with three networks each, and measure whole columns; the id of the last target."""
    random_source = random.Random(seed)
    with unit_of_work(engine) as registry:
        sources = [add_task(registry, TaskRole.BASELINE, f"baseline {number}") for number in range(baselines)]
    for number in range(targets):
        with unit_of_work(engine) as registry:
            target = add_task(registry, TaskRole.TARGET, f"target {number}")
            for source in sources:
                registry.results.store_distances(rows(source, target, random_source))
    return target


def add_task(registry: Registry, role: str, name: str) -> str:
    """A task whose networks are there; they hold no weights, which no distance in the registry looks at."""
    task = registry.tasks.insert(
        name=name,
        role=role,
        job_id=registry.jobs.insert(JobKind.REGISTER_TASK, {}).id,
        dataset={"uri": "builtin://digits"},
        epsilon=0.2,
        repetitions=REPETITIONS,
        seed=0,
    )
    for repetition in range(REPETITIONS):
        registry.results.store_network(
            key=network_key(task.id, repetition),
            architecture="small_cnn",
            seed=repetition,
            classes=2,
            weights="0" * 64,
            parameters=1,
            validation_accuracy=0.9,
            validation_balanced_accuracy=0.9,
            seconds=1.0,
        )
        registry.task_results.link_network(task.id, repetition, network_key(task.id, repetition))
    return task.id


def network_key(task_id: str, repetition: int) -> str:
    """As long as a content key, and another for every network."""
    return f"{repetition:032x}{task_id}"


def rows(source: str, target: str, random_source: random.Random) -> list[dict[str, Any]]:
    """The distances of one pair of tasks, by every standing measure."""
    return [
        {
            "source_network": network_key(source, repetition),
            "target_network": network_key(target, repetition),
            "data_key": target.rjust(64, "0"),
            "measure": name,
            "recipe_digest": default_recipe("small_cnn").digest,
            "value": random_source.random(),
            "signed": random_source.random(),
            "standard_error": random_source.random(),
            "contributions": [[f"block{layer}.convolution", random_source.random()] for layer in range(LAYERS)],
        }
        for repetition in range(REPETITIONS)
        for name in STANDING_MEASURES
    ]


@contextmanager
def api_process(settings: Settings) -> Iterator[int]:
    """The API as it is served; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = os.environ | replace(settings, port=port).as_environment()
    process = subprocess.Popen([sys.executable, "-m", "service.api_main"], env=environment, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + START_SECONDS
        while not answers(port):
            if process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit("the API did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether the server is up."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def measure(engine: Engine, port: int, target: str, rounds: int, cold: int) -> dict[str, Any]:
    """Milliseconds of both routes, asked in turn, and of the matrix right after something changed."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    matrix_path = f"/v1/distances?target={target}"
    for _ in range(20):
        timed(connection, BARE)  # the process has loaded what it needs
    first, body, tag = timed(connection, matrix_path)
    matrix = json.loads(body)
    assert len(matrix["sources"]) == len(matrix["mean"])
    assert all(row[0] is not None for row in matrix["mean"])
    bare, by_target, unchanged = [], [], []
    for _ in range(rounds):
        bare.append(timed(connection, BARE)[0])
        by_target.append(timed(connection, matrix_path)[0])
        unchanged.append(timed(connection, matrix_path, {"If-None-Match": tag})[0])
    remade = []
    for number in range(cold):
        with unit_of_work(engine) as registry:
            add_task(registry, TaskRole.BASELINE, f"later {number}")
        remade.append(timed(connection, matrix_path)[0])
    connection.close()
    milliseconds = {
        "bare": bare,
        "by_target": by_target,
        "by_target_304": unchanged,
        "by_target_after_a_change": remade,
    }
    medians = {name: round(statistics.median(values), 3) for name, values in milliseconds.items()}
    return {
        "load_average": os.getloadavg()[0],
        "body_bytes": len(body),
        "rows": len(matrix["mean"]),
        "first_answer_ms": round(first, 3),
        "median_ms": medians,
        "p10_ms": {name: round(statistics.quantiles(values, n=10)[0], 3) for name, values in milliseconds.items()},
        "p90_ms": {name: round(statistics.quantiles(values, n=10)[-1], 3) for name, values in milliseconds.items()},
        "ratio_to_bare": round(medians["by_target"] / medians["bare"], 2),
        "ratio_to_bare_after_a_change": round(medians["by_target_after_a_change"] / medians["bare"], 2),
    }


def timed(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None
) -> tuple[float, bytes, str]:
    """Milliseconds from the request to the last byte of its answer, the body, and its tag."""
    began = time.perf_counter()
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    milliseconds = 1000 * (time.perf_counter() - began)
    if response.status not in (200, 304):
        raise SystemExit(f"{path} answered {response.status}: {body.decode()}")
    return milliseconds, body, response.headers.get("ETag", "")


if __name__ == "__main__":
    main()
