"""The job `recommend`: Algorithm 1 of LD-NAS as stages, each telling the recommendation what it found."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from ldnas.recipe import MEASURES, default_recipe
from ldnas.recommend import ChosenSpace, choose_space
from ldnas.space.genotype import EDGES
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import SearchSpace
from worker.stages.baselines import Contenders, find_again, find_baselines
from worker.stages.column_document import column_document
from worker.stages.context import JobContext
from worker.stages.distance import measure_column
from worker.stages.export import export
from worker.stages.fit import FittedNetwork, fit_task_networks
from worker.stages.resolve import ResolvedTask, resolve, target_document
from worker.stages.search import genotype_of, search_once, target_search
from worker.stages.train import score_on_test, train_architecture

PLAN = {"resolve": 0.02, "fit": 0.15, "distance": 0.2, "search": 0.4, "train": 0.2, "export": 0.03}


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
        # What an earlier attempt told stays: an answer does not change because its job was interrupted.
        self._told = row.document
        self._spent = (row.document.get("cost") or {}).get("stage_seconds", {})
        self._measure = row.request.get("measure") or MEASURES[0]

    def run(self) -> dict[str, Any]:
        context = self._context
        with context.stage("resolve"):
            task = resolve(context, self._task_id)
            self._tell(target=target_document(task, self._request["dataset"]), provenance=_provenance(task))
        with context.stage("fit"):
            fitted = fit_task_networks(context, task)
        with context.stage("distance"):
            space = self._told_space() or self._choose_space(task, fitted)
        with context.stage("search"):
            genotype = genotype_of(search_once(context, task, target_search(task, space, self._request))[0])
        with context.stage("train"):
            trained = train_architecture(context, task, genotype)
            test = score_on_test(context, task, trained)
            self._tell(validation=trained.validation(), test=test)
        with context.stage("export"):
            architecture_id = export(
                context, task, trained, recommendation_id=self._id, name=self._name or task.name, test=test
            )
        self._tell()
        return {"recommendation_id": self._id, "architecture_id": architecture_id}

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
            search_space=_space_document(chosen, task),
        )
        return chosen.space

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
        with self._context.unit_of_work() as registry:
            registry.recommendations.merge_document(self._id, self._context.job_id, self._context.fence, fields)

    def _cost(self) -> dict[str, Any]:
        """Seconds by stage, over all attempts as far as they told them."""
        seconds = {
            stage: round(self._spent.get(stage, 0.0) + self._context.stage_seconds.get(stage, 0.0), 3) for stage in PLAN
        }
        return {
            "stage_seconds": seconds,
            "device": str(self._context.device),
            "device_seconds": round(sum(seconds.values()), 3),
        }


def _space_document(chosen: ChosenSpace, task: ResolvedTask) -> dict[str, Any]:
    """The `search_space` of a recommendation."""
    return {
        "source_task_ids": list(chosen.source_task_ids),
        "primitives": list(chosen.space.primitives),
        "nodes": 1 + max(end for _, end in EDGES),
        "skeleton": default_skeleton(task.image_size, task.classes).to_json(),
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
