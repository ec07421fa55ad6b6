"""A client that asks for short jobs while the deployment breaks, and repeats each unanswered request under its key."""

import threading
import time
import uuid
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from tests.chaos.calls import Calls

DATASET = {"uri": "file:///datasets/stripes"}
ACROSS = {"groups": [["across"]], "rest": True}
SMALLEST = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}, "repetitions": 1}
ENDED = ("succeeded", "failed", "cancelled")
AHEAD = 4
"""So many jobs are asked for before the first fault, and then as many a fault as share the rest."""

PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Request:
    """A request as it is sent, however often, under one key."""

    key: str
    path: str
    body: dict[str, Any]


class Customer:
    """Asks for work.

    Attributes:
        calls: all its calls.
        accepted: the jobs, by the keys of their requests.
    """

    def __init__(self, http: httpx.Client, random: Random) -> None:
        self.calls = Calls(http)
        self.accepted: dict[str, str] = {}
        self._requests: dict[str, Request] = {}
        self._random = random

    def prepare(self) -> None:
        """The baseline that recommendations start from; it has to succeed."""
        base = self.ask(self._register("base"))
        self.wait([base])
        answer = self.calls.send("GET", f"/v1/jobs/{base}")
        assert answer is not None
        assert answer.json()["state"] == "succeeded", answer.text

    def ask_for(self, jobs: int, share: "Share") -> None:
        """Ask for so many jobs, no faster than the faults come."""
        for number in range(jobs):
            while number >= AHEAD + share.part * jobs and share.part < 1:
                time.sleep(0.2)
            seed = self._random.randrange(2**31)
            self.ask(self._register(f"baseline {seed}") if self._random.random() < 0.6 else self.recommend(seed))

    def ask(self, request: Request) -> str:
        """Send the request until it is accepted; the id of its job.

        Raises:
            TimeoutError: it was not accepted for all of the patience.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if (job_id := self._send(request)) is not None:
                self._requests[request.key] = request
                self.accepted[request.key] = job_id
                return job_id
            time.sleep(0.3)
        raise TimeoutError(f"POST {request.path} was not accepted within {PATIENCE_SECONDS:.0f} s")

    def repeat_all(self) -> None:
        """Send every request once more: each has to be accepted as the job that it made."""
        for key, request in self._requests.items():
            if (job_id := self._send(request)) != self.accepted[key]:
                self.calls.wrong_answers.append(f"the repeated request of job {self.accepted[key]} made {job_id}")

    def wait(self, jobs: list[str]) -> None:
        """Until all have ended, or the patience has; those that have not are found by the check of the rows."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        waiting = set(jobs)
        while waiting and time.monotonic() < deadline:
            waiting = {job_id for job_id in waiting if self._state(job_id) not in ENDED}
            time.sleep(0.5)

    def _send(self, request: Request) -> str | None:
        answer = self.calls.send("POST", request.path, json=request.body, headers={"Idempotency-Key": request.key})
        if answer is None or answer.status_code == 503:
            return None
        assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
        return str(answer.json()["job_id"])

    def _state(self, job_id: str) -> str | None:
        answer = self.calls.send("GET", f"/v1/jobs/{job_id}")
        return str(answer.json()["state"]) if answer is not None and answer.is_success else None

    def _register(self, name: str) -> Request:
        body = {"name": name, "dataset": DATASET, "repetitions": 1, "seed": self._random.randrange(2**31)}
        return self._request("/v1/tasks", body)

    def recommend(self, seed: int) -> Request:
        """A recommendation by the baseline, with the smallest search there is."""
        body = {"dataset": DATASET, "labels": ACROSS, "baselines": ["base"], "seed": seed, **SMALLEST}
        return self._request("/v1/recommendations", body)

    def _request(self, path: str, body: dict[str, Any]) -> Request:
        return Request(uuid.UUID(int=self._random.getrandbits(128)).hex, path, body)


class Share:
    """The part of the faults that is over, in [0, 1]; written by one thread and read by another."""

    def __init__(self, faults: int) -> None:
        self._faults = faults
        self._over = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """One more fault is over."""
        with self._lock:
            self._over += 1

    def finish(self) -> None:
        """No further fault comes."""
        with self._lock:
            self._over = self._faults

    @property
    def part(self) -> float:
        with self._lock:
            return self._over / self._faults
