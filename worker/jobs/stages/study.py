"""study: trains the best cells of a baseline in full, so that races on near tasks can start from their weights."""

import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from ldnas.errors import RefusedError
from ldnas.forecast import affordable_epochs, seconds_of_epoch
from ldnas.memory.pooled import pool
from ldnas.memory.proposals import explore
from ldnas.memory.starter import read_starter
from ldnas.networks.design import CellDesign
from ldnas.networks.designed import build_designed
from ldnas.objectives import OBJECTIVES
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.out_of_memory import is_out_of_memory
from ldnas.training.train import TrainConfig
from worker.errors import AttemptLostError, DatabaseUnavailableError
from worker.jobs.checkpoints import ShutdownError
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.known_scores import known_scores
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.train import cell_training, final_recipe, finish
from worker.registry import CellTraining, JobState
from worker.specification import StudyRequest

log = logging.getLogger(__name__)

STUDY = "study"
"""The name of the stage."""

CELLS_TRIED = 3
"""So many cells are tried for each one that is trained in full."""

TRIAL_EPOCHS = 4
"""A trial is a complete annealed training of one in so many epochs of the full recipe."""

TRIAL_SHARE = 1 / 3
"""The share of a study's seconds that the trials may take."""

SEEDS = 2
"""The trainings of each finalist; the better one on validation images keeps its weights."""

DEFAULT_CELLS = 2
IMAGES_PER_SECOND = 60
LEAST_SECONDS, MOST_SECONDS = 10.0, 180.0
"""The limits of a default study."""

CELLS: Codec[tuple[Genotype, ...]] = Codec(
    lambda cells: [cell.to_json() for cell in cells], lambda value: tuple(map(Genotype.from_json, value))
)
TRAINING: Codec[CellTraining] = Codec(asdict, lambda value: CellTraining(**value))


