"""The context of every stage of a job: settings, the registry under the job's attempt, artifacts, progress."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import InitVar, dataclass, field
from typing import Any

import torch

from ldnas.training.micro_batches import Compute, MicroBatches
from worker.jobs.checkpoints import Checkpoints
from worker.jobs.memo import Codec, JobMemo, ResultT
from worker.process.logs import bind
from worker.process.side_process import SideProcess
from worker.process.tracing import span
from worker.registry import Engine, Registry, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import ArtifactStore

log = logging.getLogger(__name__)

REPORT_COST_SECONDS = 5.0
"""How often the seconds of the current stage are saved, so that those of a killed attempt are not lost."""


@dataclass(eq=False)
class JobContext:
    """One attempt at one job.

    Attributes:
        plan: each stage's share of the work, by name and in order; the job's progress is computed from it.
        report_cost: saves the seconds spent so far, in the transaction that reports progress.
        clock: returns the current time in seconds, for stages and budgets.
        found_seconds: by stage, the seconds that the results found in storage once took to compute.
        device: the device of `compute`.
        micro_batch: images that go through a network at a time, as found by an earlier attempt; None for no limit.
        compute: where this attempt runs networks, within that limit; all code that runs a network uses it.
        tracing: computes the graphs of an export meanwhile; None = nothing does.
        memo: the results of earlier attempts, and of this one.
    """

    settings: Settings
    engine: Engine
    store: ArtifactStore
    checkpoints: Checkpoints
    job_id: str
    attempt: int
    device: InitVar[torch.device]
    plan: Mapping[str, float] = field(default_factory=dict)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    found_seconds: dict[str, float] = field(default_factory=dict)
    report_cost: Callable[[Registry], None] | None = None
    clock: Callable[[], float] = time.monotonic
    micro_batch: InitVar[int | None] = None
    tracing: SideProcess | None = None
    compute: Compute = field(init=False)
    memo: JobMemo = field(init=False)
    _cost_reported: float = -math.inf
    _stage: str = ""
    _stage_began: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _found_fraction: float = 0.0
    _portion: tuple[float, float, str] = (0.0, 1.0, "")

    def __post_init__(self, device: torch.device, micro_batch: int | None) -> None:
        self.compute = Compute(device, MicroBatches(micro_batch, self._save_micro_batch))
        self.memo = JobMemo(self.engine, self.job_id, self.attempt)

    def once(self, name: str, compute: Callable[[], ResultT], codec: Codec[ResultT]) -> ResultT:
        """The result stored in the job's memo under this name; computed and stored now if no attempt has done so."""
        return self.memo.once(name, compute, codec)

    def reading(self) -> AbstractContextManager[Registry]:
        """A short read of the registry."""
        return reading(self.engine)

    @contextmanager
    def unit_of_work(self) -> Iterator[Registry]:
        """A short write to the registry under the job's attempt, committed at its end.

        Raises:
            AttemptLostError: another process holds the job by now; nothing is written.
        """
        with unit_of_work(self.engine) as registry:
            registry.leases.touch(self.job_id, self.attempt)
            yield registry

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Append an event to the job's history."""
        with self.unit_of_work() as registry:
            registry.leases.add_event(self.job_id, self.attempt, kind, data)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage, and measure how long this attempt spends in it."""
        before = self.stage_seconds.get(name, 0.0)
        self._stage = name
        self._stage_began = self.clock()
        bind(stage=name)  # stays bound if the stage fails, so that the log of the failure has the stage
        log.info("stage %s begins", name)
        self.event("stage", {"stage": name})
        self.progress(0.0, f"{name} begins")
        try:
            with span(f"stage {name}", job_id=self.job_id):
                yield
        finally:
            self.stage_seconds = self.seconds_by_stage()
            self._stage = ""
        seconds = self.stage_seconds[name] - before
        with unit_of_work(self.engine) as registry:
            end = self._fraction(name, 1.0)
            registry.leases.end_stage(self.job_id, self.attempt, name, seconds, fraction=end)
        log.info("stage %s took %.1f s", name, seconds, extra={"seconds": round(seconds, 3)})

    @contextmanager
    def portion(self, begin: float, end: float, label: str) -> Iterator[None]:
        """Map progress reported inside to a part of the current stage, from `begin` to `end`, in [0, 1]."""
        self._portion = (begin, end, f"{label}: ")
        try:
            self.progress(0.0, "begins")
            yield
        finally:
            self._portion = (0.0, 1.0, "")

    def seconds_by_stage(self) -> dict[str, float]:
        """Seconds that this attempt has spent in each stage, including the current one."""
        seconds = dict(self.stage_seconds)
        if self._stage:
            seconds[self._stage] = seconds.get(self._stage, 0.0) + self.clock() - self._stage_began
        return seconds

    def give_way(self) -> None:
        """If a job of higher priority is due, save this job's state at the next opportunity and queue it again."""
        with self.reading() as registry:
            if registry.jobs.more_urgent_is_due(self.job_id):
                self.checkpoints.stop()

    def found(self, seconds: float) -> None:
        """Count the seconds that the current stage saved by finding a stored result."""
        self.found_seconds[self._stage] = self.found_seconds.get(self._stage, 0.0) + seconds

    def progress(self, fraction_of_stage: float, message: str) -> None:
        """Report the current stage's progress, in [0, 1], and in words."""
        begin, end, label = self._portion
        fraction_of_stage = begin + (end - begin) * fraction_of_stage
        fraction = self._fraction(self._stage, fraction_of_stage)
        with self.unit_of_work() as registry:
            registry.leases.progress(
                self.job_id,
                self.attempt,
                stage=self._stage,
                fraction=fraction,
                message=label + message,
                eta_seconds=self._eta_seconds(fraction),
            )
            if self.report_cost is not None and self.clock() - self._cost_reported >= REPORT_COST_SECONDS:
                self.report_cost(registry)
                self._cost_reported = self.clock()

    def _fraction(self, stage: str, fraction_of_stage: float) -> float:
        """The fraction of the whole job, in [0, 1], at this fraction of a stage."""
        names = list(self.plan)
        before = sum(self.plan[name] for name in names[: names.index(stage)])
        return (before + self.plan[stage] * fraction_of_stage) / sum(self.plan.values())

    def _save_micro_batch(self, size: int) -> None:
        """Save the new limit after memory ran out, so that later attempts begin with it."""
        with self.unit_of_work() as registry:
            registry.leases.touch(self.job_id, self.attempt, micro_batch=size)
            registry.leases.add_event(self.job_id, self.attempt, "micro_batch", {"stage": self._stage, "size": size})

    def _eta_seconds(self, fraction: float) -> float | None:
        """Remaining seconds at the pace of this attempt so far; None while too little is known.

        Results from an earlier attempt are restored in the first moments and do not count.
        """
        elapsed = time.monotonic() - self._started
        if elapsed < 2.0:
            self._found_fraction = fraction
            return None
        done = fraction - self._found_fraction
        return elapsed / done * (1 - fraction) if done >= 0.05 else None
