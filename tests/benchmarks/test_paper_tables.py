"""The tables: their arithmetic by hand, and every row on a handful of images."""

from typing import Any

import pytest
import torch

from benchmarks.paper.data import PaperData
from benchmarks.paper.plain import plain_network
from benchmarks.paper.searching import (
    KNOWN_CELL,
    METHODS,
    TRIAL_PARTS,
    iteration_seconds,
    problem_of,
    run,
    source_space,
)
from benchmarks.paper.tables import curve, interval, rank_intervals, tables_of
from benchmarks.paper.tasks import TASKS
from ldnas.data.task_data import ImageSet
from ldnas.search.base import SearchRun
from ldnas.search.results import SearchEvent
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE, space_of

CELL = Genotype(("identity", "sep_conv_3x3", "identity", "identity", "max_pool_3x3", "identity"))
SKELETON = {"image_size": 8, "stem_channels": 4, "stages": [{"channels": 4, "cells": 1}]}


class Noise(PaperData):
    """Images as bright as their label says, and a list of the splits that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.images = self._made  # type: ignore[assignment]

    def _made(self, dataset: str, split: str, image_size: int) -> ImageSet:
        self.asked.append(split)
        labels = torch.arange(10).repeat(6)
        images = (labels * 20)[:, None, None, None].expand(-1, 3, image_size, image_size)
        return ImageSet(images.to(torch.uint8).contiguous(), labels)


def needed() -> list[dict[str, Any]]:
    """Figure 1 in which task b shows b on every target, so that Task 3 has 2 and 4 equally close; and genotypes."""
    networks = []
    for task in range(8):
        seen = {"logme": 0.0, "log_det": {"layers": [["a", 1]], "sums": [[[0.0], [float(task)]]]}}
        values = {"task": task, "repetition": 0}
        outcome = {"observations": {"default": [seen] * 8}}
        networks.append({"unit": {"kind": "network", "values": values}, "outcome": outcome})
    outcome = {"genotype": CELL.to_json()}
    genotypes = [{"unit": {"kind": "genotype", "values": {"task": task}}, "outcome": outcome} for task in range(8)]
    return networks + genotypes


def values(method: str) -> dict[str, Any]:
    return {
        "method": method,
        "task": 3,
        "balanced": True,
        "seed": 0,
        "skeleton": SKELETON,
        "max_parameters": None,
        "search_seconds": 0.05,
        "race_seconds": 0.05,
        "train_images": 60,
        "validation_images": 30,
        "test_images": 40,
        "subset_seed": 0,
        "plain_width": 4,
        "final_epochs": 1,
        "trial_parts": TRIAL_PARTS.get(method),
    }


def test_ld_nas_searches_the_space_of_the_closest_sources_genotype() -> None:
    assert source_space(3, needed()) == (2, space_of([CELL]))
    assert source_space(0, needed()) == (1, space_of([CELL]))


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("DenseNet-121", "VGG-16")])
def test_a_row_has_accuracies_size_and_seconds_and_reads_test_images_once(method: str) -> None:
    data = Noise()
    outcome = run(values(method), data, torch.device("cpu"), needed())
    assert data.asked == ["train", "validation", "test"]
    assert outcome["images"] == {"train": 60, "validation": 30, "test": 40}
    assert outcome["parameters"] > 0
    assert 0 <= outcome["test_accuracy"] <= 1
    assert outcome["search_seconds"] >= 0
    assert outcome["training_seconds"] > 0
    heights = [height for _, height in outcome["curve"]]
    assert heights == sorted(heights)
    assert bool(heights) == (method not in ("ResNet-18", KNOWN_CELL))
    if method in TRIAL_PARTS:  # however few its seconds, to the end of its schedule
        assert outcome["iterations"] == 2
    if method == "LD-NAS":
        assert outcome["source"] == 2
        assert space_of([CELL]).contains(Genotype.from_json(outcome["genotype"]))


def test_an_iteration_is_timed_by_its_second_and_on_a_part_of_the_images() -> None:
    seconds = 0.0

    class Steady:
        """A hundredth of a second for each image, and ten seconds more for the first iteration."""

        def search(self, run: SearchRun) -> None:
            nonlocal seconds
            images = len(run.problem.train) + len(run.problem.validation)
            for iteration in range(run.budget.iterations or 0):
                seconds += 0.01 * images + (10.0 if iteration == 0 else 0.0)
                run.on_event(SearchEvent("iteration", iteration, None, (), (), (), None))

    own, data = values("DARTS"), Noise()
    train, validation = data.images("mnist", "train", 8), data.images("mnist", "validation", 8).subset(torch.arange(32))
    problem = problem_of(own, TASKS["paper"][3], train.subset(torch.arange(56)), validation, FULL_SPACE)
    found = iteration_seconds(Steady(), problem, own, lambda: seconds)  # type: ignore[arg-type]
    assert found == pytest.approx(0.01 * (56 + 32))
    assert seconds == pytest.approx(10.0 + 2 * 0.01 * (56 + 32) / 8)


@pytest.mark.parametrize(("name", "millions"), [("VGG-16", 14.72), ("ResNet-18", 11.17), ("DenseNet-121", 6.95)])
def test_the_plain_networks_have_the_published_size_at_full_width(name: str, millions: float) -> None:
    network = plain_network(name, classes=10, width=64, seed=0)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.011)
    narrow = plain_network(name, classes=4, width=8, seed=0).eval()
    assert narrow(torch.zeros(2, 3, 16, 16)).shape == (2, 4)


def row(method: str, seed: int, accuracy: float, *, task: int = 3, balanced: bool = True) -> dict[str, Any]:
    return {
        "unit": {"kind": "row", "values": {"method": method, "seed": seed, "task": task, "balanced": balanced}},
        "outcome": {
            "test_accuracy": accuracy,
            "test_balanced_accuracy": accuracy,
            "validation_accuracy": 0.9,
            "parameters": 2_000_000,
            "search_seconds": 10.0,
            "training_seconds": 5.0,
            "iterations": 3,
            "curve": [[4.0, 0.5]],
        },
    }


def test_a_table_has_means_in_the_papers_columns_next_to_the_papers_figures() -> None:
    rows = [row("DARTS", 0, 0.8), row("DARTS", 1, 0.9), row("ENAS", 0, 0.7), row("ENAS", 0, 0.1, task=6)]
    published = {"table_1_mnist_task_3": {"DARTS": [99.51, 2.37, 2]}, "table_2_cifar10_task_6": {}}
    found = tables_of(rows, published)
    assert set(found) == {"table_1_mnist_task_3", "table_2_cifar10_task_6"}
    first = found["table_1_mnist_task_3"]
    assert first["DARTS"] == pytest.approx([85.0, 2.0, 10.0, 5.0])
    assert first["published"]["DARTS"] == [99.51, 2.37, 2]
    assert first["details"]["DARTS"]["rank"] == 1.0
    assert first["details"]["ENAS"]["test_accuracy_std"] is None
    assert first["details"]["DARTS"]["space_sizes"] == []


def test_a_row_that_narrows_its_space_names_the_source_and_the_number_of_cells() -> None:
    rows = [row("LD-NAS", seed, 0.8) for seed in range(2)]
    for one, size in zip(rows, (729, 64), strict=True):
        one["outcome"] |= {"source": 2, "space": {"size": size}}
    details = tables_of(rows, {"table_1_mnist_task_3": {}})["table_1_mnist_task_3"]["details"]["LD-NAS"]
    assert (details["sources"], details["space_sizes"]) == ([2, 2], [729, 64])


def test_the_two_readings_of_task_6_are_two_tables() -> None:
    rows = [row("ENAS", 0, 0.1, task=6, balanced=False), row("ENAS", 0, 0.3, task=6)]
    found = tables_of(rows, {"table_2_cifar10_task_6": {}})
    assert found["table_2_cifar10_task_6_unbalanced"]["ENAS"][0] == pytest.approx(10.0)
    assert found["table_2_cifar10_task_6"]["ENAS"][0] == pytest.approx(30.0)


def test_ranks_that_seeds_cannot_distinguish_have_wide_intervals() -> None:
    apart = rank_intervals({"a": [0.9, 0.91, 0.92], "b": [0.1, 0.2, 0.3]})
    assert apart == {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0]}
    mixed = rank_intervals({"a": [0.2, 0.8, 0.9], "b": [0.3, 0.5, 0.85]})
    assert mixed["a"] == [1.0, 1.0, 2.0]


def test_an_interval_is_students_t_over_seeds() -> None:
    assert interval([1.0, 2.0, 3.0]) == pytest.approx([2 - 2.920 / 3**0.5, 2 + 2.920 / 3**0.5])
    assert interval([1.0]) is None


def test_a_curve_ends_with_the_trained_network() -> None:
    assert curve(row("DARTS", 0, 0.8)["outcome"]) == [[4.0, 0.5], [15.0, 0.9]]
