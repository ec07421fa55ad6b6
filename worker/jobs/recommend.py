"""The job `recommend`: Algorithm 1 of LD-NAS as stages, each of which adds its results to the answer."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from ldnas.errors import ImpossibleConstraintError
from ldnas.objectives import OBJECTIVES
from ldnas.recipe import default_recipe
from ldnas.space.constraints import Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.jobs.context import JobContext
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.budget import Forecast, affordable, forecast_job
from worker.jobs.stages.control import ControlPlan, run_control
from worker.jobs.stages.export import export
from worker.jobs.stages.fit import fit_task_networks
from worker.jobs.stages.latency import fast_enough, latency_table
from worker.jobs.stages.resolve import ResolvedTask, resolve, target_document
from worker.jobs.stages.search import SearchPlan, genotype_of, search_once, target_search, warning_of
from worker.jobs.stages.space import find_space, skeleton_for, take_full_space
from worker.jobs.stages.train import TrainedArchitecture, memory_warnings, score_on_test, train_architecture
from worker.jobs.stages.warm_start import WarmStart, restore_start, source_work, train_source
from worker.registry import GenotypeRow

PLAN = {"resolve": 0.02, "fit": 0.15, "distance": 0.2, "search": 0.4, "train": 0.2, "export": 0.03}
CONTROL_SHARE = 4.0
"""The share of a control, which repeats search and training from several seeds, relative to all of `PLAN`."""


def recommend(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Run every stage; a second attempt resumes from the stored results of the first one."""
    job = _RecommendationJob(context, params["recommendation_id"], params["task_id"])
    return job.run()


