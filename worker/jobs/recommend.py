"""The job `recommend`: Algorithm 1 of LD-NAS as stages, each of which adds its results to the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ldnas.networks.design import CellDesign
from ldnas.recipe import default_recipe
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.space import FULL_SPACE
from worker.jobs.context import JobContext
from worker.jobs.earlier_release import memo_in_answer
from worker.jobs.stages.answer import Answer, Part
from worker.jobs.stages.baselines import ClosestTask
from worker.jobs.stages.budget import (
    EPOCHS,
    FORECAST,
    affordable,
    forecast_job,
    overspent_warning,
    search_document,
)
from worker.jobs.stages.control import ControlPlan, control_seconds, run_control
from worker.jobs.stages.export import BegunExport, begin_export, export
from worker.jobs.stages.fit import FIT_SHARE, fewer_images_warning, fewer_networks_warning, fit_task_networks
from worker.jobs.stages.latency import CHOSEN_CELL, ChosenCell, fast_enough
from worker.jobs.stages.provenance import provenance_document
from worker.jobs.stages.race import race_once
from worker.jobs.stages.race_control import run_race_control
from worker.jobs.stages.race_result import load_winner
from worker.jobs.stages.resolve import ResolvedTask, resolve, target_document
from worker.jobs.stages.search import search_once
from worker.jobs.stages.search_plan import SearchPlan, target_search, warning_of
from worker.jobs.stages.space import FoundSpace, find_space, limit_latency
from worker.jobs.stages.train import TrainedArchitecture, memory_warnings, score_on_test, train_architecture
from worker.jobs.stages.warm_start import WARM_START, WarmStart, source_work, start_network, train_source
from worker.jobs.stages.weights_files import given_weights, require_fit
from worker.registry import GenotypeRow
from worker.specification import RACE, RecommendationParams

PLAN = {"resolve": 0.02, "fit": 0.15, "distance": 0.2, "search": 0.4, "train": 0.2, "export": 0.03}
CONTROL_SHARE = 4.0
"""The share of a control, which repeats search and training from several seeds, relative to all of `PLAN`."""
RACE_CONTROL_SHARE = 8 * PLAN["search"]
"""The share of a race's control, which trains eight networks in the seconds of the race each."""


