"""The job `recommend`: Algorithm 1 of LD-NAS as stages, each telling the recommendation what it found."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from ldnas.errors import ImpossibleConstraintError
from ldnas.objectives import OBJECTIVES
from ldnas.recipe import MEASURES, default_recipe
from ldnas.recommend import ChosenSpace, choose_space
from ldnas.space.constraints import Constraints
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.registry.models import GenotypeRow
from worker.registry.registry import Registry
from worker.stages.baselines import Contenders, find_again, find_baselines
from worker.stages.budget import Forecast, affordable, foretell
from worker.stages.column_document import column_document
from worker.stages.context import JobContext
from worker.stages.control import ControlPlan, run_control
from worker.stages.distance import measure_column
from worker.stages.export import export
from worker.stages.fit import FittedNetwork, fit_task_networks
from worker.stages.latency import fast_enough, latency_table
from worker.stages.resolve import ResolvedTask, resolve, target_document
from worker.stages.search import SearchPlan, genotype_of, search_once, target_search
from worker.stages.train import TrainedArchitecture, score_on_test, train_architecture
from worker.stages.warm_start import WarmStart, source_work, train_source
from worker.stages.warm_start import find_again as find_start_again

PLAN = {"resolve": 0.02, "fit": 0.15, "distance": 0.2, "search": 0.4, "train": 0.2, "export": 0.03}
CONTROL_SHARE = 4.0
"""Of a control, which repeats search and training from several seeds, beside the whole of `PLAN`."""


def recommend(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Runs every stage; a second attempt finds what the first one kept and goes on from there."""
    job = _RecommendationJob(context, params["recommendation_id"], params["task_id"])
    return job.run()