class _RecommendationJob:
    def __init__(self, context: JobContext, recommendation_id: str, task_id: str) -> None:
        self._context = context
        self._task_id = task_id
        self._answer = answer = Answer(context, recommendation_id)
        if answer.request.get("control"):
            context.plan = {**context.plan, "control": CONTROL_SHARE}
        final = answer.request.get("final") or {}
        self._objective = answer.request.get("objective") or OBJECTIVES[0]
        self._seeds = final.get("seeds") or 1
        self._warm = bool(final.get("warm_start"))
        self._constraints = Constraints(**(answer.request.get("constraints") or {}))

    def run(self) -> dict[str, Any]:
        context, answer = self._context, self._answer
        context.report_cost = answer.report_cost
        with context.stage("resolve"):
            task = resolve(context, self._task_id)
            skeleton_for(task, answer, FULL_SPACE)  # refuses constraints that no cell satisfies before any work
            answer.report(target=target_document(task, answer.request["dataset"]), provenance=_provenance(task))
        with context.stage("fit"):
            fitted = fit_task_networks(context, task)
        with context.stage("distance"):
            space = find_space(context, task, answer, fitted)
        with context.stage("search"):
            plan = self._plan_search(task, space)
            genotype = self._fast_enough(plan, search_once(context, task, plan, timed=self._search_is_timed()))
        with context.stage("train"):
            start, trained = self._train(task, plan, genotype)
            test = score_on_test(context, task, trained)
            answer.report(validation=trained.validation(), test=test)
        with context.stage("export"):
            # Not again after an attempt that was interrupted in the control.
            architecture_id = (answer.reported.get("architecture") or {}).get("id") or export(
                context,
                task,
                trained,
                recommendation_id=answer.id,
                name=answer.name or task.name,
                test=test,
                latency_ms=answer.reported["search"].get("latency_ms"),
                started_from=None if start is None else start.in_words(),
            )
        if answer.request.get("control"):
            with context.stage("control"):
                self._control(task, plan, trained)
        for warning in memory_warnings(context, trained.networks):
            answer.warn(warning)
        answer.report()
        return {"recommendation_id": answer.id, "architecture_id": architecture_id}

    def _train(
        self, task: ResolvedTask, plan: SearchPlan, genotype: Genotype
    ) -> tuple[WarmStart | None, TrainedArchitecture]:
        """Run the final training; return it with its warm start."""
        epochs = self._affordable_epochs(task, plan, genotype)
        start = self._warm_start(task, plan, genotype, epochs) if self._warm else None
        trained = train_architecture(
            self._context,
            task,
            genotype,
            plan.skeleton,
            objective=self._objective,
            epochs=epochs,
            seeds=self._seeds,
            start=None if start is None else start.network,
        )
        for warning in trained.warnings:
            self._answer.warn(warning)
        return start, trained

    def _plan_search(self, task: ResolvedTask, space: SearchSpace) -> SearchPlan:
        """The search with its forecast, both as reported by an earlier attempt if it got that far."""
        reported = self._answer.reported.get("search") or {}
        skeleton = skeleton_for(task, self._answer, space)
        try:
            table = latency_table(
                self._constraints, space, skeleton, self._context.device, reported.get("latency_table")
            )
        except ImpossibleConstraintError as refusal:
            if space == FULL_SPACE:
                raise
            return self._plan_search(task, take_full_space(task, self._answer, refusal))
        plan = target_search(task, space, skeleton, self._answer.request, table)
        stored = reported.get("forecast")
        spent = self._answer.seconds()
        forecast = (
            Forecast.from_json(stored)
            if stored is not None
            else forecast_job(self._context, task, plan, self._objective, spent, networks=self._networks(task, plan))
        )
        if (
            warning := warning_of(plan, plan.iterations or forecast.search / max(0.001, forecast.iteration))
        ) is not None:
            self._answer.warn(warning)
        if (budget := plan.budget_seconds) is not None:
            plan = replace(plan, seconds=forecast.search)
            if forecast.job > budget:
                self._answer.warn(
                    f"networks, distances and forecast took {forecast.spent:.0f} of the {budget:g} seconds; with one "
                    "iteration of the search and one epoch of the final training, which always run, the job is "
                    f"predicted to take {forecast.job:.0f}"
                )
        self._answer.report(
            search={
                **reported,
                "strategy": plan.origin,
                "settings": dict(plan.settings),
                "splits": plan.splits,
                "constraints": self._constraints.given(),
                "latency_table": table.to_json() if table is not None else None,
                "forecast": forecast.to_json(),
            }
        )
        return plan

    def _search_is_timed(self) -> bool:
        """Whether the control needs the seconds of the search, which an attempt that got further has counted."""
        return bool(self._answer.request.get("control")) and "chosen" not in self._answer.reported["search"]

    def _fast_enough(self, plan: SearchPlan, rows: Sequence[GenotypeRow]) -> Genotype:
        """The best genotype whose measured network satisfies a limit on latency."""
        limit = self._constraints.max_latency_ms
        chosen = self._answer.reported["search"].get("chosen")
        if chosen is not None:  # a second measurement might choose another genotype
            return Genotype.from_json(chosen)
        found = fast_enough(rows, plan.skeleton, limit, self._context.device)
        taken = {"chosen": found.row.genotype, "latency_ms": found.latency_ms}
        self._answer.report(
            search={**self._answer.reported["search"], "scored": len(rows), **taken}, warning=found.warning
        )
        return genotype_of(found.row)

    def _affordable_epochs(self, task: ResolvedTask, plan: SearchPlan, genotype: Genotype) -> int | None:
        """The most epochs of the final training; an interrupted attempt's choice stays."""
        reported = self._answer.reported["search"]
        if "final_epochs" not in reported:
            spent = self._answer.seconds()
            epochs = affordable(
                self._context, task, plan, genotype, self._objective, spent, networks=self._networks(task, plan)
            )
            self._answer.report(search={**reported, "final_epochs": epochs})
        most: int | None = self._answer.reported["search"]["final_epochs"]
        return most

    def _networks(self, task: ResolvedTask, plan: SearchPlan) -> float:
        """The expected cost of the final training, in trainings of one network on the target."""
        if not self._warm:
            return self._seeds
        closest = self._answer.reported.get("closest")
        return self._seeds + source_work(self._context, task, closest, capped=plan.budget_seconds is not None)

    def _warm_start(
        self, task: ResolvedTask, plan: SearchPlan, genotype: Genotype, epochs: int | None
    ) -> WarmStart | None:
        """The warm start of the final training; an interrupted attempt's choice stays."""
        if "warm_start" in self._answer.reported:
            return restore_start(self._context, self._answer.reported["warm_start"])
        closest = self._answer.reported.get("closest")
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
        self._answer.report(warm_start=None if start is None else start.to_json(), warning=warning)
        return start

    def _control(self, task: ResolvedTask, plan: SearchPlan, trained: TrainedArchitecture) -> None:
        """Spend the same seconds without the memory of tasks; the seconds as reported by an earlier attempt.

        Stored results that fit and distance reused count with their original seconds: the work of other jobs must not
        make the memory of tasks look cheaper.
        """
        seconds = {stage: self._answer.seconds(stage) for stage in ("fit", "distance", "search")}
        once = self._context.found_seconds
        reported = self._answer.reported.get("control") or {}
        found = ControlPlan(
            search=plan,
            genotype=trained.genotype,
            config=trained.config,
            objective=self._objective,
            seconds=reported.get("seconds")
            or round(sum(max(spent, once.get(stage, 0.0)) for stage, spent in seconds.items()), 1),
            search_seconds=reported.get("search_seconds") or round(seconds["search"], 1),
        )
        run_control(self._context, task, found, reported, lambda control: self._answer.report(control=control))


def _provenance(task: ResolvedTask) -> dict[str, Any]:
    recipe = default_recipe(task.architecture)
    return {
        "seed": task.seed,
        "recipe": {**recipe.to_json(), "digest": recipe.digest},
        "digests": asdict(task.full.digests),
        "versions": {package: version(package) for package in ("ldnas", "torch", "torchvision", "numpy")},
    }
