"""The control of a race: a random cell and a ResNet-18, trained alone in its seconds, compared with its winner."""

import random
from collections.abc import Sequence
from dataclasses import replace

from safetensors.torch import load as load_safetensors

from ldnas.digests import json_digest
from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import RESNET18, CellDesign, Kind, design_from_json
from ldnas.race.candidate import Candidate
from ldnas.race.field import candidates_for
from ldnas.race.kinds import warm_candidate
from ldnas.seeding import derive_seed
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.space import FULL_SPACE
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.control_document import (
    ARMS,
    SEEDS,
    ControlReport,
    ControlSeconds,
    NoNetwork,
    RacedDocument,
)
from worker.jobs.stages.race import race_facts, race_problem, run_race, seconds_of_race
from worker.jobs.stages.race_candidates import only_fast, race_task
from worker.jobs.stages.race_result import RaceResult, load_finished, store_finisher
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.space import FoundSpace
from worker.jobs.stages.train import FinishedNetwork, network_document
from worker.jobs.stages.warm_start import WARM_START, start_network, train_source

RACED = ("found", "random", "resnet18")
NO_SPACE: NoNetwork = {"reason": "a race has no search space"}

ARM: Codec[RacedDocument] = Codec(to_json=lambda document: document, from_json=lambda value: value)


def run_race_control(
    context: JobContext, task: ResolvedTask, answer: Answer, found: FoundSpace, result: RaceResult
) -> None:
    """Train a network of every arm from every seed, and report the recommendation's `control` as it grows.

    The winner is the first of the found networks. Each other one trains alone in the seconds of the race. An attempt
    resumes after the networks that earlier ones finished. Nothing is linked to the task: a control does not affect
    later searches.
    """
    arms = _Arms(context, task, answer, found, result)
    seconds = round(arms.seconds, 1)
    documents = ControlReport(
        task.judging_images(task.image_size).labels.cpu(),
        task.classes,
        answer.request.objective,
        arms.seed,
        ControlSeconds(seconds, seconds),
        searches=("random",),
    )
    steps = [(number, arm) for number in range(SEEDS) for arm in RACED]
    for place, (number, arm) in enumerate(steps):
        label = f"control, {arm}, seed {number + 1} of {SEEDS}"
        with context.portion(place / len(steps), (place + 1) / len(steps), label):
            arms.finish(arm, number)
        answer.report(control=documents.document(arms.chosen, arms.finished, judged=place + 1 == len(steps)))


class _Arms:
    """The networks of each arm: finished by an earlier attempt, or now."""

    def __init__(
        self,
        context: JobContext,
        task: ResolvedTask,
        answer: Answer,
        found: FoundSpace,
        result: RaceResult,
    ) -> None:
        self.seconds = seconds_of_race(context)
        self.seed = seed = derive_seed(task.seed, "race", task.search_data_key)
        self.chosen: dict[str, list[RacedDocument]] = {arm: [] for arm in ARMS} | {"full_space": [NO_SPACE]}
        self.finished: dict[str, list[FinishedNetwork]] = {arm: [] for arm in ARMS}
        self._context = context
        self._task = task
        self._objective = answer.request.objective
        self._limits = answer.request.limits
        self._closest = found.closest
        self._result = result
        facts = race_facts(context, task, seed=seed, objective=self._objective)
        self._race_task = race_task(context, task, answer, facts, found, seed)

    def finish(self, arm: str, number: int) -> None:
        """Add the network of this arm and seed; an arm without a network from one seed has none from any."""
        document = self._context.once(f"control.{arm}.{number}", lambda: self._train(arm, number), ARM)
        self.chosen[arm].append(document)
        if "reason" in document:
            self.finished[arm].clear()
            return
        design = design_from_json(document["design"])
        self.finished[arm].append(load_finished(self._context, self._task, design, self._key(arm, number)))

    def _key(self, arm: str, number: int) -> str:
        """The content key of a network; the first found one is the winner of the race."""
        if (arm, number) == ("found", 0):
            return self._result.network
        return json_digest(
            {"what": "race control", "version": 2, "job": self._context.job_id, "arm": arm, "number": number}
        )

    def _train(self, arm: str, number: int) -> RacedDocument:
        if (arm, number) == ("found", 0):
            return network_document(self._result.design)
        for earlier in self.chosen[arm]:
            if "reason" in earlier:
                return earlier
        try:
            candidates = self._candidates(arm, number)
        except ImpossibleConstraintError as impossible:
            return {"reason": str(impossible)}
        seed, key = derive_seed(self.seed, "control", arm, number), self._key(arm, number)
        problem = race_problem(self._context, self._task, self.seconds, seed, self._objective)
        finisher, *_ = run_race(self._context, problem, candidates, key=key).finishers
        store_finisher(self._context, self._task, finisher, key=key, seed=seed)
        return network_document(finisher.candidate.design)

    def _candidates(self, arm: str, number: int) -> Sequence[Candidate]:
        """One network, with its variants.

        Raises:
            ImpossibleConstraintError: none satisfies the limits.
        """
        if arm == "found":
            name = self._result.alternatives[0]["name"]
            return [own for own in candidates_for(self._race_task) if own.name == name]
        if arm == "random":
            return only_fast(
                self._context,
                self._random_cell(number),
                self._limits.max_latency_ms,
                f"control.random.{number}.fast",
            )
        plain = candidates_for(replace(self._race_task, kinds=frozenset({Kind.PLAIN})))
        resnets = [own for own in plain if own.variant_of == RESNET18]
        return only_fast(self._context, resnets, self._limits.max_latency_ms, "control.resnet18.fast")

    def _random_cell(self, number: int) -> Sequence[Candidate]:
        """A cell of the full space within the limits; it starts warm from the closest task if the winner did."""
        task = self._task
        skeleton = fitted_skeleton(task.image_size, task.classes, self._limits, FULL_SPACE)
        draw = random.Random(derive_seed(self.seed, "control", "cell", number))
        genotype = FeasibleCells(FULL_SPACE, skeleton, self._limits).sample(draw)
        cells = candidates_for(replace(self._race_task, kinds=frozenset({Kind.CELL}), cells=(genotype,), warm=()))
        design = cells[0].design
        assert isinstance(design, CellDesign), "only cells were asked for"
        started_from_closest = self._closest is not None and self._result.started_from == self._closest.name
        if not started_from_closest or design.image_size != task.image_size:
            return cells
        outcome = self._context.once(
            f"control.random.{number}.start",
            lambda: train_source(
                self._context,
                task,
                self._closest,
                genotype,
                design.skeleton,
                objective=self._objective,
                epochs=None,
                seeds=SEEDS,
            ),
            WARM_START,
        )
        row = start_network(self._context, outcome.start)
        if outcome.start is None or row is None:
            return cells
        start = load_safetensors(self._context.store.read(row.weights))
        first, *smaller = cells
        warm = warm_candidate(first.name, design, first.recipe, started_from=outcome.start.name, start=start)
        return [replace(warm, variant_of=first.variant_of, least_epochs=first.least_epochs), *smaller]
