"""The plan of a scale: its units in the order of their worth."""

from collections.abc import Sequence
from typing import Any

from benchmarks.paper.agreement import COUNT
from benchmarks.paper.figure_1 import DEEP, RELEASED
from benchmarks.paper.scales import Scale
from benchmarks.paper.searching import KNOWN_CELL, METHODS, TRIAL_PARTS
from benchmarks.paper.tasks import DATASETS
from benchmarks.paper.units import Unit

SUBSET_SEED = 0
"""Draws the subsets of all units; a repetition's networks differ in their first weights and the order of images."""

PROGRAM_READING = 4
"""How often the released program was read until now: rows of another reading are computed again."""

RACE_PORTION = 1.3
"""The seconds of a race in those of a search: at `small` the other rows' final trainings took .3 of these."""

FIGURES_OF = {"paper": ("default", "paper"), RELEASED: (RELEASED,)}
"""Which figures' modes look with the networks of a reading of the tasks."""


def plan(scale: Scale) -> list[Unit]:
    """All units of a scale, the most informative first."""
    released = figure_1_units(scale, RELEASED)
    if scale.released_only:
        return released
    own = figure_1_units(scale, "paper")
    genotypes, deep = genotype_units(scale), deep_units(scale)
    return [*own, *genotypes, *row_units(scale, "LD-NAS", own + genotypes), *released, *_other_rows(scale), *deep]


def genotype_units(scale: Scale) -> list[Unit]:
    """A unit for each task: the genotype that it hands to those which it is the closest source of."""
    return [
        Unit("genotype", _search_values(scale, task) | {"seed": 0, "group": "genotype"}, scale.genotype_seconds)
        for task in range(COUNT)
    ]


def row_units(scale: Scale, method: str, needed: Sequence[Unit] = ()) -> list[Unit]:
    """A row of both tables, seed by seed. LD-NAS needs Figure 1 and the genotypes."""
    own: dict[str, Any] = {"method": method, "plain_width": scale.plain_width, "final_epochs": scale.final_epochs}
    own |= {"trial_parts": TRIAL_PARTS[method]} if method in TRIAL_PARTS else {}
    own |= {"race_seconds": RACE_PORTION * scale.search_seconds} if method == KNOWN_CELL else {}
    return [
        Unit(
            "row",
            own | _search_values(scale, task) | {"balanced": balanced, "seed": seed, "group": f"{method} {task}"},
            scale.row_seconds,
            needs=tuple(unit.id for unit in needed),
        )
        for seed in range(scale.seeds)
        for task, balanced in ((3, True), *((6, balanced) for balanced in scale.balanced))
    ]


def _other_rows(scale: Scale) -> list[Unit]:
    return [unit for method in METHODS if method != "LD-NAS" for unit in row_units(scale, method)]


def _search_values(scale: Scale, task: int) -> dict[str, Any]:
    train, validation, test = scale.search_images
    return {
        "task": task,
        "skeleton": scale.skeleton,
        "max_parameters": scale.max_parameters.get(task),
        "search_seconds": scale.search_seconds,
        "train_images": train,
        "validation_images": validation,
        "test_images": test,
        "subset_seed": SUBSET_SEED,
    }


def figure_1_units(scale: Scale, reading: str) -> list[Unit]:
    """A unit for each network, repetition by repetition, so that a whole matrix is there early."""
    return [
        Unit("network", _network_values(scale, reading, task, repetition), scale.network_seconds[reading])
        for repetition in range(scale.repetitions)
        for task in range(COUNT)
    ]


def deep_units(scale: Scale) -> list[Unit]:
    """The released program's figure with a deeper network, for a scale that has one."""
    if scale.deep is None:
        return []
    recipe = scale.recipe(RELEASED).to_json() | {"network": scale.deep.network}
    own = {"group": DEEP, "network": scale.deep.network, "recipes": {DEEP: recipe}}
    return [
        Unit("network", _network_values(scale, RELEASED, task, repetition) | own, scale.deep.seconds)
        for repetition in range(scale.deep.repetitions)
        for task in range(COUNT)
    ]


def _network_values(scale: Scale, reading: str, task: int, repetition: int) -> dict[str, Any]:
    values = {
        "reading": reading,
        "task": task,
        "repetition": repetition,
        "group": reading,
        "network": scale.network,
        "epsilon": scale.epsilon,
        "train_images": scale.train_images,
        "validation_images": scale.validation_images,
        "subset_seed": SUBSET_SEED,
        "fitting": {"epochs": scale.epochs},
        "recipes": {mode: scale.recipe(mode).to_json() for mode in FIGURES_OF[reading]},
    }
    if reading == RELEASED:
        values["fitting"] = {"epochs": scale.released_epochs[DATASETS[task]], "learning_rate": 1e-3, "batch_size": 64}
        values["program_reading"] = PROGRAM_READING
    return values
