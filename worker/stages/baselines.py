"""Which baselines take part in a recommendation, and why the others do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.registry.models import Network, Task
from worker.stages.context import JobContext
from worker.stages.resolve import ResolvedTask


class WaitingForBaselinesError(Exception):
    """Named baselines are still being prepared: the job goes back to the queue until they are."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"waiting for {', '.join(names)}")
        self.names = tuple(names)


@dataclass(frozen=True)
class Baseline:
    """A baseline that takes part: its task, its networks in order of repetition, and how it did on its own task.

    `comparable` says that its networks have the target's architecture, so that a distance can be measured.
    """

    task: Task
    networks: tuple[Network, ...]
    comparable: bool
    approximation: bool

    @property
    def id(self) -> str:
        return self.task.id


@dataclass(frozen=True)
class Exclusion:
    """A baseline that does not take part, with the reason in words."""

    task_id: str
    name: str
    reason: str


@dataclass(frozen=True)
class Field:
    """All baselines of the moment: those that run, and those that do not."""

    baselines: tuple[Baseline, ...]
    exclusions: tuple[Exclusion, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The `eligibility` of a recommendation."""
        eligible = [{"task_id": b.id, "name": b.task.name, "eligible": True, "reason": None} for b in self.baselines]
        excluded = [
            {"task_id": e.task_id, "name": e.name, "eligible": False, "reason": e.reason} for e in self.exclusions
        ]
        return eligible + excluded


def find_baselines(
    context: JobContext, target: ResolvedTask, *, named: Sequence[str] | None, require_approximation: bool
) -> Field:
    """The baselines that can be compared with `target` now.

    With `named` (names or ids) only those take part, and each is waited for until it is ready or can never be.

    Raises:
        WaitingForBaselinesError: a named baseline is still queued or running.
    """
    with context.reading() as registry:
        rows = registry.tasks.baselines()
        networks = {row.task.id: tuple(registry.tasks.networks(row.task.id)) for row in rows}
    if named is not None:
        wanted = set(named)
        rows = [row for row in rows if {row.task.id, row.task.name} & wanted]
        unfinished = [row.task.name for row in rows if row.state in ("queued", "running")]
        if unfinished:
            raise WaitingForBaselinesError(unfinished)
        found = {row.task.id for row in rows} | {row.task.name for row in rows}
        missing = [Exclusion(name, name, "it was deleted") for name in named if name not in found]
    else:
        missing = []
    baselines, exclusions = [], missing
    for row in rows:
        baseline = _baseline(target, row.task, networks[row.task.id])
        reason = _reason_against(target, row.state, baseline, require_approximation=require_approximation)
        if reason is None:
            baselines.append(baseline)
        else:
            exclusions.append(Exclusion(row.task.id, row.task.name, reason))
    return Field(tuple(baselines), tuple(exclusions))


def _baseline(target: ResolvedTask, task: Task, networks: tuple[Network, ...]) -> Baseline:
    return Baseline(
        task=task,
        networks=networks,
        comparable=task.architecture == target.architecture,
        approximation=all(network.validation_balanced_accuracy >= 1 - task.epsilon for network in networks),
    )


def _reason_against(target: ResolvedTask, state: str, baseline: Baseline, *, require_approximation: bool) -> str | None:
    task = baseline.task
    if state != "succeeded":
        return f"its registration is {state}"
    digests = target.proxy.digests
    if (task.dataset_digest, task.mapping_digest) == (digests.dataset, digests.mapping):
        return "it is the target itself: the same dataset and label mapping"
    if require_approximation and not baseline.approximation:
        return f"not all of its networks reach a balanced validation accuracy of {1 - task.epsilon:g}"
    return None
