"""An installation to fuzz: the API process over a temporary home that holds some rows of each kind, and no worker."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import httpx
import numpy as np

from ldnas.recipe import default_recipe
from ldnas.space.skeleton import default_skeleton
from service.api.security.tokens import draw_key, hash_of, prefix_of
from worker.registry import Registry, Scope, open_engine, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings
from worker.storage.artifacts import open_store

EACH = 6
"""Rows of each kind and state: the fuzzer deletes some of them."""

_START_SECONDS = 120
_CELL = {"edges": [[start, end, "identity"] for end in (1, 2, 3) for start in range(end)]}
_PREDICTIONS = {"labels": [0, 0, 1], "predictions": [0, 1, 1], "probabilities": [0.9, 0.5, 0.8]}
_FILES = ("weights", "code", "program", "onnx", "card")


class Installation:
    """The API process on a free port of this machine, with a key of every right.

    Attributes:
        url: where it answers.
        key: opens everything.
        log: what the process prints.
    """

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._environment = {"LDNAS_HOME": str(home), "LDNAS_PORT": str(port), "LDNAS_QUOTA": "1000000"}
        self._settings = Settings.from_environment(self._environment)
        (home / "datasets").mkdir(parents=True)
        migrate(self._settings.database_url)
        self._engine = open_engine(self._settings.database_url)
        self._store = open_store(self._settings)
        self.url, self.key, self.log = f"http://127.0.0.1:{port}", draw_key(), home / "api.log"
        with unit_of_work(self._engine) as registry:
            registry.keys.insert(
                name="fuzz", prefix=prefix_of(self.key), hash=hash_of(self.key), scope=Scope.ADMIN, quota=None
            )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once the process answers."""
        with self.log.open("ab") as log:
            self._process = self._spawn(log)
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        raise RuntimeError(f"the service did not start: {self.log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
        self._engine.dispose()

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def fill(self) -> dict[str, list[str]]:
        """Makes the rows; their ids and names by the name of the path parameter that takes them."""
        with httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60) as http:
            datasets = [self._upload(http, f"noise-{number}") for number in range(EACH)]
            tasks = [self._post(http, "tasks", {"name": f"task-{number}"}) for number in range(4 * EACH)]
            asked = [self._post(http, "recommendations", {}) for _ in range(5 * EACH)]
            again = [self._post(http, "tasks", {"name": f"spare-{number}"}) for number in range(EACH)]
        targets = [recommendation["target"]["task_id"] for recommendation in asked]
        with unit_of_work(self._engine) as registry:
            for number, task in enumerate(tasks):
                self._end(registry, task["job_id"], "finished" if number < 2 * EACH else _STATES[number % 5])
                self._measure(registry, task["id"], tasks[0]["id"])
            architectures = []
            for number, recommendation in enumerate(asked):
                state = _STATES[number % 5]
                self._end(registry, recommendation["job_id"], state, recommendation=recommendation["id"])
                if state == "finished":
                    architectures.append(self._architecture(registry, recommendation))
        jobs = [row["job_id"] for row in (*tasks, *asked, *again)]
        pairs = [task["id"] for task in (*tasks[:EACH], *again)]
        return {
            "name": datasets,
            "task_id": [task["id"] for task in (*tasks, *again)] + targets[:EACH],
            "recommendation_id": [recommendation["id"] for recommendation in asked],
            "job_id": jobs,
            "architecture_id": architectures,
            "source": [*pairs, tasks[0]["name"]],
            "target": [*pairs, targets[0]],
        }

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-m", "service.api_main")
        return subprocess.Popen(command, env={**os.environ, **self._environment}, stdout=log, stderr=log)

    def _upload(self, http: httpx.Client, name: str) -> str:
        random = np.random.default_rng(sum(name.encode()))
        arrays: dict[str, Any] = {}
        for part, count in (("train", 24), ("test", 6)):
            arrays[f"x_{part}"] = random.integers(0, 256, (count, 8, 8), dtype=np.uint8)
            arrays[f"y_{part}"] = np.arange(count) % 2
        content = io.BytesIO()
        np.savez(content, **arrays)
        http.put(f"/v1/datasets/{name}", content=content.getvalue()).raise_for_status()
        return name

    def _post(self, http: httpx.Client, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = http.post(f"/v1/{kind}", json={"dataset": {"uri": "builtin://digits"}, **body})
        return answer.raise_for_status().json()

    def _end(self, registry: Registry, job_id: str, state: str, recommendation: str | None = None) -> None:
        """Brings a queued job to a state, as a worker would."""
        if state == "queued":
            return
        job = registry.leases.claim(job_id, worker="fuzz", lease_seconds=10**6)
        assert job is not None
        registry.leases.progress(job_id, job.attempt, stage="fit", fraction=0.5, message="half of it", eta_seconds=9.0)
        if recommendation is not None:
            document = {"target": {"classes": ["a", "b"]}, "test": {"predictions": self._keep(_PREDICTIONS)}}
            registry.recommendations.merge_document(recommendation, job_id, job.attempt, document)
        if state == "finished":
            registry.leases.finish(job_id, job.attempt, {})
        elif state == "failed":
            registry.leases.fail(job_id, job.attempt, {"code": "broken_image", "detail": "x", "origin": "row 1"})
        elif state == "cancelled":
            registry.jobs.request_cancel(job_id)
            registry.leases.confirm_cancel(job_id, job.attempt)

    def _measure(self, registry: Registry, task_id: str, source_id: str) -> None:
        """One network, and its distance from the first task's."""
        scores = {"validation_accuracy": 0.9, "validation_balanced_accuracy": 0.8}
        columns = {"architecture": "small_cnn", "seed": 0, "classes": 10, "weights": "w" * 64, "parameters": 7}
        registry.results.store_network(key=f"n{task_id}", seconds=1.0, **columns, **scores)
        registry.task_results.link_network(task_id, 0, f"n{task_id}")
        row = {"source_network": f"n{source_id}", "target_network": f"n{task_id}", "data_key": "d", "value": 0.25}
        row |= {"measure": "log_det_layerwise", "recipe_digest": default_recipe("small_cnn").digest, "signed": -0.25}
        registry.results.store_distances([row])

    def _architecture(self, registry: Registry, recommendation: dict[str, Any]) -> str:
        return registry.architectures.insert_once(
            recommendation_id=recommendation["id"],
            job_id=recommendation["job_id"],
            name="mine",
            genotype=_CELL,
            skeleton=default_skeleton(16, 2).to_json(),
            class_names=["a", "b"],
            preprocessing={"image_size": 16},
            parameters=7,
            macs=11,
            validation={"accuracy": 0.9},
            test={"accuracy": 0.8},
            **{file: self._store.put(file.encode()) for file in _FILES},
        ).id

    def _keep(self, document: dict[str, Any]) -> str:
        return self._store.put(json.dumps(document).encode())


_STATES = ("finished", "queued", "running", "failed", "cancelled")
