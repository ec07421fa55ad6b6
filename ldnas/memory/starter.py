"""The starter memory: scores and trained cells of the paper's tasks, carried by the package. Needs no torch.

`python -m benchmarks.starter` writes its files: `starter.json` (commit, settings, the trained cells, and the SHA-256 of
the other files), `scores.json`, `cells.safetensors`, and `seen.bin` with the fingerprints of the images behind the
trained cells. Without `starter.json` the memory is empty.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldnas.errors import DamagedStarterError
from ldnas.memory.scores import CellScore
from ldnas.networks.design import CellDesign, design_from_json
from ldnas.space.genotype import Genotype

STARTER = Path(__file__).parent / "starter"
"""The folder of the files that the package carries."""

MANIFEST, SCORES, WEIGHTS, SEEN = "starter.json", "scores.json", "cells.safetensors", "seen.bin"
RECIPE = "starter"
"""The name of the way in which the cells of the starter memory were trained."""


@dataclass(frozen=True)
class StarterCell:
    """A trained cell of the starter memory.

    Attributes:
        task: the task's name, as `Task 3`.
        design: of its network, with the task's number of classes.
        accuracy: of the network on the task's validation images, in [0, 1].
        standard_error: of `accuracy`.
        prefix: what the names of its tensors begin with.
    """

    task: str
    design: CellDesign
    accuracy: float
    standard_error: float
    prefix: str

    @property
    def source(self) -> str:
        """The source of its weights, for people."""
        return source_of(self.task)


@dataclass(frozen=True)
class StarterMemory:
    """The starter memory without the excluded tasks.

    Attributes:
        scores: of cells on the paper's tasks.
        cells: trained ones, with weights.
        seen: the fingerprints of the images that any trained cell was trained or validated on (`fingerprints_of`).
    """

    scores: tuple[CellScore, ...] = ()
    cells: tuple[StarterCell, ...] = ()
    seen: bytes = b""


def source_of(task: str) -> str:
    """The key of a task of the starter memory among all tasks, which names it to people too."""
    return f"starter memory, {task}"


def read_starter(folder: Path = STARTER, *, exclude: Collection[str] = ()) -> StarterMemory:
    """The starter memory in this folder without the tasks in `exclude` (`Task 3`); empty if the folder has none.

    Raises:
        DamagedStarterError: a file is missing, or its content is not the one that was written.
    """
    if not (folder / MANIFEST).is_file():
        return StarterMemory()
    manifest = _json(folder / MANIFEST)
    stored = json.loads(read_whole(SCORES, folder))
    read_whole(WEIGHTS, folder)
    cells = [Genotype.from_json(value) for value in stored["cells"]]
    return StarterMemory(
        tuple(_score(value, cells) for value in stored["scores"] if value["task"] not in exclude),
        tuple(_cell(value) for value in manifest["cells"] if value["task"] not in exclude),
        read_whole(SEEN, folder),
    )


def read_whole(name: str, folder: Path = STARTER) -> bytes:
    """The content of a file of the starter memory in this folder.

    Raises:
        DamagedStarterError: the file is missing, or its content is not the one that was written.
    """
    file = folder / name
    if not file.is_file():
        raise DamagedStarterError(f"the starter memory lacks {name}; install ldnas again", origin=str(file))
    content = file.read_bytes()
    found, expected = hashlib.sha256(content).hexdigest(), _json(folder / MANIFEST)["digests"][name]
    if found != expected:
        raise DamagedStarterError(
            f"{name} of the starter memory is damaged: its SHA-256 is {found[:12]}…, and {MANIFEST} has "
            f"{expected[:12]}…; install ldnas again",
            origin=str(file),
        )
    return content


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _score(value: Mapping[str, Any], cells: list[Genotype]) -> CellScore:
    return CellScore(
        task=source_of(value["task"]),
        genotype=cells[value["cell"]],
        accuracy=value["accuracy"],
        epochs=value["epochs"],
        recipe=RECIPE,
        standard_error=value["standard_error"],
    )


def _cell(value: Mapping[str, Any]) -> StarterCell:
    design = design_from_json(value["design"])
    assert isinstance(design, CellDesign), "the starter memory has cells alone"
    return StarterCell(value["task"], design, value["accuracy"], value["standard_error"], value["prefix"])