@dataclass(frozen=True)
class Finalists:
    """The cells to train in full, the best first.

    Attributes:
        epochs: of each full training.
        seconds: that the study had spent when they were chosen.
    """

    cells: tuple[Genotype, ...]
    epochs: int
    seconds: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The finalists written by `to_json`."""
        return cls(CELLS.from_json(value["cells"]), value["epochs"], value["seconds"])

    def to_json(self) -> dict[str, Any]:
        """The finalists as a JSON value."""
        return {**vars(self), "cells": CELLS.to_json(self.cells)}


FINALISTS = Codec(Finalists.to_json, Finalists.from_json)


def default_study(images: int) -> StudyRequest:
    """The study of a baseline with so many training images whose request names none: a second for 60 images.

    The seconds are at least 10 and at most 180: 21 for the 1,251 training images of the digits.
    """
    seconds = min(MOST_SECONDS, max(LEAST_SECONDS, images / IMAGES_PER_SECOND))
    return StudyRequest(cells=DEFAULT_CELLS, seconds=seconds)


def study_by_default(context: JobContext, task: ResolvedTask) -> str | None:
    """Do the default study; return a warning with the reason if it fails, since the client did not request it.

    It is left out after an attempt whose process was killed or crashed in it: another such end would fail the job.

    Raises:
        OSError: the artifact store failed, which may pass; a later attempt continues.
    """
    with context.reading() as registry:
        ended_in = registry.jobs.get(context.job_id).killed_in
    if ended_in in (STUDY, f"crash in {STUDY}"):
        reason = "its process was killed or crashed"
    else:
        try:
            study_cells(context, task, default_study(len(task.full.train)), trains_one=False)
            return None
        except (OSError, AttemptLostError, DatabaseUnavailableError, ShutdownError):
            raise
        except RefusedError as refusal:
            reason = refusal.message
        except Exception as error:  # a bug in a study is logged, and the registration succeeds
            log.exception("job %s: the default study failed", context.job_id)
            reason = "memory did not suffice" if is_out_of_memory(error) else "an internal error, which is in the log"
    return (
        f"the study that a registration ends with failed, so the baseline may have fewer trained cells: {reason}; "
        f"POST /v1/tasks/{task.id}/study repeats it"
    )


def study_cells(
    context: JobContext,
    task: ResolvedTask,
    wanted: StudyRequest,
    *,
    trains_one: bool = True,
    on_epoch: Callable[[], None] = lambda: None,
) -> int:
    """Try cells in short trainings, train the best ones in full, and link them to the task; return their number.

    Only training and validation images are read. Of `wanted.seconds` the trials get a share; a training that does not
    fit any more does not start. With `trains_one` the first finalist is trained in any case, for as many epochs as the
    seconds allow and at least one. `on_epoch` is called after an epoch, at most twice a second. A later attempt begins
    no finished training again.
    """
    return _Study(context, task, wanted, trains_one=trains_one, on_epoch=on_epoch).run()


class _Study:
    def __init__(
        self,
        context: JobContext,
        task: ResolvedTask,
        wanted: StudyRequest,
        *,
        trains_one: bool,
        on_epoch: Callable[[], None],
    ) -> None:
        self._began = context.clock()
        self._earlier_seconds = 0.0
        self._context = context
        self._task = task
        self._cells = wanted.cells
        self._seconds = math.inf if wanted.seconds is None else wanted.seconds
        self._trains_one = trains_one
        self._on_epoch = on_epoch
        self._skeleton = default_skeleton(task.image_size, task.classes)
        seed = derive_seed(task.seed, "final", task.search_data_key)
        _, self._recipe = final_recipe(context, task.full, seed=seed, objective=OBJECTIVES[0], epochs=None)
        self._whole = self._recipe.epochs_for(len(task.full.train))
        self._trial = math.ceil(self._whole / TRIAL_EPOCHS)
        self._done_epochs = 0

    def run(self) -> int:
        proposals = self._context.once("study.proposals", self._proposals, CELLS)
        were_chosen = "study.finalists" in self._context.memo
        finalists = self._context.once("study.finalists", lambda: self._choose(proposals), FINALISTS)
        if were_chosen:
            self._earlier_seconds = finalists.seconds
        self._done_epochs = self._trial * len(proposals)
        trained = [
            best
            for place, cell in enumerate(finalists.cells)
            if (best := self._train_in_full(place, cell, finalists.epochs)) is not None
        ]
        return len(trained)

    def _proposals(self) -> tuple[Genotype, ...]:
        """The cells to try: those that the client gave, then cells by the pooled scores of all ready baselines."""
        with self._context.reading() as registry:
            rows = registry.task_results.genotypes(self._task.id)
            ready = [row.task.id for row in registry.tasks.baselines() if row.state == JobState.SUCCEEDED]
        trained = self._trained_in_full()
        given = [Genotype.from_json(row.genotype) for row in rows if row.validation_accuracy is None]
        pooled = pool((*known_scores(self._context, [*dict.fromkeys((*ready, self._task.id))]), *read_starter().scores))
        count = CELLS_TRIED * self._cells
        seed = derive_seed(self._task.seed, "study", self._task.search_data_key)
        explored = explore(pooled, count, seed, lambda cell: cell not in trained)
        cells = dict.fromkeys((*(cell for cell in given if cell not in trained), *explored))
        return tuple(cells)[:count] or FULL_SPACE.sample_distinct(random.Random(seed), count)

    def _trained_in_full(self) -> set[Genotype]:
        """The cells of the task that were trained for all epochs and keep their weights, by this or another job."""
        with self._context.reading() as registry:
            rows = registry.task_results.trainings(self._task.id)
        skeleton = self._skeleton.to_json()
        return {
            Genotype.from_json(row.training.genotype)
            for row in rows
            if row.weights
            and row.training.skeleton == skeleton
            and (row.training.epochs is None or row.training.epochs >= self._whole)
        }

    def _choose(self, proposals: Sequence[Genotype]) -> Finalists:
        """The best cells of the trials, then those that were not tried; all in order if two trials do not fit."""
        config = self._config(self._trial)
        trials: list[tuple[float, float, int]] = []
        for place, cell in enumerate(proposals):
            name = f"study.trial.{place}"
            least = self._trial if trials else 2 * self._trial
            if not self._fits(name, cell, least, TRIAL_SHARE * self._seconds):
                break
            own = self._train(name, cell, config, number=0, label=f"trial {place + 1} of {len(proposals)}")
            trials.append((-own.validation_accuracy, own.validation_loss, place))
        best_first = [proposals[place] for _, _, place in sorted(trials)]
        cells = (*best_first, *proposals[len(trials) :])[: self._cells]
        return Finalists(cells, self._affordable(cells[0]), self._spent)

    def _train_in_full(self, place: int, cell: Genotype, epochs: int) -> CellTraining | None:
        """Train a finalist from each seed that fits, and link the better one; None if none fits or another job did."""
        trainings: list[CellTraining] = []
        if f"study.full.{place}.0" not in self._context.memo and cell in self._trained_in_full():
            return None
        for number in range(SEEDS):
            name = f"study.full.{place}.{number}"
            is_first = self._trains_one and place == number == 0
            if is_first or self._fits(name, cell, epochs, self._seconds):
                label = f"cell {place + 1} of {self._cells}, seed {number + 1} of {SEEDS}"
                trainings.append(self._train(name, cell, self._config(epochs), number=number, label=label))
        if not trainings:
            return None
        best = min(trainings, key=lambda own: (-own.validation_accuracy, own.validation_loss))
        with self._context.unit_of_work() as registry:
            design = CellDesign(cell, self._skeleton).to_json()
            registry.task_results.link_cell(self._task.id, best.key, design)
        return best

    def _train(self, name: str, cell: Genotype, config: TrainConfig, *, number: int, label: str) -> CellTraining:
        """A training and its row, or the one of an earlier attempt, whose seconds count as spent."""
        epochs = config.epochs_for(len(self._task.full.train))
        is_done = name in self._context.memo
        own = self._context.memo.once(
            name,
            lambda: self._trained(cell, config, epochs, number, label),
            TRAINING,
            also=lambda registry, training: registry.task_results.store_training(self._task.id, training),
        )
        self._earlier_seconds += own.seconds if is_done else 0.0
        self._done_epochs += epochs
        return own

    def _trained(self, cell: Genotype, config: TrainConfig, epochs: int, number: int, label: str) -> CellTraining:
        self._context.checkpoints.pass_boundary()
        total = self._trial * CELLS_TRIED * self._cells + self._whole * SEEDS * self._cells

        def report(epoch: int, _: int) -> None:
            done = min(1.0, (self._done_epochs + epoch) / total)
            self._context.progress(done, f"{label}, epoch {epoch} of {epochs}")
            self._on_epoch()

        design = CellDesign(cell, self._skeleton)
        finished = finish(self._context, self._task, design, config, number=number, on_epoch=report)
        return cell_training(self._task, design, finished, epochs=epochs)

    def _config(self, epochs: int) -> TrainConfig:
        if epochs == self._whole:  # the network then has the content key of any other final training of the cell
            return self._recipe
        return replace(self._recipe, epochs=epochs, minimum_steps=0)

    def _fits(self, name: str, cell: Genotype, epochs: int, until: float) -> bool:
        """Whether so many epochs of a cell end before the study has spent `until` seconds, or have ended before."""
        if name in self._context.memo or until == math.inf:
            return True
        return self._spent + epochs * self._epoch_seconds(cell) <= until

    def _affordable(self, cell: Genotype) -> int:
        if self._seconds == math.inf:
            return self._whole
        each = self._epoch_seconds(cell)
        return affordable_epochs(self._whole, each, self._seconds - self._spent)

    def _epoch_seconds(self, cell: Genotype) -> float:
        compute = self._context.compute
        network = build_designed(CellDesign(cell, self._skeleton), seed=0).to(compute.device)
        return seconds_of_epoch(
            network,
            self._task.full.train.to(compute.device),
            self._recipe,
            clock=self._context.clock,
            micro_batches=compute.micro_batches,
        )

    @property
    def _spent(self) -> float:
        """The seconds of the study: of this attempt, and of the trainings of earlier ones."""
        return self._context.clock() - self._began + self._earlier_seconds
