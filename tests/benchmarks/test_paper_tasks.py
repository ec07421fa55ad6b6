"""The eight tasks in both readings, on labels small enough to go through by hand."""

import pytest
import torch

from benchmarks.paper.tasks import TASK_6_UNBALANCED, TASKS
from ldnas.data.task_data import ImageSet

EVERY_LABEL = torch.arange(10)


def labelled(*labels: int) -> ImageSet:
    """Images that carry their own position, so that it shows which of them stayed."""
    positions = torch.arange(len(labels), dtype=torch.uint8)
    return ImageSet(positions[:, None, None, None].expand(-1, 3, 2, 2), torch.tensor(labels))


def positions(images: ImageSet) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("reading", "number", "expected"),
    [
        ("paper", 0, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("paper", 1, [1, 1, 1, 1, 1, 1, 0, 1, 1, 1]),
        ("paper", 2, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]),
        ("paper", 3, list(range(10))),
        ("paper", 4, [1, 0, 1, 0, 1, 1, 1, 1, 0, 1]),
        ("paper", 5, [1, 1, 1, 0, 1, 1, 1, 1, 0, 0]),
        ("paper", 6, [3, 3, 0, 3, 3, 3, 1, 2, 3, 3]),
        ("paper", 7, list(range(10))),
        ("released_code", 0, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("released_code", 1, [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
        ("released_code", 2, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]),
        ("released_code", 3, list(range(10))),
        ("released_code", 4, [0, 1, 0, 1, 0, 0, 0, 0, 1, 0]),
        ("released_code", 6, [0, 0, 1, 0, 0, 0, 2, 3, 0, 0]),
    ],
)
def test_a_task_gives_each_label_its_class(reading: str, number: int, expected: list[int]) -> None:
    task = TASKS[reading][number]
    assert task.number == number
    assert task.labels(EVERY_LABEL).tolist() == expected
    assert task.classes == max(expected) + 1


def test_the_released_program_keeps_the_first_images_of_the_rest_as_many_as_the_others() -> None:
    task = TASKS["released_code"][4]
    kept = task.images(labelled(0, 1, 2, 4, 3, 5, 8, 6), limit=None, seed=0)
    assert positions(kept) == [0, 1, 2, 3, 4, 6]  # three of [1, 3, 8], and the first three of the others
    assert kept.labels.tolist() == [0, 1, 0, 0, 1, 1]


def test_anything_else_of_task_6_is_cut_to_the_mean_size_of_the_other_classes_or_kept_whole() -> None:
    images = labelled(2, 2, 6, 6, 7, 7, *([0] * 20))
    cut = TASKS["paper"][6].images(images, limit=None, seed=0)
    assert torch.bincount(cut.labels).tolist() == [2, 2, 2, 2]
    assert positions(cut) != positions(TASKS["paper"][6].images(images, limit=None, seed=1))
    whole = TASK_6_UNBALANCED.images(images, limit=None, seed=0)
    assert torch.bincount(whole.labels).tolist() == [2, 2, 2, 20]


def test_the_released_program_takes_all_images_of_its_last_target_for_the_rest_but_trains_on_ten_classes() -> None:
    images = labelled(3, 1, 2)
    of_all = TASKS["released_code"][7]
    assert of_all.images(images, limit=2, seed=0).labels.tolist() != [0, 0]
    assert of_all.images_as_target(images, limit=None, seed=0).labels.tolist() == [0, 0, 0]
    assert positions(of_all.images_as_target(images, limit=2, seed=0)) == positions(
        of_all.images(images, limit=2, seed=0)
    )
    others = [task for reading in TASKS.values() for task in reading if task is not of_all]
    assert all(one.label_as_target is None for one in others)
    assert others[3].images_as_target(images, limit=None, seed=0).labels.tolist() == [3, 1, 2]


def test_the_released_program_looks_at_whole_batches_of_its_first_targets() -> None:
    images = labelled(*([5] * 1100), *([0] * 980), *([6] * 958))
    for number, positives in ((0, 980), (1, 958)):
        task = TASKS["released_code"][number]
        assert torch.bincount(task.images_as_target(images, limit=None, seed=0).labels).tolist() == [
            2000 - positives,
            positives,
        ]
        assert torch.bincount(task.images(images, limit=None, seed=0).labels).tolist() == [positives, positives]


def test_a_subset_depends_on_its_seed_alone_and_is_the_same_for_all_tasks_of_a_data_set() -> None:
    images = labelled(*(label for label in range(10) for _ in range(5)))
    digits, parity = TASKS["paper"][3], TASKS["paper"][2]
    chosen = positions(digits.images(images, limit=20, seed=0))
    assert len(chosen) == 20
    assert chosen == sorted(chosen)
    assert chosen == positions(parity.images(images, limit=20, seed=0))
    assert chosen != positions(digits.images(images, limit=20, seed=1))
    assert positions(digits.images(images, limit=50, seed=0)) == list(range(50))
