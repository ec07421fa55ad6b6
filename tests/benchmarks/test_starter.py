"""The starter memory: made from a handful of images, and read as the service reads it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import starter
from benchmarks.paper.data import PaperData
from benchmarks.paper.tasks import TASKS
from benchmarks.starter import REHEARSAL, draw_cells, images_of, make, places
from ldnas.data.task_data import ImageSet
from ldnas.errors import DamagedStarterError
from ldnas.memory.starter import STARTER, StarterMemory, read_starter
from ldnas.memory.starter_weights import starter_weights
from ldnas.networks.designed import build_designed
from ldnas.training.evaluation import evaluate

FINALS = [f"Task {number}" for number in REHEARSAL.final_tasks for _ in range(starter.BEST)]


class Noise(PaperData):
    """200 images whose first pixel says their place in their split; MNIST and CIFAR-10 have the same ones."""

    def __init__(self) -> None:
        self.images = self._made  # type: ignore[assignment]

    def digest(self, dataset: str) -> str:
        return f"digest of {dataset}"

    def fingerprints(self, dataset: str, places: Mapping[str, Tensor]) -> bytes:
        return b"".join(f"{dataset[0]}{split[0]}{place:06d}".encode() for split in places for place in places[split])

    def _made(self, dataset: str, split: str, image_size: int = 32) -> ImageSet:
        generator = torch.Generator().manual_seed(len(split))
        images = torch.randint(0, 256, (200, 3, image_size, image_size), generator=generator).to(torch.uint8)
        images[:, 0, 0, 0] = torch.arange(200).to(torch.uint8)
        return ImageSet(images, torch.arange(10).repeat_interleave(20))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a rehearsal, made once for the tests of this module; its rows lie in `work`."""
    folder = tmp_path_factory.mktemp("starter")
    make(REHEARSAL, Noise(), folder / "work", folder / "out")
    return folder


def test_every_cell_has_a_score_on_every_task(made: Path) -> None:
    memory = read_starter(made / "out")
    expected = {(f"starter memory, Task {number}", cell) for number in range(8) for cell in draw_cells(3)}
    assert len(memory.scores) == len(expected)
    assert {(score.task, score.genotype) for score in memory.scores} == expected
    for score in memory.scores:
        assert score.standard_error == pytest.approx((score.accuracy * (1 - score.accuracy) / 30) ** 0.5)
        assert (score.epochs, score.recipe) == (1, "starter")


def test_the_weights_of_the_best_cells_give_their_scores(made: Path) -> None:
    memory = read_starter(made / "out")
    assert [cell.task for cell in memory.cells] == FINALS
    assert len({cell.design.genotype for cell in memory.cells}) == starter.BEST
    for cell in memory.cells:
        network = build_designed(cell.design, seed=9)
        own = starter_weights(cell.prefix, made / "out")
        assert {tensor.dtype for tensor in own.values()} == {torch.float32, torch.int64}
        network.load_state_dict(own)
        task = TASKS["paper"][int(cell.task.split()[1])]
        validation = images_of(task, Noise(), "validation", REHEARSAL.size, REHEARSAL.validation)
        assert evaluate(network.eval(), validation).accuracy == cell.accuracy
    with pytest.raises(KeyError):
        starter_weights("Task 9/0/", made / "out")


def test_only_images_at_even_places_are_used(made: Path) -> None:
    for task in TASKS["paper"]:
        chosen = places(task, Noise(), "train", 8, 40)
        assert len(chosen) == 40
        assert not (chosen % 2).any()
        images = images_of(task, Noise(), "train", 8, 40)
        assert torch.equal(images.images[:, 0, 0, 0].long(), chosen)
        assert torch.equal(images.labels, task.labels(chosen // 20))
    seen = (made / "out/seen.bin").read_bytes()
    numbers = {seen[start : start + 8].decode() for start in range(0, len(seen), 8)}
    assert {number[:2] for number in numbers} == {"mt", "mv", "ct", "cv"}
    assert all(int(number[2:]) % 2 == 0 for number in numbers)


def test_a_second_run_trains_nothing_again(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "train_cell", lambda *arguments: pytest.fail("all rows are there"))
    make(REHEARSAL, Noise(), made / "work", tmp_path)
    for file in (made / "out").iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_a_task_is_left_out_by_its_name(made: Path) -> None:
    memory = read_starter(made / "out", exclude=["Task 3"])
    assert {score.task for score in memory.scores} == {f"starter memory, Task {n}" for n in range(8) if n != 3}
    assert {cell.task for cell in memory.cells} == {"Task 5", "Task 7"}


@pytest.mark.parametrize("name", ["scores.json", "cells.safetensors", "seen.bin"])
def test_a_damaged_or_missing_file_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    for file in (made / "out").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = bytearray((tmp_path / name).read_bytes())
    content[-2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedStarterError, match=f"^{name} of the starter memory is damaged: .*install ldnas again"):
        read_starter(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DamagedStarterError, match=f"lacks {name}; install ldnas again"):
        read_starter(tmp_path)


def test_without_its_files_the_memory_is_empty(tmp_path: Path) -> None:
    assert read_starter(tmp_path) == StarterMemory()


def test_the_files_in_the_package_are_whole() -> None:
    memory = read_starter()
    assert len(memory.scores) % 8 == 0
    if (STARTER / "starter.json").exists():
        assert json.loads((STARTER / "starter.json").read_text())["environment"]["uncommitted_changes"] is False
        assert len(memory.scores) >= 320
        assert sum(file.stat().st_size for file in STARTER.iterdir()) <= 5_000_000
