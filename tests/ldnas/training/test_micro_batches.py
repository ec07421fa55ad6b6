"""Batches in parts where memory runs out: the numbers in this process, real limits on processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.errors import OutOfMemoryError
from ldnas.training.micro_batches import MicroBatches, even_parts, gradient_in_parts
from ldnas.training.out_of_memory import is_out_of_memory, too_large

ACTS = ("learn", "learn_from_too_large_images", "fuse", "darts", "fisher", "batch_mean")


@pytest.fixture(scope="module")
def limited() -> dict[str, dict[str, Any]]:
    """The result of each act under a real limit on its process."""
    script = Path(__file__).parent / "in_little_memory.py"
    # Every tensor in pages of its own: freed pages are free for any use, and the limit is the same for all.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "262144", "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(
        [sys.executable, script, *ACTS], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    results = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [result["act"] for result in results] == list(ACTS), finished.stderr
    return {result["act"]: result for result in results}


def test_a_fit_continues_with_fewer_images_and_learns(limited) -> None:
    assert limited["learn"]["sizes"][0] == 32
    assert limited["learn"]["accuracy"] > 0.95


def test_the_fewest_images_that_do_not_fit_end_it_and_it_says_how_much_was_needed(limited) -> None:
    result = limited["learn_from_too_large_images"]
    assert result["sizes"] == [4, 2], "batch norm trains on no single image"
    assert "2 images of 256x256 pixels at a time and a Classifier of 163930 parameters" in result["refusal"]
    assert "12582912 bytes were requested" in result["refusal"], "24 channels of 256x256 floats for 2 images"


@pytest.mark.parametrize("strategy", ["fuse", "darts"])
def test_a_search_continues_with_fewer_images(limited, strategy: str) -> None:
    assert limited[strategy]["sizes"][0] == 32
    assert 0 <= limited[strategy]["accuracy"] <= 1


@pytest.mark.parametrize("act", ["fisher", "batch_mean"])
def test_a_diagonal_is_the_same_from_fewer_images_at_a_time(limited, act: str) -> None:
    assert limited[act]["sizes"]
    assert limited[act]["limited"] == pytest.approx(limited[act]["unlimited"], rel=1e-5)


def smooth_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3)).double()


def some_batch(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64), torch.arange(count) % 3


@pytest.mark.parametrize(("count", "largest"), [(10, 3), (10, 1), (9, 2), (7, 6)])
def test_the_gradients_of_parts_add_up_to_those_of_the_batch(count: int, largest: int) -> None:
    network, batch = smooth_network(), some_batch(count)
    F.cross_entropy(network(batch[0]), batch[1]).backward()
    whole = [parameter.grad for parameter in network.parameters()]
    seen: list[int] = []

    def mean_loss(inputs: Tensor, labels: Tensor) -> Tensor:
        seen.append(len(inputs))
        return F.cross_entropy(network(inputs), labels)

    MicroBatches(largest).backward(network, batch, mean_loss, image_size=8)
    assert len(seen) > 1
    for parameter, expected in zip(network.parameters(), whole, strict=True):
        assert torch.allclose(parameter.grad, expected, rtol=1e-6, atol=1e-12)
    for found, expected in zip(
        gradient_in_parts(batch, largest, mean_loss, list(network.parameters())), whole, strict=True
    ):
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("count", "size", "parts"),
    [(8, 8, [8]), (8, 4, [4, 4]), (10, 4, [4, 3, 3]), (5, 2, [3, 2]), (3, 2, [3]), (3, 1, [1, 1, 1]), (1, 2, [1])],
)
def test_parts_are_even_and_an_odd_image_joins_its_neighbours(count: int, size: int, parts: list[int]) -> None:
    found = even_parts(torch.arange(count), size)
    assert [len(part) for part in found] == parts
    assert torch.equal(torch.cat(found), torch.arange(count))


def fits(most: int):
    """An attempt that gets its memory up to `most` images; the sizes that it was asked for."""
    asked: list[int] = []

    def attempt(size: int) -> int:
        asked.append(size)
        return len(np.empty(2**50 if size > most else 1, dtype=np.uint8))

    return attempt, asked


def test_halved_once_is_halved_for_what_follows() -> None:
    reported: list[int] = []
    memory = MicroBatches(None, reported.append)
    first, second = fits(10), fits(1000)
    memory.run(64, first[0], network=nn.Identity(), image_size=8)
    memory.run(200, second[0], network=nn.Identity(), image_size=8)
    memory.run(5, second[0], network=nn.Identity(), image_size=8)
    assert (first[1], second[1]) == ([64, 32, 16, 8], [8, 5])
    assert (reported, memory.largest) == ([32, 16, 8], 8)


def test_enough_memory_changes_nothing() -> None:
    memory = MicroBatches(None, lambda size: pytest.fail("nothing was halved"))
    assert memory.run(64, lambda size: size, network=nn.BatchNorm2d(2), image_size=8) == 64
    assert memory.largest is None


@pytest.mark.parametrize(
    ("network", "fewest"),
    [
        (nn.Linear(1, 1), 1),
        (nn.BatchNorm2d(2), 2),
        (nn.BatchNorm2d(2).eval(), 1),
        (nn.BatchNorm2d(2, track_running_stats=False).eval(), 2),
    ],
)
def test_one_image_is_the_end_or_two_where_a_batch_norm_needs_them(network: nn.Module, fewest: int) -> None:
    attempt, asked = fits(0)
    with pytest.raises(OutOfMemoryError, match=f"{fewest} images? of 8x8 pixels.*1125899906842624 bytes"):
        MicroBatches().run(8, attempt, network=network, image_size=8)
    assert asked[-1] == fewest
    attempt, asked = fits(100)
    MicroBatches(1).run(8, attempt, network=network, image_size=8)
    assert asked == [fewest]


def test_another_error_is_not_a_matter_of_memory() -> None:
    def attempt(size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        MicroBatches(None, lambda size: pytest.fail("halved")).run(8, attempt, network=nn.Identity(), image_size=8)


def test_running_averages_reach_over_as_many_images_in_parts() -> None:
    averages = []
    for largest in (None, 4):
        norm = nn.BatchNorm2d(2, momentum=0.3)
        inputs = torch.full((16, 2, 3, 3), 5.0)
        MicroBatches(largest).backward(norm, (inputs,), lambda part, norm=norm: norm(part).sum(), image_size=3)
        averages.append((norm.running_mean, norm.running_var))
        assert norm.momentum == 0.3
    assert torch.allclose(averages[0][0], torch.full((2,), 1.5))
    for whole, parts in zip(*averages, strict=True):
        assert torch.allclose(whole, parts)


def test_every_allocator_is_understood() -> None:
    complaints = []
    for ask in (lambda: np.empty(2**50, dtype=np.uint8), lambda: torch.empty(2**50, dtype=torch.uint8)):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            ask()
        complaints.append(caught.value)
    complaints.append(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1048576.00 GiB. GPU 0 has a total"))
    for complaint in complaints:
        assert is_out_of_memory(complaint)
        assert "for it: 1125899906842624 bytes were requested" in too_large(str(complaint), "it").message
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(ValueError("out of memory"))
