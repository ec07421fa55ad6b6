"""A recommendation killed in any stage ends with the genotype, the α and the weights of one that was never killed."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.fleet import WORKERS, Fleet, send, until
from tests.chaos.jobs import ACROSS, all_ended, draw_stripes
from tests.chaos.servers import Embedded, workplace
from worker.registry import JobRow, reading

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(1800)]

PATIENCE_SECONDS = 900.0
STAGES = ("fit", "distance", "search", "train", "export")
# Each from a seed of its own: equal fits would be found in the registry, and not be there to kill.
STRATEGIES = {"fuse": 1, "random": 2, "evolution": 3, "darts": 4, "enas": 5}
NETWORKS = {"candidates": 2, "rounds": 2}
SETTINGS: dict[str, dict[str, int]] = {
    "fuse": NETWORKS,
    "random": NETWORKS,
    "evolution": NETWORKS,
    "darts": {},
    "enas": {"candidates": 2},
}


@dataclass(frozen=True)
class Outcome:
    """The results that must not depend on whether a job was interrupted.

    Attributes:
        parts: of the answer.
        steps: every round and iteration of the search that has an event, with its α, as JSON.
    """

    parts: dict[str, Any]
    genotype: dict[str, Any]
    steps: frozenset[str]
    weights: bytes
    attempts: int


class Recommendations:
    """One recommendation by each strategy, on a fleet of its own."""

    def __init__(self, fleet: Fleet, dataset: Path) -> None:
        self._fleet = fleet
        self._ids: dict[str, str] = {}
        self._jobs: dict[str, str] = {}
        for strategy, seed in STRATEGIES.items():
            body = {
                "dataset": {"uri": dataset.as_uri()},
                "labels": ACROSS,
                "search": {"strategy": strategy, **SETTINGS[strategy]},
                "budget": {"iterations": 2},
                "repetitions": 2,
                "seed": seed,
            }
            accepted = fleet.http.post("/v1/recommendations", json=body).raise_for_status().json()
            self._ids[strategy], self._jobs[strategy] = accepted["id"], accepted["job_id"]

    def outcomes(self, stage: str | None = None) -> dict[str, Outcome]:
        """What came of each, after its runner was killed once in this stage."""
        alive = set() if stage is None else set(self._jobs.values())

        def ended() -> bool:
            for job_id in [*alive]:
                if stage is not None and self._kill_in(stage, job_id):
                    alive.remove(job_id)
            with reading(self._fleet.engine) as registry:
                return all_ended(registry, [*self._jobs.values()])

        until(ended, "all recommendations end", PATIENCE_SECONDS)
        assert not alive, f"{len(alive)} jobs were not killed in {stage}"
        return {strategy: self._outcome(strategy) for strategy in STRATEGIES}

    def _kill_in(self, stage: str, job_id: str) -> bool:
        with reading(self._fleet.engine) as registry:
            job = registry.jobs.get(job_id)
            events = registry.jobs.events_after(job_id, limit=10_000)
        stages = [number for number, event in enumerate(events) if event.kind == "stage"]
        if job.lease_owner is None or not stages or events[stages[-1]].data["stage"] != stage:
            return False
        # A search that has an iteration behind it and a training that has a checkpoint resume from there.
        since = [event.kind for event in events[stages[-1] :]]
        if (stage == "search" and "iteration" not in since) or (stage == "train" and not self._has_state(job)):
            return False
        pid = int(job.lease_owner.split(":")[1])
        (worker,) = [name for name in WORKERS if self._fleet.pid(name) == pid]
        runners = self._fleet.runners(worker)
        send(signal.SIGKILL, *(runner.computing for runner in runners))
        return bool(runners)

    def _has_state(self, job: JobRow) -> bool:
        """Whether the job's checkpoint is of something later than its search."""
        key = (job.checkpoint or {}).get("key")
        if key is None:
            return False
        with reading(self._fleet.engine) as registry:
            return not registry.results.search(key)

    def _outcome(self, strategy: str) -> Outcome:
        answer = self._fleet.http.get(f"/v1/recommendations/{self._ids[strategy]}").raise_for_status().json()
        assert answer["state"] == "succeeded", answer["error"]
        architecture = answer["architecture"]
        weights = self._fleet.http.get(f"/v1/architectures/{architecture['id']}/weights").raise_for_status().content
        with reading(self._fleet.engine) as registry:
            events = registry.jobs.events_after(answer["job_id"], limit=10_000)
            attempts = registry.jobs.get(answer["job_id"]).attempt
        steps = frozenset(json.dumps(event.data) for event in events if event.kind in ("round", "iteration"))
        parts = {part: answer[part] for part in ("search_space", "validation", "test")}
        return Outcome(parts, architecture["genotype"], steps, weights, attempts)


@contextmanager
def recommendations(dataset: Path) -> Iterator[Recommendations]:
    """One recommendation by each strategy, asked for and not waited for."""
    with workplace() as folder:
        home = folder / "home"
        fleet = Fleet(home, Embedded(home), datasets=dataset.parent, runners="full")
        try:
            fleet.start()
            yield Recommendations(fleet, dataset)
        finally:
            fleet.stop()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_stripes(tmp_path_factory.mktemp("datasets") / "stripes")


@pytest.fixture(scope="module")
def unbroken(dataset: Path) -> dict[str, Outcome]:
    """The outcome of each strategy when nothing happened."""
    with recommendations(dataset) as asked:
        return asked.outcomes()


@pytest.fixture(scope="module", params=STAGES)
def broken(request: pytest.FixtureRequest, dataset: Path) -> dict[str, Outcome]:
    """The outcome of each strategy when the runner was killed in a stage."""
    with recommendations(dataset) as asked:
        return asked.outcomes(request.param)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_killed_recommendation_ends_as_one_that_was_never_killed(
    unbroken: dict[str, Outcome], broken: dict[str, Outcome], strategy: str
) -> None:
    killed, spared = broken[strategy], unbroken[strategy]
    assert (spared.attempts, killed.attempts) == (1, 2)
    assert killed.parts == spared.parts
    assert killed.genotype == spared.genotype
    assert spared.steps
    # A step whose state was stored, but whose event was not, is neither computed nor reported by the next attempt.
    assert killed.steps <= spared.steps
    assert killed.weights == spared.weights
