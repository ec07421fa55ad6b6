"""Selects the baselines that take part in a recommendation, and records why the others do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ldnas.data.dataset import Split, count_common, fingerprints
from ldnas.space.genotype import Genotype
from worker.jobs.context import JobContext
from worker.jobs.stages.fit import is_approximation
from worker.jobs.stages.resolve import ResolvedTask
from worker.registry import NetworkRow, Registry, TaskRow


class WaitingForBaselinesError(Exception):
    """Named baselines are still being prepared: the job goes back to the queue until they are."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"waiting for {', '.join(names)}")
        self.names = tuple(names)


@dataclass(frozen=True)
class Baseline:
    """A baseline that takes part: its task, its networks in order of repetition, its genotypes with the best first.

    `comparable`: its networks have the target's architecture, so that a distance can be measured. `approximation`: all
        of them approximate their own task.
    """

    task: TaskRow
    networks: tuple[NetworkRow, ...]
    genotypes: tuple[Genotype, ...]
    comparable: bool
    approximation: bool

    @property
    def id(self) -> str:
        return self.task.id


@dataclass(frozen=True)
class ClosestTask:
    """The baseline that the verdict names as the closest, or in a tie as the most probable one."""

    task_id: str
    name: str


@dataclass(frozen=True)
class Exclusion:
    """A baseline that does not take part, with the reason in words; `task_id` is None where no task was found."""

    task_id: str | None
    name: str
    reason: str


@dataclass(frozen=True)
class Contenders:
    """All current baselines: those that take part, and those that do not."""

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
) -> Contenders:
    """The baselines that can be compared with `target` now.

    With `named` (names or ids) only those take part, and the job waits until each of them is ready or has failed.

    Raises:
        WaitingForBaselinesError: a named baseline is still queued or running.
    """
    with context.reading() as registry:
        rows = [row for row in registry.tasks.baselines() if named is None or {row.task.id, row.task.name} & {*named}]
        known = {row.task.id: _baseline(registry, target, row.task) for row in rows}
    if named is not None and (unfinished := [row.task.name for row in rows if row.state in ("queued", "running")]):
        raise WaitingForBaselinesError(unfinished)
    found = {row.task.id for row in rows} | {row.task.name for row in rows}
    exclusions = [Exclusion(None, name, "it is not registered any more") for name in named or () if name not in found]
    baselines = []
    for row in rows:
        baseline = known[row.task.id]
        reason = _reason_against(context, target, row.state, baseline, require_approximation=require_approximation)
        if reason is None:
            baselines.append(baseline)
        else:
            exclusions.append(Exclusion(row.task.id, row.task.name, reason))
    return Contenders(tuple(baselines), tuple(exclusions))


def restore_baselines(
    context: JobContext, target: ResolvedTask, eligibility: Sequence[Mapping[str, Any]]
) -> Contenders:
    """The baselines that an earlier attempt of the job found, without those registered since.

    All attempts of one job must use the same set, or their answers would differ.
    """
    names = {entry["task_id"]: entry["name"] for entry in eligibility if entry["eligible"]}
    contenders = find_baselines(context, target, named=[*names], require_approximation=False)
    gone = [Exclusion(None, names.get(e.name, e.name), e.reason) for e in contenders.exclusions]
    before = [Exclusion(e["task_id"], e["name"], e["reason"]) for e in eligibility if not e["eligible"]]
    return Contenders(contenders.baselines, (*before, *gone))


def _baseline(registry: Registry, target: ResolvedTask, task: TaskRow) -> Baseline:
    networks = tuple(registry.task_results.networks(task.id))
    return Baseline(
        task=task,
        networks=networks,
        genotypes=tuple(Genotype.from_json(row.genotype) for row in registry.task_results.genotypes(task.id)),
        comparable=task.architecture == target.architecture,
        approximation=all(is_approximation(network, task.epsilon) for network in networks),
    )


def _reason_against(
    context: JobContext, target: ResolvedTask, state: str, baseline: Baseline, *, require_approximation: bool
) -> str | None:
    task = baseline.task
    if state != "succeeded":
        return f"its registration is {state}"
    digests = target.proxy.digests
    if (task.dataset_digest, task.mapping_digest) == (digests.dataset, digests.mapping):
        return "it is the target itself: the same dataset and label mapping"
    if require_approximation and not baseline.approximation:
        return f"not all of its networks reach a balanced validation accuracy of {1 - task.epsilon:g}"
    if seen := count_seen(context, target, task, Split.TEST):
        return f"it was trained or validated on {seen} of the target's test images"
    return None


def count_seen(context: JobContext, target: ResolvedTask, task: TaskRow, *splits: Split) -> int:
    """How many of the target's images in these splits the task's training and validation read, under another split.

    0 if both have one dataset, whose split they share.
    """
    if task.seen_images is None or task.dataset_digest == target.dataset.digest:
        return 0
    return count_common(fingerprints(target.dataset, *splits), context.store.read(task.seen_images))
