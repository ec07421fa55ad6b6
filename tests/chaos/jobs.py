"""The jobs of a round, asked for through HTTP with patience: whatever was accepted must come to an end."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.chaos.calls import Calls
from tests.chaos.fleet import Fleet, until
from worker.registry import JobState, Registry, reading

ACROSS = {"groups": [["across"]], "rest": True}
MOST_RETRIES = 4
POLL_SECONDS = 0.3
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


@dataclass(frozen=True)
class Wish:
    """A request as it will be sent, however often it takes, under one key."""

    kind: str
    key: str
    path: str
    body: dict[str, Any]


class Customer:
    """Asks for work as a client does that repeats each unanswered request under the same key.

    Attributes:
        calls: all its calls.
    """

    def __init__(self, fleet: Fleet, dataset: Path, random: Random) -> None:
        self._fleet = fleet
        self.calls = Calls(fleet.http)
        self._dataset = {"uri": dataset.as_uri()}
        self._random = random
        self._architecture = ""

    def prepare(self) -> list[Asked]:
        """Two baselines and a recommendation that later jobs build upon; they are waited for."""
        baselines = [self._register("base", labels=None), self._register("source", labels=ACROSS)]
        first = [self.ask(wish) for wish in baselines]
        self._succeed(first)
        first.append(self.ask(self._recommend()))
        self._succeed(first)
        self._ended = first[-1]
        (item,) = self._fleet.http.get("/v1/architectures").raise_for_status().json()["items"]
        self._architecture = item["id"]
        return first

    def _succeed(self, jobs: list[Asked]) -> None:
        """Until all have succeeded; on a machine with other work a lease may be lost more often than a job survives."""
        for _ in range(MOST_RETRIES):
            self.wait(jobs)
            with reading(self._fleet.engine) as registry:
                states = registry.jobs.states([asked.job_id for asked in jobs])
            failed = [job_id for job_id, state in states.items() if state is not JobState.SUCCEEDED]
            for job_id in failed:
                self._insist(f"/v1/jobs/{job_id}/retry")
            if not failed:
                return
        raise AssertionError(f"jobs {failed} failed {MOST_RETRIES} times without a fault")

    def draw(self, count: int) -> list[Wish]:
        """So many wishes of kinds drawn at random."""
        kinds: list[Callable[[], Wish]] = [
            self._register,
            self._recommend,
            self._measure,
            self._train_again,
            self._study,
        ]
        return [self._random.choice(kinds)() for _ in range(count)]

    def ask(self, wish: Wish) -> Asked:
        """Send the request until it is accepted."""
        key = {"Idempotency-Key": wish.key}
        return Asked(wish.kind, wish.key, _job_id(wish, self._insist(wish.path, json=wish.body, headers=key)))

    def _register(self, name: str | None = None, labels: dict[str, Any] | None = ACROSS) -> Wish:
        """A baseline of its own, from a seed of its own."""
        seed = self._random.randrange(2**31)
        body = {"name": name or f"baseline {seed}", "labels": labels, "repetitions": 2, "seed": seed}
        return self._wish("register_task", "/v1/tasks", body)

    def _recommend(self) -> Wish:
        """A recommendation by the first baseline, with the smallest search there is."""
        body = {"labels": ACROSS, "baselines": ["base"], "repetitions": 2, **SMALLEST_SEARCH}
        return self._wish("recommend", "/v1/recommendations", {**body, "seed": self._random.randrange(2**31)})

    def _measure(self) -> Wish:
        """The distances from a baseline of an earlier round to the first one."""
        with reading(self._fleet.engine) as registry:
            rows = registry.tasks.baselines()
        ready = sorted(row.task.name for row in rows if row.state is JobState.SUCCEEDED and row.task.name != "base")
        return self._wish("distances", "/v1/distances", {"targets": ["base"], "sources": [self._random.choice(ready)]})

    def _train_again(self) -> Wish:
        """The first architecture on the same images, with three classes."""
        path = f"/v1/architectures/{self._architecture}/train"
        return self._wish("train_architecture", path, {"seed": self._random.randrange(2**31)})

    def _study(self) -> Wish:
        """One more cell of the first baseline, in a few seconds."""
        with reading(self._fleet.engine) as registry:
            base = registry.tasks.find("base").id
        return self._wish("study", f"/v1/tasks/{base}/study", {"cells": 1, "seconds": 5})

    def _wish(self, kind: str, path: str, body: dict[str, Any]) -> Wish:
        key = uuid.UUID(int=self._random.getrandbits(128)).hex
        dataset = {} if kind in ("distances", "study") else {"dataset": self._dataset}
        return Wish(kind, key, path, {**dataset, **body})

    def cancel(self, asked: Asked) -> None:
        """Ask that a job be cancelled; who gets no answer asks again."""
        self._insist(f"/v1/jobs/{asked.job_id}/cancel")

    def poll(self, wishes: Sequence[Wish], jobs: Sequence[Asked], enough: threading.Event) -> None:
        """Look at the jobs and at the list of all jobs, and repeat requests, until it is enough."""
        looks = [partial(self.calls.look, path) for path in (*(f"/v1/jobs/{job.job_id}" for job in jobs), "/v1/jobs")]
        repeats = [partial(self._repeat, wish, asked) for wish, asked in zip(wishes, jobs, strict=True)]
        for call in itertools.cycle([*looks, *repeats, self._cancel_ended]):
            if enough.wait(POLL_SECONDS):
                return
            call()

    def _cancel_ended(self) -> None:
        """Cancel a job that has ended: it locks the job's row and changes nothing."""
        path = f"/v1/jobs/{self._ended.job_id}/cancel"
        answer = self.calls.send("POST", path)
        if answer is not None and answer.status_code not in (202, 503):
            self.calls.wrong_answers.append(f"POST {path} was answered with {answer.status_code}: {answer.text}")

    def _repeat(self, wish: Wish, asked: Asked) -> None:
        """Send a request again that was accepted: it is accepted again, and makes no other job."""
        answer = self.calls.send("POST", wish.path, json=wish.body, headers={"Idempotency-Key": wish.key})
        if answer is None or answer.status_code == 503:
            return
        if answer.status_code != 202 or _job_id(wish, answer) != asked.job_id:
            self.calls.wrong_answers.append(
                f"the repeated request of job {asked.job_id} was answered with {answer.status_code}: {answer.text}"
            )

    def wait(self, jobs: list[Asked]) -> None:
        """Until all have ended.

        Raises:
            TimeoutError: one has not.
        """
        ids = [asked.job_id for asked in jobs]

        def ended() -> bool:
            with reading(self._fleet.engine) as registry:
                return all_ended(registry, ids)

        until(ended, f"jobs {ids} end", self._fleet.pace.patience)

    def _insist(self, path: str, **content: Any) -> httpx.Response:
        """Post until it is accepted.

        Raises:
            TimeoutError: it was not, for all of the patience.
        """
        deadline = time.monotonic() + self._fleet.pace.patience
        while True:
            answer = self.calls.send("POST", path, **content)
            if answer is not None and answer.status_code != 503:
                assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"POST {path} was not accepted within {self._fleet.pace.patience:.0f} s")
            time.sleep(0.1)


def _job_id(wish: Wish, answer: httpx.Response) -> str:
    """The first job that an accepted request made."""
    document = answer.json()
    job_id: str = document["jobs"][0]["job_id"] if wish.kind == "distances" else document["job_id"]
    return job_id


def all_ended(registry: Registry, ids: list[str]) -> bool:
    """Whether each of these jobs is there and has ended."""
    states = registry.jobs.states(ids)
    return len(states) == len(set(ids)) and all(state.ended for state in states.values())