class _RecommendationJob:
    def __init__(self, context: JobContext, recommendation_id: str, task_id: str) -> None:
        self._context = context
        self._id = recommendation_id
        self._task_id = task_id
        with context.reading() as registry:
            row = registry.recommendations.get(recommendation_id)
        self._request = row.request
        self._name = row.name
        if row.request.get("control"):
            context.plan = {**context.plan, "control": CONTROL_SHARE}
        # What an earlier attempt told stays: an answer does not change because its job was interrupted.
        self._told = row.document
        self._spent = (row.document.get("cost") or {}).get("stage_seconds", {})
        self._measure = row.request.get("measure") or MEASURES[0]
        self._objective = row.request.get("objective") or OBJECTIVES[0]
        self._seeds = (row.request.get("final") or {}).get("seeds") or 1
        self._warm = bool((row.request.get("final") or {}).get("warm_start"))
        self._constraints = Constraints(**(row.request.get("constraints") or {}))

    def run(self) -> dict[str, Any]:
        context = self._context
        context.tell_cost = self._tell_cost
        with context.stage("resolve"):
            task = resolve(context, self._task_id)
            self._skeleton(task, FULL_SPACE)  # what no cell at all can keep is refused before anything is computed
            self._tell(target=target_document(task, self._request["dataset"]), provenance=_provenance(task))
        with context.stage("fit"):
            fitted = fit_task_networks(context, task)
        with context.stage("distance"):
            space = self._told_space() or self._choose_space(task, fitted)
        with context.stage("search"):
            plan = self._plan_search(task, space)
            genotype = self._fast_enough(plan, search_once(context, task, plan))
        with context.stage("train"):
            epochs = self._affordable_epochs(task, plan, genotype)
            start = self._warm_start(task, plan, genotype, epochs) if self._warm else None
            trained = train_architecture(
                context,
                task,
                genotype,
                plan.skeleton,
                objective=self._objective,
                epochs=epochs,
                seeds=self._seeds,
                start=None if start is None else start.network,
            )
            for warning in trained.warnings:
                self._warn(warning)
            test = score_on_test(context, task, trained)
            self._tell(validation=trained.validation(), test=test)
        with context.stage("export"):
            exported = (self._told.get("architecture") or {}).get("id")  # by an attempt that broke off after that
            architecture_id = exported or export(
                context,
                task,
                trained,
                recommendation_id=self._id,
                name=self._name or task.name,
                test=test,
                latency_ms=self._told["search"].get("latency_ms"),
                started_from=None if start is None else start.in_words(),
            )
        if self._request.get("control"):
            with context.stage("control"):
                self._control(task, plan, trained)
        self._tell()
        return {"recommendation_id": self._id, "architecture_id": architecture_id}

    def _skeleton(self, task: ResolvedTask, space: SearchSpace) -> Skeleton:
        return fitted_skeleton(task.image_size, task.classes, self._constraints, space)

    def _plan_search(self, task: ResolvedTask, space: SearchSpace) -> SearchPlan:
        """The search with its forecast, both as an earlier attempt told them if it came so far."""
        told = self._told.get("search") or {}
        skeleton = self._skeleton(task, space)
        try:
            table = latency_table(self._constraints, space, skeleton, self._context.device, told.get("latency_table"))
        except ImpossibleConstraintError as refusal:
            if space == FULL_SPACE:
                raise
            return self._plan_search(task, self._take_full_space(task, refusal))
        plan = target_search(task, space, skeleton, self._request, table)
        foretold = told.get("forecast")
        spent = sum(self._cost()["stage_seconds"].values())
        forecast = (
            Forecast.from_json(foretold)
            if foretold is not None
            else foretell(self._context, task, plan, self._objective, spent, networks=self._networks(task, plan))
        )
        if (budget := plan.budget_seconds) is not None:
            plan = replace(plan, seconds=forecast.search)
            if forecast.job > budget:
                self._warn(
                    f"networks, distances and forecast took {forecast.spent:.0f} of the {budget:g} seconds; with one "
                    "iteration of the search and one epoch of the final training, which always run, the job is "
                    f"foretold to take {forecast.job:.0f}"
                )
        self._tell(
            search={
                **told,
                "strategy": plan.origin,
                "settings": dict(plan.settings),
                "splits": plan.splits,
                "constraints": self._constraints.given(),
                "latency_table": table.to_json() if table is not None else None,
                "forecast": forecast.to_json(),
            }
        )
        return plan

    def _fast_enough(self, plan: SearchPlan, rows: Sequence[GenotypeRow]) -> Genotype:
        """The best genotype whose network keeps a limit on latency when it is measured."""
        limit = self._constraints.max_latency_ms
        chosen = self._told["search"].get("chosen")
        if chosen is not None:  # a second measurement might choose another one
            return Genotype.from_json(chosen)
        found = fast_enough(rows, plan.skeleton, limit, self._context.device)
        if found.warning is not None:
            self._warn(found.warning)
        taken = {"chosen": found.row.genotype, "latency_ms": found.latency_ms}
        self._tell(search={**self._told["search"], "scored": len(rows), **taken})
        return genotype_of(found.row)

    def _affordable_epochs(self, task: ResolvedTask, plan: SearchPlan, genotype: Genotype) -> int | None:
        """The most epochs of the final training; an interrupted attempt's choice stays."""
        told = self._told["search"]
        if "final_epochs" not in told:
            spent = sum(self._cost()["stage_seconds"].values())
            epochs = affordable(
                self._context, task, plan, genotype, self._objective, spent, networks=self._networks(task, plan)
            )
            self._tell(search={**told, "final_epochs": epochs})
        most: int | None = self._told["search"]["final_epochs"]
        return most

    def _networks(self, task: ResolvedTask, plan: SearchPlan) -> float:
        """What the final training is expected to take, in trainings of one network on the target."""
        if not self._warm:
            return self._seeds
        closest = self._told.get("closest")
        return self._seeds + source_work(self._context, task, closest, capped=plan.budget_seconds is not None)

    def _warm_start(
        self, task: ResolvedTask, plan: SearchPlan, genotype: Genotype, epochs: int | None
    ) -> WarmStart | None:
        """What the final training begins at; an interrupted attempt's choice stays."""
        if "warm_start" in self._told:
            return find_start_again(self._context, self._told["warm_start"])
        closest = self._told.get("closest")
        start, warning = train_source(
            self._context,
            task,
            closest,
            genotype,
            plan.skeleton,
            objective=self._objective,
            epochs=epochs,
            seeds=self._seeds,
        )
        if warning is not None:
            self._warn(warning)
        self._tell(warm_start=None if start is None else start.to_json())
        return start

    def _control(self, task: ResolvedTask, plan: SearchPlan, trained: TrainedArchitecture) -> None:
        """The same seconds without the memory of tasks; the seconds as an earlier attempt told them."""
        told = self._told.get("control") or {}
        spent = self._cost()["stage_seconds"]
        found = ControlPlan(
            search=plan,
            genotype=trained.genotype,
            config=trained.config,
            objective=self._objective,
            seconds=told.get("seconds") or round(sum(spent[stage] for stage in ("fit", "distance", "search")), 1),
            search_seconds=told.get("search_seconds") or round(spent["search"], 1),
        )
        run_control(self._context, task, found, told, lambda control: self._tell(control=control))

    def _warn(self, warning: str) -> None:
        """Adds a sentence to the answer's warnings, once."""
        warnings = self._told.get("warnings") or []
        if warning not in warnings:
            self._tell(warnings=[*warnings, warning])

    def _told_space(self) -> SearchSpace | None:
        """The space that an earlier attempt chose, if it came so far."""
        told = self._told.get("search_space")
        return None if told is None else SearchSpace(tuple(told["primitives"]))

    def _choose_space(self, task: ResolvedTask, fitted: Sequence[FittedNetwork]) -> SearchSpace:
        """Algorithm 1 up to the search: distances, closest task, space."""
        contenders = self._find_contenders(task)
        comparable = [baseline for baseline in contenders.baselines if baseline.comparable]
        column = measure_column(self._context, task, fitted, comparable, ranking_measure=self._measure)
        ranking = column.ranking(self._measure)
        genotypes = {baseline.id: baseline.genotypes for baseline in comparable}
        k = (self._request.get("search") or {}).get("k") or 1
        chosen = choose_space(ranking, genotypes, k=k)
        self._tell(
            **column_document(column, contenders.baselines, measure=self._measure, architecture=task.architecture),
            approximation=all(item.approximation for item in fitted),
        )
        try:
            skeleton = self._skeleton(task, chosen.space)
        except ImpossibleConstraintError as refusal:
            return self._take_full_space(task, refusal)
        self._tell(search_space=_space_document(chosen, skeleton))
        return chosen.space

    def _take_full_space(self, task: ResolvedTask, refusal: ImpossibleConstraintError) -> SearchSpace:
        """The full space in place of a closest task's that has no cell which keeps the constraints."""
        self._warn(f"the full space is searched instead of the closest task's: {refusal}")
        self._tell(search_space=_space_document(ChosenSpace(FULL_SPACE, ()), self._skeleton(task, FULL_SPACE)))
        return FULL_SPACE

    def _find_contenders(self, task: ResolvedTask) -> Contenders:
        """The baselines that take part, the same ones in every attempt."""
        told = self._told.get("eligibility")
        if told is not None:
            contenders = find_again(self._context, task, told)
        else:
            contenders = find_baselines(
                self._context,
                task,
                named=self._request.get("baselines"),
                require_approximation=bool(self._request.get("require_approximation")),
            )
        self._tell(eligibility=contenders.to_json())
        return contenders

    def _tell(self, **fields: Any) -> None:
        """Puts parts of the answer, and what it has cost so far, where polls see them."""
        fields["cost"] = self._cost()
        self._told = {**self._told, **fields}
        with self._context.unit_of_work() as registry:
            registry.recommendations.merge_document(self._id, self._context.job_id, self._context.fence, fields)

    def _tell_cost(self, registry: Registry) -> None:
        """What the answer has cost so far, for the next attempt if this one is killed."""
        fields = {"cost": self._cost()}
        registry.recommendations.merge_document(self._id, self._context.job_id, self._context.fence, fields)

    def _cost(self) -> dict[str, Any]:
        """Seconds by stage, over all attempts as far as they told them."""
        spent = self._context.seconds_by_stage()
        seconds = {stage: round(self._spent.get(stage, 0.0) + spent.get(stage, 0.0), 3) for stage in self._context.plan}
        return {
            "stage_seconds": seconds,
            "device": str(self._context.device),
            "device_seconds": round(sum(seconds.values()), 3),
        }


def _space_document(chosen: ChosenSpace, skeleton: Skeleton) -> dict[str, Any]:
    """The `search_space` of a recommendation."""
    return {
        "source_task_ids": list(chosen.source_task_ids),
        "primitives": list(chosen.space.primitives),
        "nodes": 1 + max(end for _, end in EDGES),
        "skeleton": skeleton.to_json(),
        "size": chosen.space.size,
        "fraction_of_full": chosen.space.fraction_of_full,
    }


def _provenance(task: ResolvedTask) -> dict[str, Any]:
    recipe = default_recipe(task.architecture)
    return {
        "seed": task.seed,
        "recipe": {**recipe.to_json(), "digest": recipe.digest},
        "digests": asdict(task.full.digests),
        "versions": {package: version(package) for package in ("ldnas", "torch", "torchvision", "numpy")},
    }
