"""control: networks found in the same seconds without the memory of tasks, compared with the recommended one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import CellDesign, Design, PlainDesign
from ldnas.networks.resnet import build_scaled_resnet18, resnet18_size, widest_resnet18
from ldnas.search.strategies import build_strategy
from ldnas.seeding import derive_seed
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.train import TrainConfig
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.control_document import (
    ARMS,
    CONTROL_SECONDS,
    SEEDS,
    ArmDocument,
    ControlReport,
    ControlSeconds,
    NoNetwork,
    ResNet18Document,
)
from worker.jobs.stages.latency import LATENCY_LIMIT, fast_enough, latency_limit
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.search import scored_genotypes
from worker.jobs.stages.search_plan import SearchPlan
from worker.jobs.stages.train import CellDocument, FinishedNetwork, cell_document, finish

ARM: Codec[ArmDocument] = Codec(to_json=lambda document: document, from_json=lambda value: value)


@dataclass(frozen=True, eq=False)
class ControlPlan:
    """The subject of a control.

    Attributes:
        search: the search that found `genotype`.
        config: the recipe that every network is trained by, from fresh weights.
        cost: the seconds of each search without the memory of tasks, and of each further search with it.
    """

    search: SearchPlan
    genotype: Genotype
    config: TrainConfig
    objective: str
    cost: ControlSeconds


def control_seconds(context: JobContext, answer: Answer) -> ControlSeconds:
    """The cost of the recommendation's own search, as the first attempt that gets to the control counts it.

    Stored results that fit and distance reused count with their original seconds: the work of other jobs must not
    make the memory of tasks look cheaper.
    """

    def count() -> ControlSeconds:
        spent = {stage: answer.seconds(stage) for stage in ("fit", "distance", "search")}
        whole = sum(max(seconds, context.found_seconds.get(stage, 0.0)) for stage, seconds in spent.items())
        return ControlSeconds(round(whole, 1), round(spent["search"], 1))

    return context.once("control", count, CONTROL_SECONDS)


def run_control(
    context: JobContext, task: ResolvedTask, plan: ControlPlan, report: Callable[[Mapping[str, Any]], None]
) -> None:
    """Finish a network of every arm from every seed, and report the recommendation's `control` as it grows.

    An attempt resumes from the architectures that earlier ones chose; networks are stored as they are finished.
    Nothing is linked to the task: a control does not affect later searches.
    """
    choice = _Choice(context, task, plan)
    documents = ControlReport(
        task.full.validation.labels.cpu(),
        task.classes,
        plan.objective,
        plan.search.seed,
        plan.cost,
        searches=("full_space", "random"),
        latency_table=None if (table := choice.latency.table) is None else table.to_json(),
    )
    finished: dict[str, list[FinishedNetwork]] = {arm: [] for arm in ARMS}
    steps = [(number, arm) for number in range(SEEDS) for arm in ARMS]
    for place, (number, arm) in enumerate(steps):
        label = f"control, {arm.replace('_', ' ')}, seed {number + 1} of {SEEDS}"
        with context.portion(place / len(steps), (place + 0.5) / len(steps), label):
            chosen = choice.of(arm, number)
        report(documents.document(choice.chosen, finished))
        if "reason" not in chosen:
            with context.portion((place + 0.5) / len(steps), (place + 1) / len(steps), label):
                finished[arm].append(_finish(context, task, plan.config, chosen, number))
    report(documents.document(choice.chosen, finished, judged=True))


class _Choice:
    """The architecture of each arm and seed, as JSON values: chosen by an earlier attempt, or now."""

    def __init__(self, context: JobContext, task: ResolvedTask, plan: ControlPlan) -> None:
        limits = plan.search.constraints
        self.skeleton = skeleton = fitted_skeleton(task.image_size, task.classes, limits, FULL_SPACE)
        self._context = context
        self._task = task
        self._plan = plan
        # It is too late to refuse a finished recommendation because of a limit that no cell satisfies.
        self.latency = context.once(
            "control.latency_table",
            lambda: latency_limit(limits, FULL_SPACE, skeleton, context.compute.device),
            LATENCY_LIMIT,
        )
        self.chosen: dict[str, list[ArmDocument]] = {arm: [] for arm in ARMS}
        for arm in ARMS:
            while _name(arm, len(self.chosen[arm])) in context.memo:
                self.of(arm, len(self.chosen[arm]))

    def of(self, arm: str, number: int) -> ArmDocument:
        """The architecture to train from this seed; a `reason` instead if the constraints allow no such network."""
        if number == len(self.chosen[arm]):
            chosen = self._context.once(_name(arm, number), lambda: self._choose(arm, number), ARM)
            self.chosen[arm].append(chosen)
        return self.chosen[arm][number]

    def _choose(self, arm: str, number: int) -> ArmDocument:
        if number:
            first = self.chosen[arm][0]
            if "width" in first or "reason" in first:  # measure only once: a second measurement might differ
                return first
        if arm == "resnet18":
            return self._resnet18()
        if arm != "found" and self.latency.refusal is not None:
            return {"reason": self.latency.refusal}
        return self._cell(arm, number)

    def _cell(self, arm: str, number: int) -> CellDocument:
        if arm == "found" and number == 0:
            search, genotype = self._plan.search, self._plan.genotype
        else:
            search = self._search(arm, number)
            rows = scored_genotypes(self._context, self._task, search)
            limit = search.constraints.max_latency_ms
            genotype = fast_enough(rows, search.skeleton, limit, self._context.compute.device).genotype
        return cell_document(genotype, search.skeleton)

    def _search(self, arm: str, number: int) -> SearchPlan:
        """The search of this arm and seed; only its budget in seconds ends it."""
        plan = self._plan.search
        if arm != "found":
            plan = replace(plan, space=FULL_SPACE, skeleton=self.skeleton, latency=self.latency.table)
        if arm == "random":
            plan = replace(
                plan, origin="random", strategy=build_strategy("random", batch_size=plan.settings["batch_size"])
            )
        cost = self._plan.cost
        seconds = cost.search_seconds if arm == "found" else cost.seconds
        return replace(
            plan,
            seed=derive_seed(plan.seed, "control", arm, number),
            iterations=None,
            patience=None,
            budget_seconds=seconds,
            seconds=seconds,
        )

    def _resnet18(self) -> ResNet18Document | NoNetwork:
        """The widest ResNet-18 that satisfies the constraints."""
        task, limits = self._task, self._plan.search.constraints
        try:
            width = widest_resnet18(
                task.classes,
                image_size=task.image_size,
                max_parameters=limits.max_parameters,
                max_macs=limits.max_macs,
            )
        except ImpossibleConstraintError as impossible:
            return {"reason": str(impossible)}
        limit = limits.max_latency_ms
        while limit is not None and (took := self._latency_ms(width)) > limit:
            if width == 1:
                return {"reason": f"max_latency_ms is {limit:g}, and the narrowest ResNet-18 takes {took:g} ms here"}
            width = width * 3 // 4
        size = resnet18_size(task.classes, width, task.image_size)
        return {"width": width, "parameters": size[0], "macs": size[1]}

    def _latency_ms(self, width: int) -> float:
        network = build_scaled_resnet18(self._task.classes, seed=0, width=width).to(self._context.compute.device).eval()
        return measure_latency_ms(network, self.skeleton.image_size)


def _name(arm: str, number: int) -> str:
    """The name of a choice in the job's memo."""
    return f"control.{arm}.{number}"


def _finish(
    context: JobContext,
    task: ResolvedTask,
    config: TrainConfig,
    chosen: CellDocument | ResNet18Document,
    number: int,
) -> FinishedNetwork:
    def on_epoch(epoch: int, epochs: int) -> None:
        context.progress(epoch / epochs, f"training, epoch {epoch} of {epochs}")

    design: Design
    if "width" in chosen:
        design = PlainDesign(chosen["width"], task.image_size, task.classes)
    else:
        design = CellDesign(Genotype.from_json(chosen["genotype"]), Skeleton.from_json(chosen["skeleton"]))
    return finish(context, task, design, config, number=number, on_epoch=on_epoch)
