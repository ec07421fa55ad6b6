"""search: finds the genotypes of a task by its plan, or takes the stored ones."""

import time
from collections.abc import Sequence

from ldnas.search.base import SearchBudget, SearchEvent, SearchRun
from worker.jobs.checkpoints import json_from_bytes, json_to_bytes
from worker.jobs.context import JobContext
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.search_plan import SearchPlan
from worker.registry import GenotypeRow


def search_once(
    context: JobContext, task: ResolvedTask, plan: SearchPlan, *, timed: bool = False
) -> Sequence[GenotypeRow]:
    """The genotypes of `plan`, the chosen one first: already stored, or searched now and stored.

    All sampled genotypes are stored with their scores and linked to the task. `timed`: a stored search is repeated
    anyway, because the caller needs its seconds.
    """
    rows = _search(context, task, plan, plan.key(task)) if timed else scored_genotypes(context, task, plan)
    with context.unit_of_work() as registry:
        registry.task_results.link_genotypes(task.id, [row.id for row in rows])
        registry.leases.add_event(context.job_id, context.attempt, "genotype", {"genotype": rows[0].genotype})
    return rows


def scored_genotypes(context: JobContext, task: ResolvedTask, plan: SearchPlan) -> Sequence[GenotypeRow]:
    """The same without a link to the task, so that later searches are not affected."""
    key = plan.key(task)
    with context.unit_of_work() as registry:
        rows = registry.results.use_search(key)
    return rows or _search(context, task, plan, key)


def _search(context: JobContext, task: ResolvedTask, plan: SearchPlan, key: str) -> Sequence[GenotypeRow]:
    begun = context.checkpoints.load(key)
    started = time.monotonic()
    run = SearchRun(
        plan.problem(task, context.compute),
        SearchBudget(plan.iterations, plan.seconds, plan.patience),
        plan.seed,
        on_event=lambda event: _report(context, plan, event, time.monotonic() - started),
        state=json_from_bytes(begun) if begun is not None else None,
        on_state=lambda state: context.checkpoints.save(key, json_to_bytes(state)),
    )
    outcome = plan.searcher().search(run)
    plan.space.require(outcome.best)
    best_first = sorted(outcome.scored, key=lambda score: score.genotype != outcome.best)
    rows = [{"digest": score.genotype.digest, **score.to_json()} for score in best_first]
    with context.unit_of_work() as registry:
        return registry.results.store_search(key, plan.origin, rows)


def _report(context: JobContext, plan: SearchPlan, event: SearchEvent, seconds: float) -> None:
    data = event.to_json()
    context.event(data.pop("kind"), data)
    message = f"search iteration {event.iteration + 1}"
    if plan.iterations is not None:
        done = (event.iteration + (1 if event.kind == "iteration" else 0)) / plan.iterations
        context.progress(done, f"{message} of at most {plan.iterations}")
    elif plan.seconds is not None:
        context.progress(min(1.0, seconds / plan.seconds), f"{message}, {seconds:.0f} of {plan.seconds:.0f} s")
