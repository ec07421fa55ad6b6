"""The jobs of a round, asked for through HTTP with patience: whatever was accepted must come to an end."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.chaos.fleet import PATIENCE_SECONDS, Fleet, until
from worker.registry.models import JobState
from worker.registry.registry import Registry
from worker.registry.session import reading

ACROSS = {"groups": [["across"]], "rest": True}
SMALLEST_SEARCH = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}}


@dataclass(frozen=True)
class Asked:
    """A request that was accepted, and the job that it made."""

    kind: str
    key: str
    job_id: str


def draw_stripes(root: Path) -> Path:
    """An image folder of 36 pictures, 16×16: `across`, `down` and `plain` stripes under noise."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:16, 0:16]
    patterns = {"across": (rows // 3) % 2, "down": (columns // 3) % 2, "plain": np.zeros((16, 16))}
    for name, pattern in patterns.items():
        (root / name).mkdir(parents=True)
        for index in range(12):
            picture = 140 * pattern + random.integers(0, 100, (16, 16))
            Image.fromarray(picture.astype(np.uint8)).save(root / name / f"{index:02}.png")
    return root


class Customer:
    """Asks for work as a client does that repeats what was not answered, under the same key."""

    def __init__(self, fleet: Fleet, dataset: Path, random: Random) -> None:
        self._fleet = fleet
        self._dataset = {"uri": dataset.as_uri()}
        self._random = random
        self._architecture = ""

    def prepare(self) -> list[Asked]:
        """A baseline and a recommendation that later jobs build upon; they are waited for."""
        first = [self.register("base", labels=None), self.register("source", labels=ACROSS)]
        self.wait(first)
        first.append(self.recommend())
        self.wait(first)
        (item,) = self._fleet.http.get("/v1/architectures").raise_for_status().json()["items"]
        self._architecture = item["id"]
        return first

    def ask(self, count: int) -> list[Asked]:
        """So many jobs of kinds drawn at random."""
        kinds: list[Callable[[], Asked]] = [self.register, self.recommend, self.measure, self.train_again]
        return [self._random.choice(kinds)() for _ in range(count)]

    def register(self, name: str | None = None, labels: dict[str, Any] | None = ACROSS) -> Asked:
        """A baseline of its own, from a seed of its own."""
        seed = self._random.randrange(2**31)
        body = {"dataset": self._dataset, "labels": labels, "repetitions": 2, "seed": seed}
        return self._post("register_task", "/v1/tasks", {"name": name or f"baseline {seed}", **body})

    def recommend(self) -> Asked:
        """A recommendation by the first baseline, with the smallest search there is."""
        body = {"dataset": self._dataset, "labels": ACROSS, "baselines": ["base"], "repetitions": 2, **SMALLEST_SEARCH}
        return self._post("recommend", "/v1/recommendations", {**body, "seed": self._random.randrange(2**31)})

    def measure(self) -> Asked:
        """The distances from a baseline of an earlier round to the first one."""
        with reading(self._fleet.engine) as registry:
            rows = registry.tasks.baselines()
        ready = sorted(row.task.name for row in rows if row.state is JobState.SUCCEEDED and row.task.name != "base")
        return self._post("distances", "/v1/distances", {"targets": ["base"], "sources": [self._random.choice(ready)]})

    def train_again(self) -> Asked:
        """The first architecture on the same images, with three classes."""
        body = {"dataset": self._dataset, "seed": self._random.randrange(2**31)}
        return self._post("train_architecture", f"/v1/architectures/{self._architecture}/train", body)

    def cancel(self, asked: Asked) -> None:
        """Ask that a job be cancelled; who gets no answer asks again."""
        self._insist(lambda: self._fleet.http.post(f"/v1/jobs/{asked.job_id}/cancel"))

    def wait(self, jobs: list[Asked], seconds: float = PATIENCE_SECONDS) -> None:
        """Until all have ended.

        Raises:
            TimeoutError: one has not.
        """
        ids = [asked.job_id for asked in jobs]

        def ended() -> bool:
            with reading(self._fleet.engine) as registry:
                return all_ended(registry, ids)

        until(ended, f"jobs {ids} end", seconds)

    def _post(self, kind: str, path: str, body: dict[str, Any]) -> Asked:
        key = uuid.UUID(int=self._random.getrandbits(128)).hex
        answer = self._insist(lambda: self._fleet.http.post(path, json=body, headers={"Idempotency-Key": key}))
        told = answer.json()
        return Asked(kind, key, told["jobs"][0]["job_id"] if kind == "distances" else told["job_id"])

    def _insist(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = send()
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.1)


def all_ended(registry: Registry, ids: list[str]) -> bool:
    """Whether each of these jobs is there and has ended."""
    states = registry.jobs.states(ids)
    return len(states) == len(set(ids)) and all(state.ended for state in states.values())