def recommend(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Run every stage; a second attempt resumes from the results in the job's memo, which the first one stored."""
    wanted = RecommendationParams.from_storage(params)
    answer = Answer(context, wanted.recommendation_id)
    context.report_cost = answer.report_cost
    context.memo.add(memo_in_answer(answer.begun))
    if answer.request.control:
        share = RACE_CONTROL_SHARE if answer.request.strategy == RACE else CONTROL_SHARE
        context.plan = {**context.plan, "control": share}
    with context.stage("resolve"):
        task = resolve(context, wanted.task_id)
        # Refuses constraints that no cell satisfies, before any work.
        fitted_skeleton(task.image_size, task.classes, answer.request.limits, FULL_SPACE)
        if (given := given_weights(context, answer.request)) is not None:
            require_fit(given, answer.request.image_size)
        answer.report(target=target_document(task))
        for warning in task.warnings:
            answer.warn(warning)
        if not answer.begun.get("provenance"):  # an earlier attempt may have measured by another recipe
            answer.report(provenance=provenance_document(task, default_recipe(task.architecture)))
    with context.stage("fit"):
        timed = answer.request.strategy == RACE and answer.request.repetitions is None
        seconds = FIT_SHARE * answer.request.race_seconds if timed else None
        fitted = fit_task_networks(context, task, seconds=seconds)
        if len(fitted) < task.repetitions:
            answer.warn(fewer_networks_warning(len(fitted), task.repetitions))
        if (of_images := fewer_images_warning(context, task)) is not None:
            answer.warn(of_images)
    with context.stage("distance"):
        found = find_space(context, task, answer, fitted)
    steps = _Steps(context, answer, task, found.closest)
    if answer.request.strategy == RACE:
        trained, architecture_id = steps.race(found)
    else:
        trained, architecture_id = steps.search_and_train(found)
    for warning in memory_warnings(context, trained.networks):
        answer.warn(warning)
    answer.report()
    return {"recommendation_id": answer.id, "architecture_id": architecture_id}


@dataclass(frozen=True, eq=False)
class _Steps:
    """The steps of the stages after the distances; `closest` is the closest task, None where the verdict names none."""

    context: JobContext
    answer: Answer
    task: ResolvedTask
    closest: ClosestTask | None

    def race(self, found: FoundSpace) -> tuple[TrainedArchitecture, str]:
        """Race whole networks; return the winner with its architecture's id. It is not trained again."""
        context, task = self.context, self.task
        with context.stage("search"):
            result = race_once(context, task, self.answer, found)
        with context.stage("train"):
            trained = load_winner(context, task, result)
            for warning in trained.warnings:
                self.answer.warn(warning)
            begun = begin_export(context, task, trained, latency_ms=result.latency_ms, started_from=result.started_from)
            test = self._score(trained)
        architecture_id = self._export(trained, begun, test)
        winner, *others = result.alternatives
        self.answer.report(alternatives=[{**winner, "architecture_id": architecture_id}, *others])
        if self.answer.request.control:
            with context.stage("control"):
                run_race_control(context, task, self.answer, found, result)
        return trained, architecture_id

    def search_and_train(self, found: FoundSpace) -> tuple[TrainedArchitecture, str]:
        """Search for a cell and train its network; return it with its architecture's id."""
        context, task = self.context, self.task
        with context.stage("search"):
            plan = self.plan_search(found)
            chosen = self.choose_cell(plan, search_once(context, task, plan, timed=self.search_is_timed()))
        with context.stage("train"):
            start, trained = self.train(plan, chosen)
            started_from = None if start is None else start.in_words()
            begun = begin_export(context, task, trained, latency_ms=chosen.latency_ms, started_from=started_from)
            test = self._score(trained)
        architecture_id = self._export(trained, begun, test)
        if self.answer.request.control:
            with context.stage("control"):
                self.control(plan, chosen, trained)
        return trained, architecture_id

    def plan_search(self, found: FoundSpace) -> SearchPlan:
        """The search of the space, with its forecast."""
        context, answer, task = self.context, self.answer, self.task
        searched = limit_latency(context, task, answer, found)
        plan = target_search(task, searched.space, searched.skeleton, answer.request, searched.latency)
        forecast = context.once(
            "forecast",
            lambda: forecast_job(
                context, task, plan, answer.request.objective, answer.seconds(), networks=self._expected_networks(plan)
            ),
            FORECAST,
        )
        for warning in (
            warning_of(plan, plan.iterations or forecast.expected_iterations),
            overspent_warning(forecast, plan.budget_seconds),
        ):
            if warning is not None:
                answer.warn(warning)
        answer.report(search=search_document(plan, forecast))
        return plan if plan.budget_seconds is None else replace(plan, seconds=forecast.search_seconds)

    def search_is_timed(self) -> bool:
        """Whether the control needs the seconds of the search, which an attempt that got further has counted."""
        return self.answer.request.control and "chosen_cell" not in self.context.memo

    def choose_cell(self, plan: SearchPlan, rows: Sequence[GenotypeRow]) -> ChosenCell:
        """The best genotype whose measured network satisfies a limit on latency."""
        limit, device = self.answer.request.limits.max_latency_ms, self.context.compute.device
        return self.answer.once(
            "chosen_cell",
            lambda: fast_enough(rows, plan.skeleton, limit, device),
            CHOSEN_CELL,
            choice_part,
        )

    def train(self, plan: SearchPlan, chosen: ChosenCell) -> tuple[WarmStart | None, TrainedArchitecture]:
        """Run the final training; return it with its warm start."""
        epochs = self._affordable_epochs(plan, chosen)
        start = self._warm_start(plan, chosen, epochs) if self.answer.request.final.warm_start else None
        network = start_network(self.context, start)
        trained = train_architecture(
            self.context,
            self.task,
            CellDesign(chosen.genotype, plan.skeleton),
            objective=self.answer.request.objective,
            epochs=epochs,
            seeds=self.answer.request.final.seeds,
            start=network,
        )
        for warning in trained.warnings:
            self.answer.warn(warning)
        return (None if network is None else start), trained

    def control(self, plan: SearchPlan, chosen: ChosenCell, trained: TrainedArchitecture) -> None:
        """Spend the same seconds without the memory of tasks."""
        assert trained.config is not None, "a search trains its cell by a recipe"
        control = ControlPlan(
            search=plan,
            genotype=chosen.genotype,
            config=trained.config,
            objective=self.answer.request.objective,
            cost=control_seconds(self.context, self.answer),
        )
        run_control(self.context, self.task, control, lambda document: self.answer.report(control=document))

    def _score(self, trained: TrainedArchitecture) -> dict[str, Any]:
        test = score_on_test(self.context, self.task, trained)
        self.answer.report(validation=trained.validation(), test=test)
        return test

    def _export(self, trained: TrainedArchitecture, begun: BegunExport, test: dict[str, Any]) -> str:
        with self.context.stage("export"):
            return export(
                self.context,
                self.task,
                trained,
                begun,
                recommendation_id=self.answer.id,
                name=self.answer.name or self.task.name,
                test=test,
            )

    def _affordable_epochs(self, plan: SearchPlan, chosen: ChosenCell) -> int | None:
        """The most epochs of the final training, None without a limit."""
        return self.answer.once(
            "final_epochs",
            lambda: affordable(
                self.context,
                self.task,
                plan,
                chosen.genotype,
                self.answer.request.objective,
                self.answer.seconds(),
                networks=self._expected_networks(plan),
            ),
            EPOCHS,
            lambda epochs: Part({"search": {"final_epochs": epochs}}),
        )

    def _warm_start(self, plan: SearchPlan, chosen: ChosenCell, epochs: int | None) -> WarmStart | None:
        outcome = self.answer.once(
            "warm_start",
            lambda: train_source(
                self.context,
                self.task,
                self.closest,
                chosen.genotype,
                plan.skeleton,
                objective=self.answer.request.objective,
                epochs=epochs,
                seeds=self.answer.request.final.seeds,
            ),
            WARM_START,
            lambda outcome: Part({"warm_start": outcome.to_json()["start"]}, outcome.warning),
        )
        return outcome.start

    def _expected_networks(self, plan: SearchPlan) -> float:
        """The expected cost of the final training, in trainings of one network on the target."""
        final = self.answer.request.final
        if not final.warm_start:
            return final.seeds
        capped = plan.budget_seconds is not None
        return final.seeds + source_work(self.context, self.task, self.closest, capped=capped)


def choice_part(chosen: ChosenCell) -> Part:
    """The fields of `search` that the choice of a cell adds."""
    document = {"scored": chosen.scored, "chosen": chosen.genotype.to_json(), "latency_ms": chosen.latency_ms}
    return Part({"search": document}, chosen.warning)
