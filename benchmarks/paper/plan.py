"""The plan of a scale: its units in the order of their worth."""

from typing import Any

from benchmarks.paper.figure_1 import COUNT
from benchmarks.paper.scales import Scale
from benchmarks.paper.units import Unit

SUBSET_SEED = 0
"""Draws the subsets of all units; a repetition's networks differ in their first weights and the order of images."""

MODES_OF = {"paper": ("default", "paper"), "released_code": ("released_code",)}
"""Which modes look with the networks of a reading of the tasks."""


def plan(scale: Scale) -> list[Unit]:
    """All units of a scale, the most telling first."""
    return figure_1_units(scale, "paper") + figure_1_units(scale, "released_code")


def figure_1_units(scale: Scale, reading: str) -> list[Unit]:
    """A unit for each network, repetition by repetition, so that a whole matrix is there early."""
    return [
        Unit("network", _network_values(scale, reading, task, repetition), scale.network_seconds[reading])
        for repetition in range(scale.repetitions)
        for task in range(COUNT)
    ]


def _network_values(scale: Scale, reading: str, task: int, repetition: int) -> dict[str, Any]:
    released = {"epochs": scale.released_epochs, "learning_rate": 1e-3, "batch_size": 64}
    return {
        "reading": reading,
        "task": task,
        "repetition": repetition,
        "group": reading,
        "network": scale.network,
        "epsilon": scale.epsilon,
        "train_images": scale.train_images,
        "validation_images": scale.validation_images,
        "subset_seed": SUBSET_SEED,
        "fitting": released if reading == "released_code" else {"epochs": scale.epochs},
        "recipes": {mode: scale.recipe(mode).to_json() for mode in MODES_OF[reading]},
    }
