"""search: the genotypes of a task, by random search for a baseline and by FUSE for a target."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ldnas.digests import json_digest
from ldnas.search.base import SearchBudget, SearchEvent, SearchProblem, Strategy
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.registry.models import GenotypeRow
from worker.stages.checkpoints import json_from_bytes, json_to_bytes
from worker.stages.context import JobContext
from worker.stages.resolve import ResolvedTask

BASELINE_SEARCH = RandomSearchConfig()
TARGET_SEARCH = FuseConfig(patience=3)
DEFAULT_ITERATIONS = 12


@dataclass(frozen=True)
class SearchPlan:
    """One search: which strategy with which settings, where, and from which seed."""

    strategy: Strategy
    origin: str
    settings: Mapping[str, Any]
    space: SearchSpace
    iterations: int
    seed: int

    def key(self, task: ResolvedTask) -> str:
        """The content key: equal keys give equal outcomes on the same kind of machine."""
        return json_digest(
            {
                "what": "search",
                "strategy": self.origin,
                "settings": dict(self.settings),
                "primitives": list(self.space.primitives),
                "iterations": self.iterations,
                "seed": self.seed,
                "data": task.search_data_key,
            }
        )


def baseline_search(task: ResolvedTask) -> SearchPlan:
    """Random search with early stopping over the full space: how a baseline gets its genotypes."""
    seed = derive_seed(task.seed, "search", task.search_data_key)
    return SearchPlan(RandomSearch(BASELINE_SEARCH), "random", asdict(BASELINE_SEARCH), FULL_SPACE, 1, seed)


def target_search(task: ResolvedTask, space: SearchSpace, request: Mapping[str, Any]) -> SearchPlan:
    """FUSE over `space`, with the candidates, rounds and iterations that a recommendation's request names."""
    wanted = request.get("search") or {}
    config = FuseConfig(
        candidates=wanted.get("candidates") or TARGET_SEARCH.candidates,
        rounds=wanted.get("rounds") or TARGET_SEARCH.rounds,
        patience=TARGET_SEARCH.patience,
    )
    seed = derive_seed(task.seed, "search", task.search_data_key)
    iterations = (request.get("budget") or {}).get("iterations") or DEFAULT_ITERATIONS
    return SearchPlan(Fuse(config), "fuse", asdict(config), space, iterations, seed)


def search_once(context: JobContext, task: ResolvedTask, plan: SearchPlan) -> Sequence[GenotypeRow]:
    """The genotypes of `plan`, the chosen one first: kept already, or searched now and kept.

    All that were sampled are kept with their scores and linked to the task.
    """
    key = plan.key(task)
    with context.reading() as registry:
        rows = registry.results.search(key)
    if not rows:
        rows = _search(context, task, plan, key)
    with context.unit_of_work() as registry:
        registry.tasks.link_genotypes(task.id, [row.id for row in rows])
        registry.jobs.add_event(context.job_id, context.fence, "genotype", {"genotype": rows[0].genotype})
    return rows


def _search(context: JobContext, task: ResolvedTask, plan: SearchPlan, key: str) -> Sequence[GenotypeRow]:
    problem = SearchProblem(
        train=task.full.train.to(context.device),
        validation=task.full.validation.to(context.device),
        space=plan.space,
        skeleton=default_skeleton(task.image_size, task.classes),
    )
    begun = context.checkpoints.load(key)
    outcome = plan.strategy.search(
        problem,
        budget=SearchBudget(iterations=plan.iterations),
        seed=plan.seed,
        on_event=lambda event: _report(context, plan, event),
        state=json_from_bytes(begun) if begun is not None else None,
        on_state=lambda state: context.checkpoints.save(key, json_to_bytes(state)),
    )
    plan.space.require(outcome.best)
    best_first = sorted(outcome.scored, key=lambda score: score.genotype != outcome.best)
    rows = [{"digest": score.genotype.digest, **score.to_json()} for score in best_first]
    with context.unit_of_work() as registry:
        return registry.results.keep_search(key, plan.origin, rows)


def _report(context: JobContext, plan: SearchPlan, event: SearchEvent) -> None:
    data = event.to_json()
    context.event(data.pop("kind"), data)
    done = (event.iteration + (1 if event.kind == "iteration" else 0)) / plan.iterations
    context.progress(done, f"search iteration {event.iteration + 1} of at most {plan.iterations}")


def genotype_of(row: GenotypeRow) -> Genotype:
    """The genotype that a row keeps."""
    return Genotype.from_json(row.genotype)
